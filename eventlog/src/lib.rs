//! The tenant logs: append-only, gapless, one per tenant; and how events leave them (relay, subscriptions).
//!
//! The rules behind every statement here: docs/ARCHITECTURE.md, "The log".

mod append;
mod error;
mod fresh;
mod json;
mod load;
mod moves;
mod read;
mod retry;
mod snapshot;
mod types;

pub mod db;
pub mod export;
pub mod failpoint;
pub mod keys;
pub mod nats;
pub mod port;
pub mod relay;
pub mod seal;
pub mod subscription;

use std::sync::Arc;

pub use append::LockedTenant;
pub use error::{AppendError, LogError};
pub use fresh::Fresh;
use moves::Moves;
pub use retry::seed as seed_pauses;
pub use snapshot::Snapshot;
pub use types::{
    Appended, Batch, HeadMove, LoadRequest, Loaded, NewClaim, NewEvent, NewReceipt, ReceiptKey, StoredEvent, StoredReceipt, StreamId, Unit,
    UnitOutcome, UnreadableEvent,
};

/// The texts of the statements on the hot path, for the test that looks at their plans.
#[doc(hidden)]
pub mod statements {
    pub use crate::append::{APPEND, APPEND_WITHOUT_CLAIMS, TAKEN};
    pub use crate::load::LOAD;
    pub use crate::snapshot::{DISCARD, WRITE};
}

/// The write database, as one role sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventLog {
    pool: db::Pool,
    fresh: Option<Fresh>,
    moves: Arc<Moves>,
}

impl EventLog {
    #[must_use]
    pub fn new(pool: db::Pool) -> Self {
        Self { pool, fresh: None, moves: Arc::default() }
    }

    /// Tells what it appends; subscriptions to it listen to what others of the process append.
    #[must_use]
    pub fn with_fresh(self, fresh: Fresh) -> Self {
        Self { fresh: Some(fresh), ..self }
    }
}
