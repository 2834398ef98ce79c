//! A contract is void, or an envelope was made for one that already was → the provider takes the document back (CTR-41).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::contract::{ContractFact, ContractStatus, Envelope};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::contract::contract_event;
use crate::contract::create_envelope::{not_configured, theirs};
use crate::effect::{Effect, EffectError, Ports};
use crate::reaction::Step;

pub(crate) const EFFECT: Effect = Effect { name: "void_envelope", on: &["contract.voided", "contract.envelope_created"], run };

fn run<'a>(ports: &'a Ports, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>> {
    voided(ports, event).boxed()
}

async fn voided(ports: &Ports, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, EffectError> {
    if let Some(Envelope { provider, envelope_id }) = to_take_back(event) {
        let port = ports.signing.get(*provider).ok_or_else(|| not_configured(*provider))?;
        port.void_envelope(envelope_id, "the contract is void").await.map_err(theirs)?;
    }
    Ok(Vec::new())
}

fn to_take_back(event: &Recorded<AnyEvent>) -> Option<&Envelope> {
    let (_, contract) = contract_event(event)?;
    if let ContractFact::Voided { envelope, .. } = &contract.fact {
        return envelope.as_ref();
    }
    if let ContractFact::EnvelopeCreated { envelope } = &contract.fact
        && contract.to == ContractStatus::Void
    {
        return Some(envelope);
    }
    None
}
