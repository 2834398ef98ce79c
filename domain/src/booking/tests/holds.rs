//! Holds, and the talent's time (JOB-20, JOB-21, JOB-44, CNF-53).

use chrono::TimeDelta;
use serde_json::json;

use super::case::*;
use crate::booking::{Booking, BookingCommand, BookingError, BookingFact, BookingStatus, CreateBooking, Slot};
use crate::kernel::{Claim, ClaimChange, DomainError, JobId, PartyId, StoredEvent, TenantAggregate};
use crate::tenant::Hours;

fn hold_until(expires_at: &str) -> BookingCommand {
    BookingCommand::PlaceHold { booking_id: BOOKING, job_id: JOB, talent_id: TALENT, slot: day(10), expires_at: Some(at(expires_at)) }
}

fn hold_on(from: &str, to: &str) -> BookingCommand {
    let slot = Slot { from: at(from), to: at(to) };
    BookingCommand::PlaceHold { booking_id: BOOKING, job_id: JOB, talent_id: TALENT, slot, expires_at: None }
}

fn taken(case: &Case) -> usize {
    case.log.last().map(Booking::claims).unwrap_or_default().iter().filter(|change| matches!(change, ClaimChange::Take(_))).count()
}

fn given_back(case: &Case) -> usize {
    case.log.last().map(Booking::claims).unwrap_or_default().iter().filter(|change| matches!(change, ClaimChange::GiveBack(_))).count()
}

#[test]
fn a_hold_lasts_as_the_tenant_says_but_not_into_the_time_it_holds() {
    // JOB-03, JOB-20
    let mut case = Case::unopened();
    let BookingFact::HoldPlaced { expires_at, .. } = case.fact(&ops(), hold()) else { panic!() };
    assert_eq!(expires_at, case.now + TimeDelta::hours(72));
    let mut case = Case::unopened();
    case.settings.booking.hold_hours = Hours::whole(10_000);
    let BookingFact::HoldPlaced { expires_at, .. } = case.fact(&ops(), hold()) else { panic!() };
    assert_eq!(expires_at, day(10).from);
}

#[test]
fn an_end_that_is_given_lies_between_now_and_the_time() {
    // JOB-20
    for (expires_at, refusal) in [
        ("2026-06-01T12:00:00Z", Some("HOLD_EXPIRY_INVALID")),
        ("2026-06-01T12:00:01Z", None),
        ("2026-06-10T09:00:00Z", None),
        ("2026-06-10T09:00:01Z", Some("HOLD_EXPIRY_INVALID")),
    ] {
        let outcome = Case::unopened().act(&ops(), hold_until(expires_at));
        assert_eq!(outcome.err().map(|error| error.describe().1), refusal, "{expires_at}");
    }
}

#[test]
fn a_time_is_whole_quarters_in_the_future() {
    // CNF-53
    for (from, to, problem) in [
        ("2026-06-10T09:05:00Z", "2026-06-10T10:00:00Z", "quarter"),
        ("2026-06-10T09:00:00Z", "2026-06-10T10:00:00.5Z", "quarter"),
        ("2026-06-10T09:00:00Z", "2026-06-10T09:00:00Z", "end after"),
        ("2026-06-10T09:00:00Z", "2026-07-11T09:15:00Z", "31 days"),
        ("2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z", "future"),
    ] {
        let refusal = Case::unopened().act(&ops(), hold_on(from, to)).unwrap_err();
        assert_eq!(refusal.describe().1, "SCHEDULE_INVALID", "{from} {to}");
        let details = refusal.details();
        assert_eq!(details["field"], "schedule");
        assert!(details["problem"].as_str().unwrap().contains(problem), "{details}");
    }
    assert!(Case::unopened().act(&ops(), hold_on("2026-06-10T09:00:00Z", "2026-07-11T09:00:00Z")).is_ok());
}

#[test]
fn every_quarter_is_claimed_and_given_back() {
    // CNF-53
    let mut case = Case::unopened();
    case.ok(&ops(), hold());
    assert_eq!(taken(&case), 32, "eight hours");
    case.ok(&ops(), BookingCommand::ReleaseHold);
    assert_eq!((taken(&case), given_back(&case)), (0, 32));
    assert_eq!(given_back(&Case::at(BookingStatus::Expired)), 32);
    assert_eq!(given_back(&Case::at(BookingStatus::Cancelled)), 32);
}

#[test]
fn turning_a_hold_into_a_booking_never_lets_go_of_the_time() {
    // JOB-44
    let mut case = Case::at(BookingStatus::Held);
    let events = case.ok(&ops(), create());
    assert_eq!(events.iter().map(StoredEvent::name).collect::<Vec<_>>(), ["hold.converted", "booking.created"]);
    assert!(events.iter().all(|event| Booking::claims(event).is_empty()));
    assert_eq!(case.booking.hold_expires_at(), None);
    let deadlines: Vec<_> = events.iter().flat_map(StoredEvent::deadline_changes).map(|change| (change.key, change.at)).collect();
    assert_eq!(deadlines, [("hold".to_owned(), None), ("answer".to_owned(), Some(day(10).from))]);
}

#[test]
fn a_hold_becomes_only_the_booking_it_was_placed_for() {
    // JOB-44
    let other_job = CreateBooking { job_id: JobId(uuid::Uuid::nil()), ..offer() };
    let other_talent = CreateBooking { talent_id: PartyId(uuid::Uuid::nil()), ..offer() };
    let other_time = CreateBooking { slot: day(11), ..offer() };
    for (create, field) in [(other_job, "jobId"), (other_talent, "talentId"), (other_time, "schedule")] {
        let refusal = Case::at(BookingStatus::Held).act(&ops(), BookingCommand::Create(Box::new(create))).unwrap_err();
        assert_eq!((refusal.describe().1, refusal.details()), ("HOLD_DIFFERS", json!({ "field": field })));
    }
}

#[test]
fn a_hold_that_is_over_becomes_nothing() {
    // JOB-44: also before the deadline has been met.
    let mut case = Case::at(BookingStatus::Held);
    case.wait(TimeDelta::hours(72));
    assert_eq!(case.refused(&ops(), create()), "HOLD_EXPIRED");
    for status in [BookingStatus::Released, BookingStatus::Expired] {
        assert_eq!(Case::at(status).refused(&ops(), create()), "INVALID_BOOKING_TRANSITION");
    }
}

#[test]
fn a_hold_expires_at_its_own_deadline_only() {
    // JOB-44
    let mut case = Case::at(BookingStatus::Held);
    let due = case.booking.hold_expires_at().unwrap();
    assert_eq!(case.log[0].deadline_changes()[0].at, Some(due));
    for command in [meet("hold", due + TimeDelta::hours(1)), meet("answer", due)] {
        assert_eq!(case.ok(&system(), command), []);
    }
    assert_eq!(case.fact(&system(), meet("hold", due)), BookingFact::HoldExpired { slot: day(10) });
    assert_eq!(case.ok(&system(), meet("hold", due)), []);
}

#[test]
fn the_talent_does_not_see_a_hold() {
    for status in [BookingStatus::Held, BookingStatus::Released, BookingStatus::Expired] {
        assert_eq!(Case::at(status).refused(&talent(), accept()), "BOOKING_NOT_FOUND");
    }
}

#[test]
fn taken_time_names_talent_and_day() {
    // JOB-20, JOB-23
    let mut case = Case::unopened();
    let claims =
        case.ok(&ops(), hold_on("2026-06-10T23:45:00Z", "2026-06-11T00:15:00Z")).iter().flat_map(Booking::claims).collect::<Vec<_>>();
    let [ClaimChange::Take(first), ClaimChange::Take(second)] = &claims[..] else { panic!("{claims:?}") };
    let conflict = |claim: &Claim| Booking::claim_taken(claim, uuid::Uuid::nil());
    assert_eq!(conflict(first), BookingError::AvailabilityConflict { talent_id: TALENT, date: "2026-06-10".parse().unwrap() });
    assert_eq!(conflict(second).details(), json!({ "talentId": TALENT, "date": "2026-06-11" }));
    assert_eq!(conflict(second).describe().1, "AVAILABILITY_CONFLICT");
}
