//! A talent's time: from, to; whole quarters of an hour, so that the log's unique keys can guard it (CNF-53).

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::{Claim, PartyId};

const QUARTER_S: i64 = 15 * 60;
const MOST_DAYS: i64 = 31;

/// The claim that keeps two bookings of one talent apart: one per quarter of an hour.
const TALENT_SLOT: &str = "talent_slot";

/// `from` is in it, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Why a time cannot be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotProblem {
    #[error("must begin and end at a full quarter of an hour")]
    NotQuarters,
    #[error("must end after it begins")]
    Empty,
    #[error("may last {MOST_DAYS} days")]
    TooLong,
    #[error("must begin in the future")]
    Begun,
}

impl Slot {
    /// # Errors
    /// `SlotProblem` says what is wrong with it.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), SlotProblem> {
        let is_quarter = |at: DateTime<Utc>| at.timestamp().rem_euclid(QUARTER_S) == 0 && at.nanosecond() == 0;
        if !is_quarter(self.from) || !is_quarter(self.to) {
            return Err(SlotProblem::NotQuarters);
        }
        if self.to <= self.from {
            return Err(SlotProblem::Empty);
        }
        if self.to - self.from > TimeDelta::days(MOST_DAYS) {
            return Err(SlotProblem::TooLong);
        }
        if self.from <= now {
            return Err(SlotProblem::Begun);
        }
        Ok(())
    }

    /// Its quarters, counted from 1970.
    fn quarters(&self) -> Range<i64> {
        self.from.timestamp().div_euclid(QUARTER_S)..self.to.timestamp().div_euclid(QUARTER_S)
    }

    /// The claims on `talent_id`'s time that it needs and `other` does not.
    pub(super) fn claims_beyond(&self, other: Option<&Self>, talent_id: PartyId) -> Vec<Claim> {
        let others = other.map_or(0..0, Self::quarters);
        let own = self.quarters().filter(|quarter| !others.contains(quarter));
        own.map(|quarter| Claim { kind: TALENT_SLOT, value: format!("{talent_id}:{quarter}") }).collect()
    }
}

/// Whose time a claim is, and when its quarter begins.
pub(super) fn claimed_time(claim: &Claim) -> Option<(PartyId, DateTime<Utc>)> {
    let (talent_id, quarter) = claim.value.rsplit_once(':')?;
    let seconds = quarter.parse::<i64>().ok()?.checked_mul(QUARTER_S)?;
    Some((talent_id.parse().ok()?, DateTime::from_timestamp(seconds, 0)?))
}
