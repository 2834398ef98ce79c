//! From the confirmation to the completed work: JOB-26, JOB-32, JOB-33.

use super::{Decision, after};
use crate::booking::permit::only;
use crate::booking::{Attendance, Booking, BookingError, BookingFact, BookingStatus, Evidence, Otp, OtpProof};
use crate::kernel::Context;

impl Booking {
    /// JOB-46. The customer gets a completion code at once: services are completed without being started (JOB-48).
    pub(super) fn confirm(&self, paid: bool, context: &Context) -> Decision {
        let fact = BookingFact::Confirmed { slot: self.kept_slot()?, otp: self.next_otp(context)?, paid };
        self.event(BookingStatus::Confirmed, context, fact)
    }

    /// JOB-47.
    pub(super) fn start(&self, context: &Context) -> Decision {
        self.event(BookingStatus::InProgress, context, BookingFact::Started { otp: self.next_otp(context)? })
    }

    pub(super) fn issue_otp(&self, context: &Context) -> Decision {
        self.stay(context, BookingFact::OtpIssued { otp: self.next_otp(context)? })
    }

    /// JOB-48, JOB-60, JOB-61.
    pub(super) fn complete(&self, proof: Option<OtpProof>, evidence: Evidence, context: &Context) -> Decision {
        let (parties, offer) = (self.parties.ok_or(BookingError::NotFound)?, self.offer.as_ref().ok_or(BookingError::NotFound)?);
        let otp = self.check_otp(proof, context)?;
        let eligible_for_release_at = after(context.now, offer.rules.payout_delay_hours);
        let asset_id = parties.attendance_id(context.tenant_id, otp.number);
        let Evidence { asset_ids: media, note, gps } = evidence;
        let attendance = Attendance { asset_id, media, note, gps };
        self.event(BookingStatus::Completed, context, BookingFact::Completed { eligible_for_release_at, attendance })
    }

    /// Only the newest code counts, and only for a while.
    fn check_otp(&self, proof: Option<OtpProof>, context: &Context) -> Result<Otp, BookingError> {
        let (Some(otp), Some(proof)) = (self.otp, proof) else { return Err(BookingError::OtpInvalid) };
        only(proof.number <= otp.number, BookingError::OtpInvalid)?;
        only(proof.number == otp.number && context.now < otp.expires_at, BookingError::OtpExpired)?;
        Ok(otp)
    }
}
