//! Events pushed to frontends as server-sent events (ANA-57; docs/push.md): which ones a caller hears, the pages that all streams
//! of a tenant share, and one task per stream that writes no faster than its client reads.

mod audience; // who hears of what
mod feed; // pages of events, read once for all who wait for them
mod frame; // how an event looks on the wire
mod places; // how many streams there may be
mod stream;

use std::sync::Arc;

use holdfast_eventlog::db::Pool;
use holdfast_projections::positions::Positions;
use tokio_util::sync::CancellationToken;

pub(crate) use audience::Audience;
pub(crate) use feed::Feed;
pub use places::StreamLimits;
pub(crate) use places::{Full, Places};
pub(crate) use stream::Stream;

/// What streams are made of.
#[derive(Debug)]
pub struct Push {
    pub(crate) feed: Feed,
    pub(crate) places: Arc<Places>,
    /// Streams say goodbye when it is cancelled.
    pub(crate) shutdown: CancellationToken,
}

impl Push {
    /// `pool`: the read database as `holdfast_reader`.
    #[must_use]
    pub fn new(pool: Pool, positions: Positions, limits: StreamLimits, shutdown: CancellationToken) -> Self {
        Self { feed: Feed::new(pool, positions), places: Arc::new(Places::new(limits)), shutdown }
    }
}
