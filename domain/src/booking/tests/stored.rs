//! What is stored keeps its shape: events, state, codes.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::*;
use crate::booking::{Booking, BookingAction, BookingCommand, BookingError, BookingEvent, BookingStatus, DisputeMark, SlotProblem};
use crate::kernel::{DisputeId, DomainError, FreeJsonProblem, TenantAggregate};

/// One history through most of what the state keeps.
fn history() -> Case {
    let mut case = Case::at(BookingStatus::Held);
    let dispute_id = DisputeId(uuid::Uuid::from_u128(0xd1));
    case.ok(&ops(), create());
    case.ok(&ops(), move_to(day(12)));
    case.ok(&talent(), accept_for(day(12)));
    case.ok(&system(), BookingCommand::Confirm);
    case.ok(&ops(), BookingCommand::SaveCallSheet { content: sealed() });
    case.ok(&ops(), BookingCommand::PublishCallSheet);
    case.ok(&talent(), BookingCommand::Start);
    case.ok(&talent(), complete(Some(2)));
    case.ok(&system(), BookingCommand::RecordDispute { dispute_id, status: DisputeMark::Open });
    case.ok(&system(), BookingCommand::OrderRedo { dispute_id });
    case
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let case = history();
    let sealed = serde_json::to_value(sealed::<String>()).unwrap();
    let golden = json!({
        "status": "in_progress",
        "parties": { "bookingId": BOOKING, "jobId": JOB, "talentId": TALENT, "payerId": BRAND },
        "slot": { "from": "2026-06-12T09:00:00Z", "to": "2026-06-12T17:00:00Z" },
        "openedAt": "2026-06-01T12:00:00Z",
        "holdExpiresAt": null,
        "offer": {
            "location": sealed,
            "terms": { "usage": "1 year" },
            "pricing": {
                "total": { "amount": "1000.00", "currency": "EUR" },
                "split": { "payeeBp": 9000, "tenantBp": 800, "platformBp": 200 },
                "tax": { "feeTaxBp": 1800, "tenantRegistered": true, "withholdingBp": 0 },
                "entitlements": { "payee": 88_200, "tenant": 9_440, "platform": 2_000, "tax": 360, "withholding": 0 },
            },
            "rules": { "otpHours": "336", "payoutDelayHours": "48" },
            "answerDueAt": "2026-06-12T09:00:00Z",
            "createdAt": "2026-06-01T12:00:00Z",
        },
        "agreement": { "title": "Booking", "templateVersion": 1, "hash": "ab".repeat(32), "at": "2026-06-01T12:00:00Z" },
        "paid": true,
        "otp": { "number": 3, "expiresAt": "2026-06-26T17:00:00Z" },
        "work": {
            "confirmedAt": "2026-06-01T12:00:00Z",
            "startedAt": "2026-06-01T12:00:00Z",
            "completedAt": null,
            "eligibleForReleaseAt": null,
            "attendance": null,
            "redos": 1,
        },
        "cancelled": null,
        "dispute": { "disputeId": "00000000-0000-0000-0000-0000000000d1", "status": "open" },
        "payoutStatus": "not_completed_yet",
        "callSheetDraft": null,
        "callSheet": { "version": 1, "content": sealed, "publishedAt": "2026-06-01T12:00:00Z" },
    });
    assert_eq!((Booking::FOLD_VERSION, serde_json::to_value(&case.booking).unwrap()), (1, golden));
}

#[test]
fn stored_events_are_read_again_and_named_by_the_catalogue() {
    // JOB-81
    let case = history();
    for event in &case.log {
        let stored = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<BookingEvent>(&stored).unwrap(), event);
    }
    let names = [
        "hold.placed",
        "hold.converted",
        "booking.created",
        "booking.rescheduled",
        "booking.accepted",
        "booking.confirmed",
        "callsheet.saved",
        "callsheet.published",
        "booking.started",
        "booking.completed",
        "booking.dispute_recorded",
        "booking.redo_ordered",
    ];
    assert_eq!(case.names(), names);
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let (status, action) = (BookingStatus::Held, BookingAction::Start);
    let errors = [
        BookingError::NotFound,
        BookingError::NotAllowed { status, action },
        BookingError::Denied { action },
        BookingError::HoldExpired,
        BookingError::HoldDiffers { field: "jobId" },
        BookingError::AnswerOverdue,
        BookingError::OfferChanged,
        BookingError::EscrowNotFunded,
        BookingError::DisputeOpen { dispute_id: DisputeId(uuid::Uuid::nil()) },
        BookingError::CallSheetUnchanged,
        BookingError::TooManyCodes { limit: 100 },
        BookingError::SlotInvalid(SlotProblem::Empty),
        BookingError::ExpiryInvalid,
        BookingError::PriceInvalid,
        BookingError::PayerIsTalent,
        BookingError::TermsInvalid(FreeJsonProblem::NotAnObject),
        BookingError::OtpInvalid,
        BookingError::OtpExpired,
        BookingError::AvailabilityConflict { talent_id: TALENT, date: "2026-06-10".parse().unwrap() },
    ];
    let codes: BTreeSet<_> = errors.iter().map(|error| error.describe().1).collect();
    assert_eq!(codes.len(), errors.len());
}
