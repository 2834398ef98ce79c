//! Work and call sheets: JOB-29, JOB-30, JOB-32, JOB-33, JOB-47, JOB-48, JOB-50, JOB-60, JOB-61, JOB-65.

use chrono::TimeDelta;

use super::case::*;
use crate::booking::{BookingCommand, BookingError, BookingFact, BookingStatus, Evidence, MOST_CODES, OtpProof};
use crate::kernel::{AssetId, StoredEvent};

#[test]
fn work_does_not_begin_before_the_money_is_there() {
    // JOB-47
    let mut case = Case::confirmed_by_hand(BookingStatus::AwaitingPayment);
    assert_eq!(case.refused(&talent(), BookingCommand::Start), "ESCROW_NOT_FUNDED");
    assert_eq!(case.refused(&talent(), complete(Some(1))), "ESCROW_NOT_FUNDED");
    case.ok(&system(), BookingCommand::Confirm);
    let BookingFact::Started { otp } = case.fact(&talent(), BookingCommand::Start) else { panic!() };
    assert_eq!(otp.number, 2, "the customer gets a new code");
}

#[test]
fn completion_needs_the_newest_code() {
    // JOB-33, JOB-60
    let mut case = Case::at(BookingStatus::InProgress);
    for (number, refusal) in [(None, "OTP_INVALID"), (Some(3), "OTP_INVALID"), (Some(1), "OTP_EXPIRED")] {
        assert_eq!(case.refused(&talent(), complete(number)), refusal, "{number:?}");
    }
    case.ok(&brand(), BookingCommand::IssueOtp);
    assert_eq!(case.refused(&talent(), complete(Some(2))), "OTP_EXPIRED");
    case.ok(&talent(), complete(Some(3)));
}

#[test]
fn a_code_counts_until_its_end() {
    // JOB-33
    let mut case = Case::at(BookingStatus::InProgress);
    case.now = case.booking.otp().unwrap().expires_at;
    assert_eq!(case.refused(&talent(), complete(Some(2))), "OTP_EXPIRED");
    let BookingFact::OtpIssued { otp } = case.fact(&ops(), BookingCommand::IssueOtp) else { panic!() };
    assert_eq!(otp.expires_at, case.now + TimeDelta::hours(336));
    case.ok(&talent(), complete(Some(3)));
}

#[test]
fn there_is_an_end_to_codes() {
    let mut case = Case::at(BookingStatus::Confirmed);
    for _ in 1..MOST_CODES {
        case.ok(&brand(), BookingCommand::IssueOtp);
    }
    assert_eq!(case.act(&brand(), BookingCommand::IssueOtp), Err(BookingError::TooManyCodes { limit: MOST_CODES }));
}

#[test]
fn completion_says_when_the_payout_may_go() {
    // JOB-61
    let mut case = Case::at(BookingStatus::InProgress);
    case.settings.booking.payout_delay_hours = crate::tenant::Hours::whole(1);
    case.wait(TimeDelta::hours(3));
    case.ok(&talent(), complete(Some(2)));
    let work = case.booking.work();
    assert_eq!(work.completed_at, Some(case.now));
    assert_eq!(work.eligible_for_release_at, Some(case.now + TimeDelta::hours(48)), "as the tenant had it at creation");
}

#[test]
fn a_service_is_completed_without_being_started() {
    // JOB-48, MNY-18
    let mut case = Case::at(BookingStatus::Confirmed);
    let event = case.ok(&talent(), complete(Some(1))).remove(0);
    assert_eq!((event.from, event.to), (BookingStatus::Confirmed, BookingStatus::Completed));
}

#[test]
fn evidence_becomes_part_of_the_attendance() {
    // JOB-65, MNY-18
    let mut case = Case::at(BookingStatus::InProgress);
    let media = vec![AssetId(uuid::Uuid::from_u128(7))];
    let evidence = Evidence { asset_ids: media.clone(), note: Some(sealed()), gps: Some(sealed()) };
    let command = BookingCommand::Complete { proof: Some(OtpProof { number: 2 }), evidence: Box::new(evidence) };
    let event = case.ok(&talent(), command).remove(0);
    assert_eq!(event.personal().len(), 2);
    let attendance = case.booking.work().attendance.clone().unwrap();
    assert_eq!(attendance.asset_id, event.parties.attendance_id(TENANT, 2));
    assert_ne!(attendance.asset_id, event.parties.attendance_id(TENANT, 1));
    assert_eq!(attendance.media, media);
}

#[test]
fn a_call_sheet_is_edited_and_published_again() {
    // JOB-29, JOB-30, JOB-50
    let mut case = Case::at(BookingStatus::Confirmed);
    let save = || BookingCommand::SaveCallSheet { content: sealed() };
    assert_eq!(case.refused(&ops(), BookingCommand::PublishCallSheet), "CALL_SHEET_UNCHANGED");
    for version in [1, 2] {
        case.ok(&ops(), save());
        case.ok(&ops(), save());
        assert_eq!(case.fact(&ops(), BookingCommand::PublishCallSheet), BookingFact::CallSheetPublished { version });
        assert_eq!(case.booking.call_sheet().map(|sheet| (sheet.version, sheet.published_at)), Some((version, case.now)));
        assert_eq!(case.refused(&ops(), BookingCommand::PublishCallSheet), "CALL_SHEET_UNCHANGED");
    }
    let names: Vec<_> = case.log.iter().rev().take(3).map(StoredEvent::name).collect();
    assert_eq!(names, ["callsheet.published", "callsheet.saved", "callsheet.saved"]);
}
