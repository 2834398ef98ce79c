//! What happened to a booking. Stored for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::booking::{BookingStatus, Slot};
use crate::escrow::Entitlements;
use crate::kernel::{
    AssetId, BookingId, ContractId, DeadlineChange, DisputeId, EscrowId, JobId, Money, PartyId, Personal, Sealed, StoredEvent, TemplateId,
    TenantId, derived_uuid,
};
use crate::tenant::{Hours, SplitPolicy, TaxPolicy};

/// Every event says where the booking stands afterwards and whose it is, so that reactions need to look nothing up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingEvent {
    pub parties: BookingParties,
    /// The talent has accepted: there are a contract and an escrow, whose ids follow from the booking's.
    pub agreed: bool,
    pub from: BookingStatus,
    pub to: BookingStatus,
    pub at: DateTime<Utc>,
    pub fact: BookingFact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingParties {
    pub booking_id: BookingId,
    pub job_id: JobId,
    pub talent_id: PartyId,
    /// None while it is a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer_id: Option<PartyId>,
}

impl BookingParties {
    /// The contract that acceptance makes: its id follows from the booking.
    #[must_use]
    pub fn contract_id(&self, tenant_id: TenantId) -> ContractId {
        ContractId(derived_uuid(tenant_id, self.booking_id.0, "contract", 0))
    }

    /// The escrow that acceptance makes.
    #[must_use]
    pub fn escrow_id(&self, tenant_id: TenantId) -> EscrowId {
        EscrowId(derived_uuid(tenant_id, self.booking_id.0, "escrow", 0))
    }

    /// What stands in a delivery for the `number`-th completion code (MNY-18).
    #[must_use]
    pub fn attendance_id(&self, tenant_id: TenantId, number: u32) -> AssetId {
        AssetId(derived_uuid(tenant_id, self.booking_id.0, "attendance", number.into()))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum BookingFact {
    HoldPlaced {
        slot: Slot,
        expires_at: DateTime<Utc>,
    },
    HoldReleased {
        slot: Slot,
    },
    HoldExpired {
        slot: Slot,
    },
    /// Followed by `Created` in the same append; `slot` is the hold's.
    HoldConverted {
        slot: Slot,
    },
    /// `answer_due_at`: unanswered by then it is cancelled.
    Created {
        slot: Slot,
        location: Option<Personal<String>>,
        terms: Value,
        pricing: Pricing,
        rules: BookingRules,
        answer_due_at: DateTime<Utc>,
    },
    Accepted {
        slot: Slot,
        pricing: Pricing,
        agreement: Agreement,
    },
    /// `paid`: the escrow is funded; false: confirmed by hand.
    Confirmed {
        slot: Slot,
        otp: Otp,
        paid: bool,
    },
    /// JOB-46: the escrow of a booking that had been confirmed by hand is funded.
    PaymentSecured,
    Started {
        otp: Otp,
    },
    OtpIssued {
        otp: Otp,
    },
    /// JOB-60, JOB-61, JOB-65: `eligible_for_release_at` = completion + 48 h.
    Completed {
        eligible_for_release_at: DateTime<Utc>,
        attendance: Attendance,
    },
    Cancelled {
        cause: CancelCause,
        reason: String,
        slot: Slot,
    },
    Updated {
        location: Personal<String>,
    },
    /// JOB-69. While the talent has not answered, the answer is due when the new time begins.
    Rescheduled {
        before: Slot,
        slot: Slot,
        location: Option<Personal<String>>,
    },
    RedoOrdered {
        dispute_id: DisputeId,
        otp: Otp,
    },
    DisputeRecorded {
        dispute_id: DisputeId,
        status: DisputeMark,
    },
    CallSheetSaved {
        call_sheet: CallSheet,
    },
    CallSheetPublished {
        version: u32,
    },
}

/// JOB-04 `dispute_status`, DSP-27.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisputeMark {
    #[default]
    None,
    Open,
    ResolvedRefunded,
    ResolvedRejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// Somebody said so.
    Asked,
    /// The talent did not answer in time.
    Unanswered,
    /// The escrow was cancelled or refunded.
    EscrowEnded,
}

/// The tenant's settings at creation, as far as this booking needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingRules {
    pub otp_hours: Hours,
    pub payout_delay_hours: Hours,
}

/// How it is known that the work was done (JOB-65). `asset_id` stands for the code that was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    pub asset_id: AssetId,
    pub media: Vec<AssetId>,
    pub note: Option<Personal<String>>,
    pub gps: Option<Personal<String>>,
}

/// JOB-68: fixed at creation; later settings never alter it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    pub total: Money,
    pub split: SplitPolicy,
    pub tax: TaxPolicy,
    pub entitlements: Entitlements,
}

/// The text that both sides agree to, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agreement {
    pub title: String,
    /// None: the standard text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<TemplateId>,
    pub template_version: u32,
    /// Markdown, sealed under the contract's own id.
    pub body: Personal<String>,
    /// SHA-256 of the body's bytes, hex.
    pub hash: String,
}

/// The `number`-th completion code of the booking. The code itself is made from it under a key of the server (JOB-33).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Otp {
    pub number: u32,
    pub expires_at: DateTime<Utc>,
}

/// JOB-05. Versions count publications: a draft has the number that it will be published under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallSheet {
    pub version: u32,
    /// The text of a JSON object, sealed under the booking's own id.
    pub content: Personal<String>,
}

impl StoredEvent for BookingEvent {
    fn name(&self) -> &'static str {
        match &self.fact {
            BookingFact::HoldPlaced { .. } => "hold.placed",
            BookingFact::HoldReleased { .. } => "hold.released",
            BookingFact::HoldExpired { .. } => "hold.expired",
            BookingFact::HoldConverted { .. } => "hold.converted",
            BookingFact::Created { .. } => "booking.created",
            BookingFact::Accepted { .. } => "booking.accepted",
            BookingFact::Confirmed { .. } => "booking.confirmed",
            BookingFact::PaymentSecured => "booking.payment_secured",
            BookingFact::Started { .. } => "booking.started",
            BookingFact::OtpIssued { .. } => "booking.otp_issued",
            BookingFact::Completed { .. } => "booking.completed",
            BookingFact::Cancelled { .. } => "booking.cancelled",
            BookingFact::Updated { .. } => "booking.updated",
            BookingFact::Rescheduled { .. } => "booking.rescheduled",
            BookingFact::RedoOrdered { .. } => "booking.redo_ordered",
            BookingFact::DisputeRecorded { .. } => "booking.dispute_recorded",
            BookingFact::CallSheetSaved { .. } => "callsheet.saved",
            BookingFact::CallSheetPublished { .. } => "callsheet.published",
        }
    }

    /// `hold` ends with the hold, `answer` with the talent's.
    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        let row = |key: &str, at| vec![DeadlineChange { key: key.to_owned(), at }];
        match (&self.fact, self.from) {
            (BookingFact::HoldPlaced { expires_at, .. }, _) => row("hold", Some(*expires_at)),
            (BookingFact::HoldReleased { .. } | BookingFact::HoldExpired { .. } | BookingFact::HoldConverted { .. }, _) => {
                row("hold", None)
            }
            (BookingFact::Created { answer_due_at, .. }, _) => row("answer", Some(*answer_due_at)),
            (BookingFact::Rescheduled { slot, .. }, BookingStatus::Pending) => row("answer", Some(slot.from)),
            (BookingFact::Accepted { .. } | BookingFact::Confirmed { .. } | BookingFact::Cancelled { .. }, BookingStatus::Pending) => {
                row("answer", None)
            }
            _ => Vec::new(),
        }
    }

    fn personal(&self) -> Vec<&Sealed> {
        match &self.fact {
            BookingFact::Created { location, .. } | BookingFact::Rescheduled { location, .. } => {
                location.iter().map(Personal::sealed).collect()
            }
            BookingFact::Updated { location } => vec![location.sealed()],
            BookingFact::Accepted { agreement, .. } => vec![agreement.body.sealed()],
            BookingFact::Completed { attendance, .. } => attendance.note.iter().chain(&attendance.gps).map(Personal::sealed).collect(),
            BookingFact::CallSheetSaved { call_sheet } => vec![call_sheet.content.sealed()],
            BookingFact::HoldPlaced { .. }
            | BookingFact::HoldReleased { .. }
            | BookingFact::HoldExpired { .. }
            | BookingFact::HoldConverted { .. }
            | BookingFact::Confirmed { .. }
            | BookingFact::PaymentSecured
            | BookingFact::Started { .. }
            | BookingFact::OtpIssued { .. }
            | BookingFact::Cancelled { .. }
            | BookingFact::RedoOrdered { .. }
            | BookingFact::DisputeRecorded { .. }
            | BookingFact::CallSheetPublished { .. } => Vec::new(),
        }
    }
}

crate::domain_event!(BookingEvent);
