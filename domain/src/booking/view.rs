//! What others may read of a booking.

use chrono::{DateTime, Utc};

use crate::booking::{
    Agreed, Booking, BookingAction, BookingParties, BookingStatus, CallSheet, Cancellation, Dispute, DisputeMark, Offer, Otp, PayoutStatus,
    PublishedCallSheet, Slot, Work,
};

impl Booking {
    #[must_use]
    pub fn status(&self) -> BookingStatus {
        self.status
    }

    /// None before the first event.
    #[must_use]
    pub fn parties(&self) -> Option<&BookingParties> {
        self.parties.as_ref()
    }

    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// When the hold or the booking began its life.
    #[must_use]
    pub fn opened_at(&self) -> Option<DateTime<Utc>> {
        self.opened_at
    }

    /// None when it is no hold (any more).
    #[must_use]
    pub fn hold_expires_at(&self) -> Option<DateTime<Utc>> {
        self.hold_expires_at
    }

    /// None while it is a hold.
    #[must_use]
    pub fn offer(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    #[must_use]
    pub fn agreement(&self) -> Option<&Agreed> {
        self.agreement.as_ref()
    }

    /// The escrow is funded.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.paid
    }

    /// The completion code that counts.
    #[must_use]
    pub fn otp(&self) -> Option<Otp> {
        self.otp
    }

    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    #[must_use]
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.cancelled.as_ref()
    }

    #[must_use]
    pub fn dispute(&self) -> Option<Dispute> {
        self.dispute
    }

    /// JOB-04 `dispute_status`.
    #[must_use]
    pub fn dispute_status(&self) -> DisputeMark {
        self.dispute.map_or(DisputeMark::None, |dispute| dispute.status)
    }

    /// JOB-04 `payout_status`.
    #[must_use]
    pub fn payout_status(&self) -> PayoutStatus {
        self.payout_status
    }

    #[must_use]
    pub fn call_sheet_draft(&self) -> Option<&CallSheet> {
        self.call_sheet_draft.as_ref()
    }

    #[must_use]
    pub fn call_sheet(&self) -> Option<&PublishedCallSheet> {
        self.call_sheet.as_ref()
    }

    /// Offered, and the talent has not answered.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.status == BookingStatus::Pending
    }

    /// A completion code has its use now.
    #[must_use]
    pub fn can_be_completed(&self) -> bool {
        self.status.after(BookingAction::Complete).is_some()
    }
}
