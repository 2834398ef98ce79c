//! From the offer to the confirmation: JOB-23, JOB-25..27, JOB-31, JOB-45, JOB-46, JOB-64, JOB-68, JOB-69.

use chrono::TimeDelta;
use serde_json::json;

use super::case::*;
use crate::booking::{Booking, BookingCommand, BookingFact, BookingStatus, CancelCause, CreateBooking, Slot};
use crate::kernel::TenantAggregate;
use crate::kernel::{ClaimChange, StoredEvent};
use crate::tenant::SplitPolicy;

#[test]
fn the_price_is_divided_once_when_the_booking_is_created() {
    // JOB-68: the tenant of MNY-04.
    let mut case = Case::at(BookingStatus::Pending);
    let pricing = case.booking.offer().unwrap().pricing;
    assert_eq!(pricing.entitlements.as_array(), [88_200, 9_440, 2_000, 360, 0]);
    case.settings.escrow.split = SplitPolicy { payee_bp: 5_000, tenant_bp: 0, platform_bp: 5_000 };
    let BookingFact::Accepted { pricing: accepted, .. } = case.fact(&talent(), accept()) else { panic!() };
    assert_eq!(accepted, pricing, "later settings never alter it");
}

#[test]
fn a_price_that_the_rules_cannot_divide_is_refused() {
    // MNY-04, MNY-02
    let mut case = Case::unopened();
    case.settings.escrow.split = SplitPolicy { payee_bp: 0, tenant_bp: 5_000, platform_bp: 5_000 };
    assert_eq!(case.refused(&ops(), create()), "SPLIT_BELOW_TAX");
    for price in ["0", "-1"] {
        let create = CreateBooking { price: eur(price), ..offer() };
        assert_eq!(Case::unopened().refused(&ops(), BookingCommand::Create(Box::new(create))), "AMOUNT_INVALID");
    }
}

#[test]
fn terms_are_an_object_and_nobody_books_themselves() {
    let list = CreateBooking { terms: json!([]), ..offer() };
    assert_eq!(Case::unopened().refused(&ops(), BookingCommand::Create(Box::new(list))), "TERMS_INVALID");
    let own = CreateBooking { payer_id: TALENT, ..offer() };
    assert_eq!(Case::unopened().refused(&ops(), BookingCommand::Create(Box::new(own))), "PARTIES_INVALID");
}

#[test]
fn acceptance_names_the_contract_and_the_escrow() {
    // JOB-31, JOB-45, JOB-64
    let mut case = Case::at(BookingStatus::Pending);
    let event = case.ok(&talent(), accept()).remove(0);
    assert!(event.agreed && case.log[0].agreed != event.agreed);
    assert_eq!(event.to, BookingStatus::AwaitingPayment);
    assert_ne!(event.parties.contract_id(TENANT).0, event.parties.escrow_id(TENANT).0);
    assert_eq!(event.personal().len(), 1, "the text");
}

#[test]
fn nobody_accepts_a_time_that_they_were_not_shown() {
    // JOB-31, JOB-69
    let mut case = Case::at(BookingStatus::Pending);
    case.ok(&ops(), move_to(day(12)));
    assert_eq!(case.refused(&talent(), accept()), "OFFER_CHANGED");
    case.ok(&talent(), accept_for(day(12)));
}

#[test]
fn the_talent_has_until_the_time_begins() {
    // JOB-45
    let mut case = Case::at(BookingStatus::Pending);
    case.now = day(10).from;
    assert_eq!(case.refused(&talent(), accept()), "ANSWER_OVERDUE");
    let BookingFact::Cancelled { cause, .. } = case.fact(&system(), meet("answer", day(10).from)) else { panic!() };
    assert_eq!(cause, CancelCause::Unanswered);
    let mut accepted = Case::at(BookingStatus::AwaitingPayment);
    assert_eq!(accepted.ok(&system(), meet("answer", day(10).from)), []);
}

#[test]
fn money_confirms_what_was_accepted() {
    // JOB-46
    let mut case = Case::at(BookingStatus::AwaitingPayment);
    let BookingFact::Confirmed { otp, paid, .. } = case.fact(&system(), BookingCommand::Confirm) else { panic!() };
    assert_eq!((otp.number, paid), (1, true));
    assert_eq!(otp.expires_at, day(10).to + TimeDelta::hours(336), "JOB-33: after the booked time");
    assert_eq!(case.ok(&system(), BookingCommand::Confirm), [], "twice is once");
}

#[test]
fn staff_confirm_by_hand_and_the_money_may_come_later() {
    // JOB-26, JOB-46, JOB-47
    let mut case = Case::confirmed_by_hand(BookingStatus::AwaitingPayment);
    assert!(!case.booking.is_paid());
    assert_eq!(case.refused(&ops(), BookingCommand::Confirm), "INVALID_BOOKING_TRANSITION");
    assert_eq!(case.fact(&system(), BookingCommand::Confirm), BookingFact::PaymentSecured);
    assert!(case.booking.is_paid());
    assert_eq!(case.ok(&system(), BookingCommand::Confirm), []);
}

#[test]
fn confirmed_without_an_answer_it_has_no_escrow() {
    // JOB-26, JOB-46
    let mut case = Case::confirmed_by_hand(BookingStatus::Pending);
    assert!(!case.booking.is_agreed() && !case.log.last().unwrap().agreed);
    assert_eq!(case.ok(&system(), BookingCommand::Confirm), [], "money of some other escrow is not this booking's");
    assert_eq!(case.ok(&system(), BookingCommand::RecordEscrowEnded), []);
    case.ok(&talent(), BookingCommand::Start);
    case.ok(&talent(), complete(Some(2)));
    assert!(case.log.iter().all(|event| !event.agreed));
}

#[test]
fn money_of_another_escrow_does_not_answer_for_the_talent() {
    let mut case = Case::at(BookingStatus::Pending);
    assert_eq!(case.ok(&system(), BookingCommand::Confirm), []);
    assert_eq!(case.booking.status(), BookingStatus::Pending);
}

#[test]
fn what_has_not_begun_can_be_cancelled() {
    // JOB-27, JOB-49, MNY-14
    for status in [BookingStatus::Pending, BookingStatus::AwaitingPayment, BookingStatus::Confirmed] {
        for actor in [ops(), platform(), system()] {
            let mut case = Case::at(status);
            let BookingFact::Cancelled { cause, reason, slot } = case.fact(&actor, cancel()) else { panic!() };
            assert_eq!((cause, reason.as_str(), slot), (CancelCause::Asked, "rain", day(10)));
        }
    }
    for status in [BookingStatus::InProgress, BookingStatus::Completed] {
        assert_eq!(Case::at(status).refused(&ops(), cancel()), "INVALID_BOOKING_TRANSITION");
    }
}

#[test]
fn another_time_takes_what_is_new_and_gives_back_what_is_left() {
    // JOB-69
    let mut case = Case::at(BookingStatus::Pending);
    let later = Slot { from: day(10).from + TimeDelta::hours(6), to: day(10).to + TimeDelta::hours(6) };
    let event = case.ok(&ops(), move_to(later)).remove(0);
    assert_eq!(event.name(), "booking.rescheduled");
    assert_eq!(event.fact, BookingFact::Rescheduled { before: day(10), slot: later, location: None });
    let (taken, given_back): (Vec<_>, Vec<_>) =
        Booking::claims(&event).into_iter().partition(|change| matches!(change, ClaimChange::Take(_)));
    assert_eq!((taken.len(), given_back.len()), (24, 24), "two of eight hours stay");
    assert_eq!(event.deadline_changes()[0].at, Some(later.from), "the answer is due when the new time begins");
    assert_eq!(case.refused(&ops(), move_to(Slot { from: later.to, to: later.from })), "SCHEDULE_INVALID");
}

#[test]
fn what_has_begun_is_not_moved_and_what_does_not_change_is_no_event() {
    // JOB-25, JOB-69
    let mut case = Case::at(BookingStatus::Confirmed);
    assert_eq!(case.ok(&ops(), move_to(day(10))), []);
    let location = BookingCommand::Reschedule { slot: Some(day(10)), location: Some(sealed()) };
    assert_eq!(case.ok(&ops(), location)[0].name(), "booking.updated");
    case.ok(&ops(), move_to(day(12)));
    assert!(case.log.last().unwrap().deadline_changes().is_empty(), "it has been answered");
    assert_eq!(Case::at(BookingStatus::InProgress).refused(&ops(), move_to(day(12))), "INVALID_BOOKING_TRANSITION");
}
