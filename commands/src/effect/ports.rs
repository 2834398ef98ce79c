//! What effects reach the outside with.

use std::sync::Arc;

use holdfast_documents::{ContractDocument, RenderError};
use holdfast_domain::event::EventOf;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::{EventLog, StreamId};
use holdfast_files::Files;
use uuid::Uuid;

use crate::effect::EffectError;
use crate::esign::SigningProviders;
use crate::personal::Sealer;

#[derive(Clone)]
pub struct Ports {
    pub log: EventLog,
    pub sealer: Sealer,
    pub files: Arc<Files>,
    pub signing: Arc<SigningProviders>,
    /// Typesets a contract; takes its time.
    pub contract_pdf: fn(&ContractDocument) -> Result<Vec<u8>, RenderError>,
}

/// Events per round trip.
const PAGE: i64 = 500;

/// The stream's state now; none when the tenant has no such stream.
pub(crate) async fn load<A: EventOf>(ports: &Ports, tenant_id: TenantId, aggregate_id: Uuid) -> Result<Option<A>, EffectError> {
    let stream = StreamId { tenant_id, aggregate_type: A::TYPE, aggregate_id };
    let mut state = A::default();
    let mut sequence = 0;
    loop {
        let stored = ports.log.read_stream(stream, sequence, PAGE).await.map_err(EffectError::ours)?;
        for event in &stored {
            let recorded = event.decode().map_err(EffectError::ours)?;
            if let Some(event) = recorded.event.of::<A>() {
                state.apply(event.clone());
            }
            sequence = recorded.origin.sequence;
        }
        if i64::try_from(stored.len()).unwrap_or(PAGE) < PAGE {
            return Ok(state.exists().then_some(state));
        }
    }
}
