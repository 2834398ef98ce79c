//! A person is erased → every key of theirs is destroyed, for ever, and that is put on record (ADM-25, CNF-33).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::person::{Person, PersonCommand, PersonEvent};
use holdfast_eventlog::keys::Destroyed;

use crate::effect::{Effect, EffectError, Ports};
use crate::reaction::Step;

pub(crate) const EFFECT: Effect = Effect { name: "destroy_keys", on: &["person.erased"], run };

fn run<'a>(ports: &'a Ports, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>> {
    erased(ports, event).boxed()
}

async fn erased(ports: &Ports, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, EffectError> {
    let Some(PersonEvent::Erased { subject, .. }) = event.event.of::<Person>() else { return Ok(Vec::new()) };
    // Done twice it says the same: the rows of destroyed keys stay.
    let Destroyed { keys, at } = ports.sealer.destroy(event.origin.tenant_id, *subject).await.map_err(EffectError::ours)?;
    let command = PersonCommand::RecordKeysDestroyed { subject: *subject, keys, at };
    Ok(vec![Step::new::<Person>("record_keys_destroyed", subject.uuid(), command)])
}
