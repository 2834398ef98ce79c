//! Read models made anew from the log while the old ones are read (ADM-21, NFR-19, protocols 8).
//!
//! Every table stands twice: in `public`, which is read, and in `shadow`. A rebuild empties the shadow side, folds the log
//! into it with the projections' own code, compares both sides at the same position, and lets them change places in one
//! transaction. The former rows stay on the shadow side, so that the swap can be taken back.

mod ahead;
mod compare;
mod fold;
mod orders;
mod run;
mod runs;
mod status;
mod swap;
mod trial;
mod upkeep;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Commits, Pool, PoolSettings};
use holdfast_eventlog::{EventLog, LogError};
use uuid::Uuid;

use crate::all_projections;
use crate::personal::{Keys, KeysError};
use crate::runtime::{ApplyError, Projection};

pub use compare::{Diff, Sample, TableDiff, Total};
pub use fold::Progress;
pub use orders::{Order, OrderError, Ordered, order};
pub use run::Run;
pub use runs::{Kind, OtherSide, RunRow, UnknownKind, find_run, list_runs, prune_runs};
pub use status::{Status, Stopped, status};
pub use trial::{RowChange, Trial};
pub use verified::{Verified, VerifiedTenant, VerifyOrRebuildError};

/// Sessions of a rebuild: they may take longer than those of the projector, and the second kind sees the shadow side only.
///
/// Give both to [`Pool::connect`] with the read database as `holdfast_projector`.
#[must_use]
pub fn pool_settings() -> [PoolSettings; 2] {
    let patient = PoolSettings {
        max_connections: 4,
        application_name: "holdfast_rebuild",
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(60),
        lock_timeout: Duration::from_secs(1),
        ..PoolSettings::default()
    };
    let shadow = PoolSettings { search_path: Some("shadow"), commits: Commits::Lazy, ..patient.clone() };
    [patient, shadow]
}

/// What rebuilds work with. Cheap to clone.
#[derive(Clone)]
pub struct Rebuilder {
    /// The read database as `holdfast_projector`.
    live: Pool,
    /// The same with `shadow` as search path.
    shadow: Pool,
    log: EventLog,
    keys: Arc<dyn Keys>,
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no projection {0}")]
    UnknownProjection(String),
    #[error("another rebuild of {0} is at work")]
    Busy(&'static str),
    #[error("the log of tenant {tenant_id} has no event at position {position}: nothing was swapped")]
    Gap { tenant_id: TenantId, position: i64 },
    #[error("the event at position {position} of tenant {tenant_id} does not fit: nothing was swapped")]
    DoesNotFit { tenant_id: TenantId, position: i64 },
    #[error("both sides differ in more than their rows: {0:?}")]
    Shape(Vec<String>),
    #[error("the rows kept aside were made by version {kept} of the projection, this program has version {ours}")]
    OtherVersion { kept: i32, ours: i32 },
    #[error("nothing is kept aside: the last run was not a swap")]
    NothingKept,
    #[error("the rows of rebuild {0} are not there to be swapped: it was swapped or has failed, or another run came after it")]
    NotPrepared(Uuid),
    #[error("a trial is about one tenant")]
    WhichTenant,
    #[error("{0} has not stopped for this tenant")]
    NotStopped(&'static str),
    #[error("the run has lost its lock: nothing was swapped")]
    LockLost,
    #[error("the tables were in use all the time: nothing was swapped")]
    InUse,
    #[error("a sum is too large to be shown")]
    Total,
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("personal values cannot be opened")]
    Keys(#[from] KeysError),
    #[error("the events cannot be folded now")]
    Fold(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("rows cannot be read as JSON")]
    Json(#[from] serde_json::Error),
    #[error("an event cannot be read")]
    Apply(#[from] ApplyError),
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
    #[error("a part of the rebuild ended")]
    Part(#[from] tokio::task::JoinError),
}

impl Rebuilder {
    #[must_use]
    pub fn new(live: Pool, shadow: Pool, log: EventLog, keys: Arc<dyn Keys>) -> Self {
        Self { live, shadow, log, keys }
    }

    /// The read database, for orders.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.live
    }

    #[must_use]
    pub fn log(&self) -> &EventLog {
        &self.log
    }
}

impl std::fmt::Debug for Rebuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebuilder").finish_non_exhaustive()
    }
}

/// The projection of that name.
///
/// # Errors
/// When this program has none.
pub fn projection(name: &str) -> Result<Projection, RebuildError> {
    all_projections().into_iter().find(|known| known.name() == name).ok_or_else(|| RebuildError::UnknownProjection(name.to_owned()))
}

/// True when the same may work a moment later: a lock that was not free in time, a deadlock, a statement that took too long.
fn passes(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "55P03" | "40P01" | "40001" | "57014"))
}
