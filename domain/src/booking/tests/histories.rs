//! Random histories of one talent's time: no two live streams ever hold the same quarter, and what is claimed is exactly
//! the time of the streams that keep it (JOB-20, JOB-23, JOB-69, CNF-53).

use std::collections::HashMap;

use chrono::TimeDelta;
use cqrs_es::Aggregate;
use proptest::prelude::*;
use uuid::Uuid;

use super::case::*;
use crate::booking::{Booking, BookingCommand, BookingStatus, CreateBooking, Slot};
use crate::kernel::{Actor, BookingId, Claim, ClaimChange, DomainError, TenantAggregate};

const STREAMS: usize = 4;

/// One thing that somebody tries on one of the streams. Times are in quarters from the 10th of June.
#[derive(Debug, Clone)]
enum Try {
    Hold(i32, i32),
    Create(i32, i32),
    Convert,
    Release,
    Expire,
    Accept,
    Pay,
    Move(i32, i32),
    Cancel,
    LoseMoney,
}

fn tries() -> impl Strategy<Value = Vec<(usize, Try)>> {
    let time = || (0..24_i32, 1..12_i32);
    let one = prop_oneof![
        3 => time().prop_map(|(from, length)| Try::Hold(from, length)),
        3 => time().prop_map(|(from, length)| Try::Create(from, length)),
        2 => Just(Try::Convert),
        1 => Just(Try::Release),
        1 => Just(Try::Expire),
        2 => Just(Try::Accept),
        2 => Just(Try::Pay),
        3 => time().prop_map(|(from, length)| Try::Move(from, length)),
        1 => Just(Try::Cancel),
        1 => Just(Try::LoseMoney),
    ];
    proptest::collection::vec((0..STREAMS, one), 0..60)
}

fn slot(from: i32, length: i32) -> Slot {
    let start = day(10).from + TimeDelta::minutes(15 * i64::from(from));
    Slot { from: start, to: start + TimeDelta::minutes(15 * i64::from(length)) }
}

/// Several streams and the claims of the log, as the append keeps them: all of a command's changes or none.
struct Log {
    streams: Vec<Case>,
    claims: HashMap<String, usize>,
}

impl Log {
    fn try_it(&mut self, stream: usize, what: Try) -> Result<(), TestCaseError> {
        let Some((actor, command)) = self.command(stream, what) else { return Ok(()) };
        let case = &self.streams[stream];
        let Ok(events) = case.booking.decide(command, &case.context(&actor)) else { return Ok(()) };
        let mut claims = self.claims.clone();
        for change in events.iter().flat_map(Booking::claims) {
            match change {
                ClaimChange::Take(claim) => match claims.get(&claim.value) {
                    Some(holder) if *holder != stream => {
                        let refusal = Booking::claim_taken(&claim, Uuid::nil());
                        prop_assert_eq!(refusal.describe().1, "AVAILABILITY_CONFLICT");
                        return Ok(());
                    }
                    Some(_) => prop_assert!(false, "{} is taken twice by one stream", claim.value),
                    None => drop(claims.insert(claim.value, stream)),
                },
                ClaimChange::GiveBack(Claim { value, .. }) => prop_assert_eq!(claims.remove(&value), Some(stream)),
            }
        }
        self.claims = claims;
        for event in events {
            self.streams[stream].booking.apply(event);
        }
        Ok(())
    }

    fn command(&self, stream: usize, what: Try) -> Option<(Actor, BookingCommand)> {
        let booking = &self.streams[stream].booking;
        let booking_id = BookingId(Uuid::from_u128(stream as u128));
        let create = |slot| BookingCommand::Create(Box::new(CreateBooking { booking_id, slot, ..offer() }));
        Some(match what {
            Try::Hold(from, length) => {
                let slot = slot(from, length);
                (ops(), BookingCommand::PlaceHold { booking_id, job_id: JOB, talent_id: TALENT, slot, expires_at: None })
            }
            Try::Create(from, length) => (ops(), create(slot(from, length))),
            Try::Convert => (ops(), create(booking.slot()?)),
            Try::Release => (ops(), BookingCommand::ReleaseHold),
            Try::Expire => (system(), meet("hold", booking.hold_expires_at()?)),
            Try::Accept => (talent(), accept_for(booking.slot()?)),
            Try::Pay => (system(), BookingCommand::Confirm),
            Try::Move(from, length) => (ops(), move_to(slot(from, length))),
            Try::Cancel => (ops(), cancel()),
            Try::LoseMoney => (system(), BookingCommand::RecordEscrowEnded),
        })
    }

    /// Every quarter of every stream that keeps its time, with its holder.
    fn kept(&self) -> Result<HashMap<String, usize>, TestCaseError> {
        let mut kept = HashMap::new();
        for (stream, case) in self.streams.iter().enumerate() {
            let slot = case.booking.slot().filter(|_| case.booking.status().keeps_time());
            for claim in slot.iter().flat_map(|slot| slot.claims_beyond(None, TALENT)) {
                prop_assert_eq!(kept.insert(claim.value, stream), None, "two bookings overlap");
            }
        }
        Ok(kept)
    }
}

proptest! {
    #[test]
    fn a_talent_is_never_booked_twice(tries in tries()) {
        let mut log = Log { streams: vec![Case::unopened(); STREAMS], claims: HashMap::new() };
        for (stream, what) in tries {
            log.try_it(stream, what)?;
            prop_assert_eq!(&log.kept()?, &log.claims);
            // A stream that is over makes room for a new one.
            if matches!(log.streams[stream].booking.status(), BookingStatus::Cancelled | BookingStatus::Released | BookingStatus::Expired) {
                log.streams[stream] = Case::unopened();
            }
        }
    }
}
