//! What Holdfast asks of an aggregate beyond cqrs-es.

use uuid::Uuid;

use crate::event::{AnyEvent, current_version};
use crate::kernel::{Context, DeadlineChange, DomainError, Sealed};

/// An aggregate whose streams live in tenant logs.
pub trait TenantAggregate:
    cqrs_es::Aggregate<Services = Context, Command: Clone + Send + Sync + 'static, Event: Into<AnyEvent>, Error: DomainError + Send> + 'static
{
    /// Goes up whenever the same events fold to another state, so that old snapshots are not used.
    const FOLD_VERSION: u32;

    /// False until the first event: the stream does not exist and commands other than the first answer *not found*.
    fn exists(&self) -> bool;

    /// The name of the current state, for answers.
    fn status(&self) -> &'static str;

    /// True when the command is decided on facts of the tenant's own stream (settings): such a decision is stored
    /// only if nothing else was written to the tenant's log meanwhile.
    fn depends_on_settings(_command: &Self::Command) -> bool {
        false
    }

    /// Unique values across streams that the event takes or gives back.
    fn claims(_event: &Self::Event) -> Vec<ClaimChange> {
        Vec::new()
    }

    /// The refusal for a claim that another stream holds.
    fn claim_taken(claim: &Claim, holder: Uuid) -> Self::Error;
}

/// What every event of every aggregate can tell about itself.
pub trait StoredEvent {
    /// The stored name, `<aggregate>.<what happened>`; never changes.
    fn name(&self) -> &'static str;

    /// The version of its stored shape: `event::UPCASTERS` says it.
    fn version(&self) -> u32 {
        current_version(self.name())
    }

    /// Rows of the deadlines table after this event.
    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        Vec::new()
    }

    /// Every sealed value in it.
    fn personal(&self) -> Vec<&Sealed> {
        Vec::new()
    }
}

/// cqrs-es' view of a stored event.
#[macro_export]
macro_rules! domain_event {
    ($event:ty) => {
        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                $crate::kernel::StoredEvent::name(self).to_owned()
            }

            fn event_version(&self) -> String {
                $crate::kernel::StoredEvent::version(self).to_string()
            }
        }
    };
}

/// A value that only one stream of the tenant may hold at a time (CNF-53).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    pub kind: &'static str,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimChange {
    Take(Claim),
    GiveBack(Claim),
}
