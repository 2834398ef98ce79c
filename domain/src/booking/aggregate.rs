//! State, and how events change it.

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::booking::slot::claimed_time;
use crate::booking::{
    Attendance, BookingCommand, BookingError, BookingEvent, BookingFact, BookingParties, BookingRules, BookingStatus, CallSheet,
    CancelCause, DisputeMark, Otp, PayoutStatus, Pricing, Slot,
};
use crate::kernel::{Claim, ClaimChange, Context, DisputeId, Personal, TemplateId, TenantAggregate};

/// A booking, or the hold that it begins with.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    pub(super) status: BookingStatus,
    pub(super) parties: Option<BookingParties>,
    pub(super) slot: Option<Slot>,
    pub(super) opened_at: Option<DateTime<Utc>>,
    pub(super) hold_expires_at: Option<DateTime<Utc>>,
    pub(super) offer: Option<Offer>,
    pub(super) agreement: Option<Agreed>,
    /// The escrow is funded.
    pub(super) paid: bool,
    pub(super) otp: Option<Otp>,
    pub(super) work: Work,
    pub(super) cancelled: Option<Cancellation>,
    pub(super) dispute: Option<Dispute>,
    pub(super) payout_status: PayoutStatus,
    pub(super) call_sheet_draft: Option<CallSheet>,
    pub(super) call_sheet: Option<PublishedCallSheet>,
}

/// What the talent is asked to agree to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    pub location: Option<Personal<String>>,
    pub terms: Value,
    pub pricing: Pricing,
    pub rules: BookingRules,
    pub answer_due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// Which text the talent has accepted; the text itself is the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agreed {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<TemplateId>,
    pub template_version: u32,
    pub hash: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    pub confirmed_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// JOB-61.
    pub eligible_for_release_at: Option<DateTime<Utc>>,
    pub attendance: Option<Attendance>,
    /// MNY-31.
    pub redos: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancellation {
    pub cause: CancelCause,
    pub reason: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    pub dispute_id: DisputeId,
    pub status: DisputeMark,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedCallSheet {
    pub version: u32,
    pub content: Personal<String>,
    pub published_at: DateTime<Utc>,
}

impl cqrs_es::Aggregate for Booking {
    const TYPE: &'static str = "booking";
    type Command = BookingCommand;
    type Event = BookingEvent;
    type Error = BookingError;
    type Services = Context;

    async fn handle(&mut self, command: BookingCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), BookingError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: BookingEvent) {
        let BookingEvent { parties, to, at, fact, .. } = event;
        self.status = to;
        self.parties = Some(parties);
        self.opened_at.get_or_insert(at);
        match fact {
            BookingFact::HoldPlaced { slot, expires_at } => {
                self.slot = Some(slot);
                self.hold_expires_at = Some(expires_at);
            }
            BookingFact::HoldReleased { .. } | BookingFact::HoldExpired { .. } | BookingFact::HoldConverted { .. } => {
                self.hold_expires_at = None;
            }
            BookingFact::Created { slot, location, terms, pricing, rules, answer_due_at } => {
                self.slot = Some(slot);
                self.offer = Some(Offer { location, terms, pricing, rules, answer_due_at, created_at: at });
            }
            BookingFact::Accepted { agreement, .. } => {
                let (title, hash) = (agreement.title, agreement.hash);
                let (template_id, template_version) = (agreement.template_id, agreement.template_version);
                self.agreement = Some(Agreed { title, template_id, template_version, hash, at });
            }
            BookingFact::Confirmed { otp, paid, .. } => {
                self.otp = Some(otp);
                self.paid = paid;
                self.work.confirmed_at = Some(at);
            }
            BookingFact::PaymentSecured => self.paid = true,
            BookingFact::Started { otp } => {
                self.otp = Some(otp);
                self.work.started_at = Some(at);
            }
            BookingFact::OtpIssued { otp } => self.otp = Some(otp),
            BookingFact::Completed { eligible_for_release_at, attendance } => {
                self.work.completed_at = Some(at);
                self.work.eligible_for_release_at = Some(eligible_for_release_at);
                self.work.attendance = Some(attendance);
            }
            BookingFact::Cancelled { cause, reason, .. } => self.cancelled = Some(Cancellation { cause, reason, at }),
            BookingFact::Updated { location } => self.change_offer(|offer| offer.location = Some(location)),
            BookingFact::Rescheduled { slot, location, .. } => {
                self.slot = Some(slot);
                self.change_offer(|offer| {
                    offer.answer_due_at = slot.from;
                    offer.location = location.or(offer.location.take());
                });
            }
            BookingFact::RedoOrdered { otp, .. } => {
                self.otp = Some(otp);
                self.work.redos += 1;
                self.work.completed_at = None;
                self.work.eligible_for_release_at = None;
                self.work.attendance = None;
            }
            BookingFact::DisputeRecorded { dispute_id, status } => self.dispute = Some(Dispute { dispute_id, status }),
            BookingFact::CallSheetSaved { call_sheet } => self.call_sheet_draft = Some(call_sheet),
            BookingFact::CallSheetPublished { .. } => {
                if let Some(CallSheet { version, content }) = self.call_sheet_draft.take() {
                    self.call_sheet = Some(PublishedCallSheet { version, content, published_at: at });
                }
            }
        }
    }
}

impl Booking {
    fn change_offer(&mut self, change: impl FnOnce(&mut Offer)) {
        self.offer.as_mut().map(change).unwrap_or_default();
    }
}

impl TenantAggregate for Booking {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != BookingStatus::Unopened
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// What a booking needs of them is fixed at its creation (JOB-68).
    fn depends_on_settings(command: &BookingCommand) -> bool {
        matches!(command, BookingCommand::PlaceHold { .. } | BookingCommand::Create(_))
    }

    /// Every quarter of an hour of the talent's time is held by one stream only.
    fn claims(event: &BookingEvent) -> Vec<ClaimChange> {
        let talent_id = event.parties.talent_id;
        let take = |slot: &Slot, had: Option<&Slot>| slot.claims_beyond(had, talent_id).into_iter().map(ClaimChange::Take);
        let give_back = |slot: &Slot, keeps: Option<&Slot>| slot.claims_beyond(keeps, talent_id).into_iter().map(ClaimChange::GiveBack);
        match &event.fact {
            BookingFact::HoldPlaced { slot, .. } => take(slot, None).collect(),
            // A hold that becomes a booking has the time already.
            BookingFact::Created { slot, .. } if event.from == BookingStatus::Unopened => take(slot, None).collect(),
            BookingFact::HoldReleased { slot } | BookingFact::HoldExpired { slot } | BookingFact::Cancelled { slot, .. } => {
                give_back(slot, None).collect()
            }
            BookingFact::Rescheduled { before, slot, .. } => give_back(before, Some(slot)).chain(take(slot, Some(before))).collect(),
            BookingFact::HoldConverted { .. }
            | BookingFact::Created { .. }
            | BookingFact::Accepted { .. }
            | BookingFact::Confirmed { .. }
            | BookingFact::PaymentSecured
            | BookingFact::Started { .. }
            | BookingFact::OtpIssued { .. }
            | BookingFact::Completed { .. }
            | BookingFact::Updated { .. }
            | BookingFact::RedoOrdered { .. }
            | BookingFact::DisputeRecorded { .. }
            | BookingFact::CallSheetSaved { .. }
            | BookingFact::CallSheetPublished { .. } => Vec::new(),
        }
    }

    fn claim_taken(claim: &Claim, _holder: Uuid) -> BookingError {
        match claimed_time(claim) {
            Some((talent_id, from)) => BookingError::AvailabilityConflict { talent_id, date: from.date_naive() },
            None => BookingError::NotFound,
        }
    }
}
