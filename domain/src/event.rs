//! Every event of Holdfast as one type: what the ledger, reactions, deadlines and read models take.
//!
//! A new aggregate is one line in the list below.

mod catalogue; // name, version and JSON schema of every event
mod fold; // what makes states of one program those of another
mod version; // what became of shapes that are no longer written

pub use catalogue::{EventSchema, schemas};
pub use fold::fingerprint;
pub use version::{UPCASTERS, Upcaster, current_version};

use cqrs_es::Aggregate;

use crate::access::Access;
use crate::asset::Asset;
use crate::bank_receipt::BankReceipt;
use crate::booking::Booking;
use crate::contract::{Clause, Contract, Template};
use crate::credits::Credits;
use crate::dispute::Dispute;
use crate::escrow::Escrow;
use crate::job::Job;
use crate::kernel::{DeadlineChange, Sealed, StoredEvent, TenantAggregate};
use crate::person::Person;
use crate::session::Session;
use crate::tenant::Tenant;
use crate::wallet::Wallet;

/// The stored text is not an event of this program: it was written by a newer version, or changed.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown aggregate type {0:?}")]
    UnknownAggregate(String),
    #[error("unreadable {aggregate_type} event")]
    Unreadable {
        aggregate_type: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("unreadable state of a {aggregate_type}")]
    UnreadableState {
        aggregate_type: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("unreadable event {event_type:?} of version {version:?}: this program knows versions 1 to {known}")]
    UnknownVersion { event_type: String, version: String, known: u32 },
    #[error("{payload} is stored under the name {event_type:?}")]
    Misnamed { event_type: String, payload: &'static str },
}

macro_rules! aggregates {
    ($($aggregate:ident),+ $(,)?) => {
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyEvent {
            $($aggregate(Box<<$aggregate as Aggregate>::Event>)),+
        }

        /// Names of all aggregates, as stored.
        pub const AGGREGATE_TYPES: &[&str] = &[$($aggregate::TYPE),+];

        impl AnyEvent {
            /// Payloads of earlier versions are first made what they would be today.
            ///
            /// # Errors
            /// When the aggregate or the version is unknown, or the payload does not have the shape of its type or is another event.
            pub fn decode(stored_type: &str, event_type: &str, event_version: &str, payload: &str) -> Result<Self, DecodeError> {
                let stored = version::Stored { aggregate_type: aggregate_type(stored_type)?, event_type, event_version, payload };
                let event = match stored.aggregate_type {
                    $($aggregate::TYPE => stored.read(UPCASTERS).map(|event| Self::$aggregate(Box::new(event))),)+
                    other => Err(DecodeError::UnknownAggregate(other.to_owned())),
                }?;
                if event.name() == event_type {
                    return Ok(event);
                }
                Err(DecodeError::Misnamed { event_type: event_type.to_owned(), payload: event.name() })
            }

            /// The stored name of its aggregate.
            #[must_use]
            pub fn aggregate_type(&self) -> &'static str {
                match self {
                    $(Self::$aggregate(_) => $aggregate::TYPE,)+
                }
            }

            /// Aggregate and schema of each event type, with all of its variants.
            fn type_schemas() -> Vec<(&'static str, serde_json::Value)> {
                vec![$(($aggregate::TYPE, catalogue::type_schema::<<$aggregate as Aggregate>::Event>())),+]
            }

            /// How each aggregate folds.
            fn folds() -> Vec<fold::Fold> {
                vec![$(fold::Fold {
                    aggregate_type: $aggregate::TYPE,
                    version: <$aggregate as TenantAggregate>::FOLD_VERSION,
                    state: catalogue::type_schema::<$aggregate>(),
                    events: catalogue::type_schema::<<$aggregate as Aggregate>::Event>(),
                }),+]
            }

            /// As it is stored.
            #[cfg(test)]
            fn payload(&self) -> serde_json::Value {
                match self {
                    $(Self::$aggregate(event) => serde_json::to_value(event).unwrap(),)+
                }
            }

            fn stored(&self) -> &dyn StoredEvent {
                match self {
                    $(Self::$aggregate(event) => event.as_ref(),)+
                }
            }
        }

        /// The state of a stream of any aggregate, folded by the aggregate itself: what an auditor's replay shows (ANA-38).
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyAggregate {
            $($aggregate(Box<$aggregate>)),+
        }

        impl AnyAggregate {
            /// Before the first event.
            ///
            /// # Errors
            /// `UnknownAggregate` when it is none of ours.
            pub fn new(stored_type: &str) -> Result<Self, DecodeError> {
                match stored_type {
                    $($aggregate::TYPE => Ok(Self::$aggregate(Box::default())),)+
                    other => Err(DecodeError::UnknownAggregate(other.to_owned())),
                }
            }

            /// A state that was written as JSON.
            ///
            /// # Errors
            /// When the aggregate is unknown, or the text is no state of it.
            pub fn read(stored_type: &str, state: &str) -> Result<Self, DecodeError> {
                let aggregate_type = aggregate_type(stored_type)?;
                let read = match aggregate_type {
                    $($aggregate::TYPE => serde_json::from_str(state).map(|state| Self::$aggregate(Box::new(state))),)+
                    other => return Err(DecodeError::UnknownAggregate(other.to_owned())),
                };
                read.map_err(|source| DecodeError::UnreadableState { aggregate_type, source })
            }

            /// The state after `event`; an event of another aggregate changes nothing.
            pub fn apply(&mut self, event: &AnyEvent) {
                match self {
                    $(Self::$aggregate(state) => {
                        if let Some(event) = $aggregate::event_of(event) {
                            Aggregate::apply(state.as_mut(), event.clone());
                        }
                    })+
                }
            }

            /// False until the first event.
            #[must_use]
            pub fn exists(&self) -> bool {
                match self {
                    $(Self::$aggregate(state) => TenantAggregate::exists(state.as_ref()),)+
                }
            }

            /// The name of the current state, as answers show it.
            #[must_use]
            pub fn status(&self) -> &'static str {
                match self {
                    $(Self::$aggregate(state) => TenantAggregate::status(state.as_ref()),)+
                }
            }

            /// The fields of the state as JSON; sealed values stay sealed.
            ///
            /// # Errors
            /// When a field cannot be written as JSON.
            pub fn state(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$aggregate(state) => serde_json::to_value(state.as_ref()),)+
                }
            }
        }

        $(
            impl From<<$aggregate as Aggregate>::Event> for AnyEvent {
                fn from(event: <$aggregate as Aggregate>::Event) -> Self {
                    Self::$aggregate(Box::new(event))
                }
            }

            impl EventOf for $aggregate {
                fn event_of(any: &AnyEvent) -> Option<&Self::Event> {
                    if let AnyEvent::$aggregate(event) = any { Some(event) } else { None }
                }
            }
        )+
    };
}

aggregates! {
    Tenant,
    Escrow,
    Wallet,
    BankReceipt,
    Job,
    Booking,
    Template,
    Clause,
    Contract,
    Dispute,
    Credits,
    Asset,
    Person,
    Access,
    Session,
}

/// Finds an aggregate's own events among all.
pub trait EventOf: TenantAggregate {
    fn event_of(any: &AnyEvent) -> Option<&Self::Event>;
}

/// The static name equal to `stored`.
///
/// # Errors
/// `UnknownAggregate` when it is none of ours.
pub fn aggregate_type(stored: &str) -> Result<&'static str, DecodeError> {
    AGGREGATE_TYPES.iter().find(|name| **name == stored).copied().ok_or_else(|| DecodeError::UnknownAggregate(stored.to_owned()))
}

impl AnyEvent {
    /// The aggregate's event, when it is one of that aggregate: `event.of::<Escrow>()`.
    #[must_use]
    pub fn of<A: EventOf>(&self) -> Option<&A::Event> {
        A::event_of(self)
    }

    /// The stored name, `<aggregate>.<what happened>`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.stored().name()
    }

    /// The version of the shape that is written today.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.stored().version()
    }

    /// Rows of the deadlines table after this event.
    #[must_use]
    pub fn deadline_changes(&self) -> Vec<DeadlineChange> {
        self.stored().deadline_changes()
    }

    /// Every sealed value in it, for the reader that opens them.
    #[must_use]
    pub fn personal(&self) -> Vec<&Sealed> {
        self.stored().personal()
    }
}

#[cfg(test)]
mod tests;
