//! What can be asked of a booking.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::booking::{Agreement, BookingAction, DisputeMark, Slot};
use crate::kernel::{AssetId, BookingId, DisputeId, JobId, Money, PartyId, Personal};

#[derive(Debug, Clone, PartialEq)]
pub enum BookingCommand {
    /// JOB-20.
    PlaceHold { booking_id: BookingId, job_id: JobId, talent_id: PartyId, slot: Slot, expires_at: Option<DateTime<Utc>> },
    /// JOB-21.
    ReleaseHold,
    /// JOB-23. On a held stream it converts the hold (JOB-44).
    Create(Box<CreateBooking>),
    /// JOB-31.
    Accept(Box<Accept>),
    /// JOB-26; by the machinery when the escrow is funded (JOB-46): then total.
    Confirm,
    /// JOB-32.
    Start,
    /// JOB-33. None: the code that was given fits no round of this booking.
    Complete { proof: Option<OtpProof>, evidence: Box<Evidence> },
    /// JOB-27.
    Cancel { reason: String },
    /// JOB-25: new dates are checked against the talent's other time (JOB-69).
    Reschedule { slot: Option<Slot>, location: Option<Personal<String>> },
    /// A new completion code; the one before stops counting.
    IssueOtp,
    /// MNY-31: the escrow's dispute ended in a redo. Total.
    OrderRedo { dispute_id: DisputeId },
    /// The escrow's dispute began or ended: shown, and it holds the payout (JOB-04 `dispute_status`). Total.
    RecordDispute { dispute_id: DisputeId, status: DisputeMark },
    /// The escrow was cancelled or refunded: without its money a booking that has not begun is off. Total.
    RecordEscrowEnded,
    /// JOB-29. The text of a JSON object, sealed under the booking's own id: it names people.
    SaveCallSheet { content: Personal<String> },
    /// JOB-30.
    PublishCallSheet,
    /// `hold` or `answer`. Total.
    MeetDeadline { key: String, at: DateTime<Utc> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateBooking {
    /// Made at the edge, or the hold's; the stream's own id.
    pub booking_id: BookingId,
    pub job_id: JobId,
    pub talent_id: PartyId,
    /// Who pays: the tenant itself, or a brand that it works for.
    pub payer_id: PartyId,
    pub slot: Slot,
    pub location: Option<Personal<String>>,
    /// What was agreed beside price and time, as the tenant's frontend keeps it.
    pub terms: Value,
    pub price: Money,
}

/// The talent says yes to the agreement in the text that is shown (JOB-31, CTR-46).
#[derive(Debug, Clone, PartialEq)]
pub struct Accept {
    pub agreement: Agreement,
    /// The time that the text names: the booking may have been moved meanwhile.
    pub slot: Slot,
}

/// JOB-65: what the provider brings along; it becomes part of the delivery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    pub asset_ids: Vec<AssetId>,
    pub note: Option<Personal<String>>,
    pub gps: Option<Personal<String>>,
}

/// A completion code that was right for the `number`-th code of this booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtpProof {
    pub number: u32,
}

impl BookingCommand {
    /// The column of the state machine that this command asks for.
    #[must_use]
    pub fn action(&self) -> BookingAction {
        match self {
            Self::PlaceHold { .. } => BookingAction::PlaceHold,
            Self::ReleaseHold => BookingAction::ReleaseHold,
            Self::Create(_) => BookingAction::Create,
            Self::Accept(_) => BookingAction::Accept,
            Self::Confirm => BookingAction::Confirm,
            Self::Start => BookingAction::Start,
            Self::Complete { .. } => BookingAction::Complete,
            Self::Cancel { .. } => BookingAction::Cancel,
            Self::Reschedule { .. } => BookingAction::Reschedule,
            Self::IssueOtp => BookingAction::IssueOtp,
            Self::OrderRedo { .. } => BookingAction::OrderRedo,
            Self::RecordDispute { .. } => BookingAction::RecordDispute,
            Self::RecordEscrowEnded => BookingAction::RecordEscrowEnded,
            Self::SaveCallSheet { .. } => BookingAction::SaveCallSheet,
            Self::PublishCallSheet => BookingAction::PublishCallSheet,
            Self::MeetDeadline { .. } => BookingAction::MeetDeadline,
        }
    }
}
