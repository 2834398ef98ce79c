//! What the machinery reports is never refused: MNY-14, MNY-31, JOB-04.

use super::case::*;
use crate::booking::{Booking, BookingCommand, BookingFact, BookingStatus, CancelCause, DisputeMark};
use crate::kernel::{DisputeId, TenantAggregate};

const DISPUTE: DisputeId = DisputeId(uuid::Uuid::from_u128(0xd1));

fn redo() -> BookingCommand {
    BookingCommand::OrderRedo { dispute_id: DISPUTE }
}

fn dispute(status: DisputeMark) -> BookingCommand {
    BookingCommand::RecordDispute { dispute_id: DISPUTE, status }
}

#[test]
fn a_redo_starts_the_work_again_with_a_new_code() {
    // MNY-31
    let mut case = Case::at(BookingStatus::Completed);
    let BookingFact::RedoOrdered { otp, .. } = case.fact(&system(), redo()) else { panic!() };
    assert_eq!((case.booking.status(), otp.number), (BookingStatus::InProgress, 3));
    let work = case.booking.work();
    assert_eq!((work.completed_at, work.eligible_for_release_at, work.attendance.as_ref(), work.redos), (None, None, None, 1));
    assert_eq!(case.refused(&talent(), complete(Some(2))), "OTP_EXPIRED");
    case.ok(&talent(), complete(Some(3)));
}

#[test]
fn a_redo_finds_a_booking_wherever_it_is() {
    // MNY-31: the escrow may be disputed before the work was delivered.
    for status in [BookingStatus::Confirmed, BookingStatus::InProgress] {
        let mut case = Case::at(status);
        case.ok(&system(), redo());
        assert_eq!(case.booking.status(), BookingStatus::InProgress);
    }
    assert_eq!(Case::at(BookingStatus::Cancelled).ok(&system(), redo()), []);
}

#[test]
fn disputes_are_shown() {
    // JOB-04, JOB-63
    let mut case = Case::at(BookingStatus::Completed);
    assert_eq!(case.booking.dispute_status(), DisputeMark::None);
    case.ok(&system(), dispute(DisputeMark::Open));
    assert_eq!(case.ok(&system(), dispute(DisputeMark::Open)), [], "twice is once");
    case.ok(&system(), dispute(DisputeMark::ResolvedRefunded));
    assert_eq!(case.booking.dispute_status(), DisputeMark::ResolvedRefunded);
    assert_eq!(case.booking.status(), BookingStatus::Completed);
}

#[test]
fn what_is_disputed_is_neither_started_nor_delivered() {
    // JOB-04, ESC-43
    for (status, command) in [(BookingStatus::Confirmed, BookingCommand::Start), (BookingStatus::InProgress, complete(Some(2)))] {
        let mut case = Case::at(status);
        case.ok(&system(), dispute(DisputeMark::Open));
        assert_eq!(case.refused(&talent(), command.clone()), "DISPUTE_OPEN");
        case.ok(&system(), dispute(DisputeMark::ResolvedRejected));
        case.ok(&talent(), command);
    }
}

#[test]
fn without_its_money_a_booking_that_has_not_begun_is_off() {
    // MNY-14
    for status in [BookingStatus::AwaitingPayment, BookingStatus::Confirmed] {
        let mut case = Case::at(status);
        let BookingFact::Cancelled { cause, slot, .. } = case.fact(&system(), BookingCommand::RecordEscrowEnded) else { panic!() };
        assert_eq!((cause, slot), (CancelCause::EscrowEnded, day(10)));
        assert!(!Booking::claims(case.log.last().unwrap()).is_empty(), "the talent is free again");
    }
    for status in [BookingStatus::Pending, BookingStatus::InProgress, BookingStatus::Completed, BookingStatus::Cancelled] {
        assert_eq!(Case::at(status).ok(&system(), BookingCommand::RecordEscrowEnded), [], "{status}");
    }
}

#[test]
fn a_report_about_a_booking_that_is_not_ours_does_nothing() {
    // An escrow may name any booking.
    let mut case = Case::unopened();
    for report in [BookingCommand::Confirm, redo(), dispute(DisputeMark::Open), BookingCommand::RecordEscrowEnded, meet("hold", case.now)] {
        assert_eq!(case.ok(&system(), report.clone()), []);
        assert_eq!(case.refused(&ops(), report), "BOOKING_NOT_FOUND");
    }
}
