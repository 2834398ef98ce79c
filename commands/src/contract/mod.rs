//! What follows on the events of a contract: one file per reaction or effect, named after what it does.

pub(crate) mod create_envelope;
mod document; // a contract as a PDF
pub(crate) mod end_agreement;
pub(crate) mod record_signature;
pub(crate) mod render_documents;
pub(crate) mod void_envelope;

use holdfast_domain::contract::{Contract, ContractEvent};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ContractId, Recorded};

/// The contract and what happened to it, when that is what the event is about.
fn contract_event(event: &Recorded<AnyEvent>) -> Option<(ContractId, &ContractEvent)> {
    event.event.of::<Contract>().map(|contract| (ContractId(event.origin.aggregate_id), contract))
}
