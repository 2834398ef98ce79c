//! How often one person may ask for what is dear (TAL-44, NFR-07).

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use holdfast_domain::kernel::{PartyId, TenantId};

use crate::error::ApiError;
use crate::request::Caller;

/// So many at once and so many per minute, for each actor of each tenant. Every process counts for itself.
pub struct PerActor {
    limiter: RateLimiter<Key, HashMapStateStore<Key>, DefaultClock>,
    clock: DefaultClock,
}

type Key = (TenantId, PartyId);

/// Above it those who have not asked for a while are forgotten.
const REMEMBERED: usize = 10_000;

impl PerActor {
    #[must_use]
    pub fn per_minute(most: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        Self { limiter: RateLimiter::new(Quota::per_minute(most), HashMapStateStore::default(), clock.clone()), clock }
    }

    /// Refuses with `RATE_LIMITED` and says when to come again.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.limiter.len() > REMEMBERED {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&(caller.tenant_id, caller.actor.id)).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.clock.now());
            ApiError::rate_limited(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
        })
    }
}

impl std::fmt::Debug for PerActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerActor").finish_non_exhaustive()
    }
}
