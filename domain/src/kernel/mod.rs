//! What every context shares, in reading order.

mod aggregate;
mod context;
mod deadline;
mod error;
mod free_json;
mod ids;
mod money;
mod named;
mod personal;
mod recorded;
mod split;
mod transitions;

pub use aggregate::{Claim, ClaimChange, StoredEvent, TenantAggregate};
pub use context::{Actor, ActorKind, Context, Role, Roles};
pub use deadline::DeadlineChange;
pub use error::{DomainError, ErrorKind};
pub use free_json::{FreeJsonProblem, check_free_json};
pub use ids::*;
pub use money::{Currency, MAX_MINOR, Money, MoneyError};
pub use personal::{Personal, Sealed};
pub use recorded::{Metadata, Origin, Recorded};
pub use split::{round_half_up_bp, split_by_weights};
pub use transitions::find_transition;
