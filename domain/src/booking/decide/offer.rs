//! From the hold to the accepted offer: JOB-20, JOB-23, JOB-25, JOB-31.

use chrono::{DateTime, SubsecRound, Utc};

use super::{Decision, after};
use crate::booking::permit::only;
use crate::booking::{
    Accept, Booking, BookingError, BookingEvent, BookingFact, BookingParties, BookingRules, BookingStatus, CreateBooking, Pricing, Slot,
};
use crate::escrow::Entitlements;
use crate::kernel::{Context, Personal, check_free_json};

const MAX_TERMS_BYTES: usize = 64 * 1024;

impl Booking {
    /// JOB-20. Without an end of its own it ends by the tenant's setting, and at the latest when the time begins.
    pub(super) fn place_hold(&self, parties: BookingParties, slot: Slot, expires_at: Option<DateTime<Utc>>, context: &Context) -> Decision {
        slot.check(context.now).map_err(BookingError::SlotInvalid)?;
        let usual = after(context.now, context.settings.booking.hold_hours).min(slot.from);
        let expires_at = expires_at.map_or(usual, |at| at.trunc_subsecs(6));
        only(context.now < expires_at && expires_at <= slot.from, BookingError::ExpiryInvalid)?;
        let (from, to) = (self.status, BookingStatus::Held);
        Ok(vec![BookingEvent { parties, agreed: false, from, to, at: context.now, fact: BookingFact::HoldPlaced { slot, expires_at } }])
    }

    /// JOB-23, JOB-44: the talent has until the time begins to answer.
    pub(super) fn create(&self, create: CreateBooking, context: &Context) -> Decision {
        let CreateBooking { booking_id, job_id, talent_id, payer_id, slot, location, terms, price } = create;
        let parties = BookingParties { booking_id, job_id, talent_id, payer_id: Some(payer_id) };
        slot.check(context.now).map_err(BookingError::SlotInvalid)?;
        only(price.is_positive(), BookingError::PriceInvalid)?;
        only(payer_id != talent_id, BookingError::PayerIsTalent)?;
        check_free_json(&terms, MAX_TERMS_BYTES).map_err(BookingError::TermsInvalid)?;
        let (split, tax) = (context.settings.escrow.split, context.settings.escrow.tax);
        let pricing = Pricing { total: price, split, tax, entitlements: Entitlements::of(price, split, tax)? };
        let settings = &context.settings.booking;
        let rules = BookingRules { otp_hours: settings.otp_hours, payout_delay_hours: settings.payout_delay_hours };
        let fact = BookingFact::Created { slot, location, terms, pricing, rules, answer_due_at: slot.from };

        let mut events = self.converted(&parties, slot, context)?;
        let (from, to) = (self.status, BookingStatus::Pending);
        events.push(BookingEvent { parties, agreed: false, from, to, at: context.now, fact });
        Ok(events)
    }

    /// A hold becomes exactly the booking that it was placed for.
    fn converted(&self, wanted: &BookingParties, slot: Slot, context: &Context) -> Decision {
        let Some(held) = self.parties else { return Ok(Vec::new()) };
        only(held.job_id == wanted.job_id, BookingError::HoldDiffers { field: "jobId" })?;
        only(held.talent_id == wanted.talent_id, BookingError::HoldDiffers { field: "talentId" })?;
        only(self.slot == Some(slot), BookingError::HoldDiffers { field: "schedule" })?;
        self.stay(context, BookingFact::HoldConverted { slot })
    }

    /// JOB-31, JOB-45.
    pub(super) fn accept(&self, accept: Accept, context: &Context) -> Decision {
        let pricing = self.offer.as_ref().ok_or(BookingError::NotFound)?.pricing;
        let Accept { agreement, slot } = accept;
        only(self.slot == Some(slot), BookingError::OfferChanged)?;
        let fact = BookingFact::Accepted { slot, pricing, agreement };
        self.event(BookingStatus::AwaitingPayment, context, fact)
    }

    /// JOB-25, JOB-69.
    pub(super) fn reschedule(&self, slot: Option<Slot>, location: Option<Personal<String>>, context: &Context) -> Decision {
        let before = self.kept_slot()?;
        match (slot.filter(|slot| *slot != before), location) {
            (Some(slot), location) => {
                slot.check(context.now).map_err(BookingError::SlotInvalid)?;
                self.stay(context, BookingFact::Rescheduled { before, slot, location })
            }
            (None, Some(location)) => self.stay(context, BookingFact::Updated { location }),
            (None, None) => Ok(Vec::new()),
        }
    }
}
