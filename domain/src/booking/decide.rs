//! The rules. Pure: the same state, command and context always give the same events or the same refusal.
//!
//! People's commands are first put to `permit` (status, hat, state). What the machinery reports is never refused: where the
//! state has no use for it, nothing happens.

mod machinery;
mod offer;
mod work;

use chrono::{DateTime, SubsecRound, Utc};

use crate::booking::{
    Booking, BookingAction, BookingCommand, BookingError, BookingEvent, BookingFact, BookingParties, BookingStatus, CallSheet, CancelCause,
    Otp, Slot,
};
use crate::kernel::{Context, Personal};
use crate::tenant::Hours;

type Decision = Result<Vec<BookingEvent>, BookingError>;

impl Booking {
    pub(super) fn decide(&self, command: BookingCommand, context: &Context) -> Decision {
        let action = command.action();
        if context.actor.is_system() && action.is_reported() {
            return Ok(self.take_report(command, context));
        }
        let to = self.permit(action, context.tenant_id, &context.actor, context.now)?;
        match command {
            BookingCommand::PlaceHold { booking_id, job_id, talent_id, slot, expires_at } => {
                let parties = BookingParties { booking_id, job_id, talent_id, payer_id: None };
                self.place_hold(parties, slot, expires_at, context)
            }
            BookingCommand::Create(create) => self.create(*create, context),
            BookingCommand::ReleaseHold => self.end(to, context, |slot| BookingFact::HoldReleased { slot }),
            BookingCommand::Accept(accept) => self.accept(*accept, context),
            BookingCommand::Confirm => self.confirm(false, context),
            BookingCommand::Start => self.start(context),
            BookingCommand::Complete { proof, evidence } => self.complete(proof, *evidence, context),
            BookingCommand::Cancel { reason } => {
                self.end(to, context, |slot| BookingFact::Cancelled { cause: CancelCause::Asked, reason, slot })
            }
            BookingCommand::Reschedule { slot, location } => self.reschedule(slot, location, context),
            BookingCommand::IssueOtp => self.issue_otp(context),
            BookingCommand::SaveCallSheet { content } => self.save_call_sheet(content, context),
            BookingCommand::PublishCallSheet => self.publish_call_sheet(context),
            BookingCommand::OrderRedo { .. }
            | BookingCommand::RecordDispute { .. }
            | BookingCommand::RecordEscrowEnded
            | BookingCommand::MeetDeadline { .. } => Err(BookingError::Denied { action }),
        }
    }

    /// JOB-29: what is saved has the number of the next publication.
    fn save_call_sheet(&self, content: Personal<String>, context: &Context) -> Decision {
        let version = self.call_sheet.as_ref().map_or(0, |sheet| sheet.version) + 1;
        self.stay(context, BookingFact::CallSheetSaved { call_sheet: CallSheet { version, content } })
    }

    /// JOB-50.
    fn publish_call_sheet(&self, context: &Context) -> Decision {
        let draft = self.call_sheet_draft.as_ref().ok_or(BookingError::CallSheetUnchanged)?;
        self.stay(context, BookingFact::CallSheetPublished { version: draft.version })
    }

    // Events.

    /// Gives the talent's time back.
    fn end(&self, to: BookingStatus, context: &Context, fact: impl FnOnce(Slot) -> BookingFact) -> Decision {
        self.event(to, context, fact(self.kept_slot()?))
    }

    fn stay(&self, context: &Context, fact: BookingFact) -> Decision {
        self.event(self.status, context, fact)
    }

    /// Something that happens to a booking that exists.
    fn event(&self, to: BookingStatus, context: &Context, fact: BookingFact) -> Decision {
        let parties = self.parties.ok_or(BookingError::NotFound)?;
        let agreed = self.is_agreed() || matches!(fact, BookingFact::Accepted { .. });
        Ok(vec![BookingEvent { parties, agreed, from: self.status, to, at: context.now, fact }])
    }

    fn kept_slot(&self) -> Result<Slot, BookingError> {
        self.slot.ok_or(BookingError::NotFound)
    }

    /// The next completion code.
    fn next_otp(&self, context: &Context) -> Result<Otp, BookingError> {
        let offer = self.offer.as_ref().ok_or(BookingError::NotFound)?;
        let number = self.otp.map_or(0, |otp| otp.number) + 1;
        let counts_from = context.now.max(self.kept_slot()?.to);
        Ok(Otp { number, expires_at: after(counts_from, offer.rules.otp_hours) })
    }
}

impl BookingAction {
    /// Asked by the machinery to report what has happened elsewhere: total.
    #[must_use]
    pub const fn is_reported(self) -> bool {
        matches!(self, Self::Confirm | Self::OrderRedo | Self::RecordDispute | Self::RecordEscrowEnded | Self::MeetDeadline)
    }
}

/// Instants are kept to the microsecond, what Postgres stores, so that what it returns compares equal.
fn after(at: DateTime<Utc>, hours: Hours) -> DateTime<Utc> {
    at.checked_add_signed(hours.duration()).unwrap_or(DateTime::<Utc>::MAX_UTC).trunc_subsecs(6)
}
