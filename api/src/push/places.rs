//! How many streams there may be: for one person, and in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_domain::kernel::{PartyId, TenantId};

#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    pub per_user: usize,
    /// In this process, of all users.
    pub total: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { per_user: 20, total: 1_000 }
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This user has so many already.
    User(usize),
    Process,
}

type User = (TenantId, PartyId);

#[derive(Debug)]
pub(crate) struct Places {
    limits: StreamLimits,
    taken: Mutex<HashMap<User, usize>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    user: User,
}

impl Places {
    pub(crate) fn new(limits: StreamLimits) -> Self {
        Self { limits, taken: Mutex::default() }
    }

    pub(crate) fn take(self: &Arc<Self>, tenant_id: TenantId, party_id: PartyId) -> Result<Place, Full> {
        let user = (tenant_id, party_id);
        let mut taken = self.taken();
        let mine = taken.get(&user).copied().unwrap_or_default();
        if mine >= self.limits.per_user {
            return Err(Full::User(mine));
        }
        if taken.values().sum::<usize>() >= self.limits.total {
            return Err(Full::Process);
        }
        taken.insert(user, mine + 1);
        metrics::gauge!("holdfast_streams_open").increment(1);
        Ok(Place { places: Arc::clone(self), user })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<User, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("holdfast_streams_open").decrement(1);
        let mut taken = self.places.taken();
        match taken.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn places_are_counted_per_user_and_in_all_and_given_back() {
        let places = Arc::new(Places::new(StreamLimits { per_user: 2, total: 3 }));
        let take = |tenant, party| places.take(TenantId(Uuid::from_u128(tenant)), PartyId(Uuid::from_u128(party)));
        let mine = [take(1, 1).unwrap(), take(1, 1).unwrap()];
        assert_eq!(take(1, 1).unwrap_err(), Full::User(2));
        // The same person at another tenant is another user.
        let theirs = take(2, 1).unwrap();
        assert_eq!(take(3, 1).unwrap_err(), Full::Process);
        drop(mine);
        take(3, 1).unwrap();
        drop(theirs);
        assert!(places.taken().is_empty());
    }
}
