//! Chance that follows from the seed. Every part has a generator of its own, so that a new question in one part does not
//! change the answers in another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Chance(Arc<Mutex<ChaCha8Rng>>);

impl Chance {
    #[must_use]
    pub fn new(seed: u64, part: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        for (at, byte) in part.bytes().enumerate() {
            key[8 + at % 24] ^= byte.rotate_left(u32::try_from(at / 24).unwrap_or(0));
        }
        Self(Arc::new(Mutex::new(ChaCha8Rng::from_seed(key))))
    }

    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// Below `bound`.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    #[must_use]
    pub fn between(&self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    #[must_use]
    pub fn in_1000(&self, of_1000: u64) -> bool {
        of_1000 > 0 && self.below(1000) < of_1000
    }

    #[must_use]
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()).into_uuid()
    }

    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    #[must_use]
    pub fn micros(&self, least: u64, most: u64) -> Duration {
        Duration::from_micros(self.between(least, most))
    }
}
