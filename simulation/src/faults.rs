//! What goes wrong, how often, and until when.

use std::sync::{Mutex, PoisonError};

use crate::chance::Chance;

/// In thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Of a statement.
    pub refused: u64,
    pub lost_before: u64,
    pub lost_after: u64,
    pub slow: u64,
    pub notification_lost: u64,
    /// Of a message, on its way to the server, of its ack, and to a subscriber.
    pub publish_lost: u64,
    pub ack_lost: u64,
    pub delivery_lost: u64,
    pub delivery_twice: u64,
    pub delivery_late: u64,
}

#[derive(Debug, Default)]
pub struct Faults(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rates: Rates,
    database_down: bool,
}

impl Faults {
    /// Some seeds are calm, some lose nearly everything now and then; most are in between.
    #[must_use]
    pub fn of(chance: &Chance) -> Rates {
        let level = *chance.pick(&[0, 5, 15, 15, 40, 80]);
        let some = |most: u64| if chance.in_1000(700) { chance.below(most + 1) } else { 0 };
        Rates {
            refused: some(level),
            lost_before: some(level),
            lost_after: some(level),
            slow: some(level),
            notification_lost: some(level * 4),
            publish_lost: some(level),
            ack_lost: some(level),
            delivery_lost: some(level * 4),
            delivery_twice: some(level * 2),
            delivery_late: some(level * 4),
        }
    }

    pub fn set(&self, rates: Rates) {
        self.inner().rates = rates;
    }

    pub fn set_down(&self, down: bool) {
        self.inner().database_down = down;
    }

    #[must_use]
    pub fn rates(&self) -> Rates {
        self.inner().rates
    }

    #[must_use]
    pub fn is_down(&self) -> bool {
        self.inner().database_down
    }

    #[must_use]
    pub fn in_1000(&self, chance: &Chance, rate: impl Fn(&Rates) -> u64) -> bool {
        let rate = rate(&self.rates());
        chance.in_1000(rate)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
