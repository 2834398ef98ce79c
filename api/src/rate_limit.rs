//! How often one person may ask for what is dear (TAL-44, NFR-07).

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use holdfast_domain::kernel::{PartyId, TenantId};
use lru::LruCache;

use crate::error::ApiError;
use crate::request::Caller;

/// So many at once and so many per minute, for each actor of each tenant. Every process counts for itself.
pub struct PerActor {
    quota: Quota,
    clock: DefaultClock,
    actors: Mutex<LruCache<(TenantId, PartyId), DefaultDirectRateLimiter>>,
}

/// Those that have not asked for longest are forgotten, and may then ask as if for the first time.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

impl PerActor {
    #[must_use]
    pub fn per_minute(most: NonZeroU32) -> Self {
        Self::remembering(most, REMEMBERED)
    }

    fn remembering(most: NonZeroU32, actors: NonZeroUsize) -> Self {
        Self { quota: Quota::per_minute(most), clock: DefaultClock::default(), actors: Mutex::new(LruCache::new(actors)) }
    }

    /// Refuses with `RATE_LIMITED` and says when to come again.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<(), ApiError> {
        self.admit_actor(caller.tenant_id, caller.actor.id)
    }

    fn admit_actor(&self, tenant_id: TenantId, party_id: PartyId) -> Result<(), ApiError> {
        let mut actors = self.actors.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter =
            actors.get_or_insert((tenant_id, party_id), || DefaultDirectRateLimiter::direct_with_clock(self.quota, self.clock.clone()));
        let answer = limiter.check().map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.clock.now());
            ApiError::rate_limited(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
        });
        metrics::gauge!("holdfast_rate_limited_actors").set(f64::from(u32::try_from(actors.len()).unwrap_or(u32::MAX)));
        answer
    }
}

impl std::fmt::Debug for PerActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerActor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_actor_has_a_ration_and_the_table_has_an_end() {
        // TAL-44
        let limit = PerActor::remembering(NonZeroU32::new(2).unwrap(), NonZeroUsize::new(3).unwrap());
        let ask = |party| limit.admit_actor(TenantId(Uuid::nil()), PartyId(Uuid::from_u128(party)));
        ask(1).unwrap();
        ask(1).unwrap();
        assert_eq!(ask(1).unwrap_err().code(), "RATE_LIMITED");
        for party in 2..50 {
            ask(party).unwrap();
            assert_eq!(ask(1).unwrap_err().code(), "RATE_LIMITED", "who keeps asking is not forgotten");
        }
        assert_eq!(limit.actors.lock().unwrap().len(), 3);
    }
}
