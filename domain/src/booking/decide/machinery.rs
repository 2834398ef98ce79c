//! What reactions and deadlines report. Never refused: it has happened, and it may come late or twice.

use chrono::{DateTime, Utc};

use super::Decision;
use crate::booking::{Booking, BookingCommand, BookingEvent, BookingFact, BookingStatus, CancelCause, DisputeMark};
use crate::kernel::{Context, DisputeId};

impl Booking {
    pub(super) fn take_report(&self, command: BookingCommand, context: &Context) -> Vec<BookingEvent> {
        let Some(to) = self.status.after(command.action()) else { return Vec::new() };
        let decided = match command {
            BookingCommand::Confirm => self.record_payment(context),
            BookingCommand::OrderRedo { dispute_id } => self.order_redo(dispute_id, context),
            BookingCommand::RecordDispute { dispute_id, status } => self.record_dispute(dispute_id, status, context),
            BookingCommand::RecordEscrowEnded => self.end_without_money(to, context),
            BookingCommand::MeetDeadline { key, at } => self.meet_deadline(&key, at, context),
            BookingCommand::PlaceHold { .. }
            | BookingCommand::ReleaseHold
            | BookingCommand::Create(_)
            | BookingCommand::Accept(_)
            | BookingCommand::Start
            | BookingCommand::Complete { .. }
            | BookingCommand::Cancel { .. }
            | BookingCommand::Reschedule { .. }
            | BookingCommand::IssueOtp
            | BookingCommand::SaveCallSheet { .. }
            | BookingCommand::PublishCallSheet => Ok(Vec::new()),
        };
        decided.unwrap_or_default()
    }

    /// JOB-46. Money of an escrow that acceptance did not make (somebody named the booking) confirms nothing.
    fn record_payment(&self, context: &Context) -> Decision {
        if !self.is_agreed() || self.paid {
            return Ok(Vec::new());
        }
        if self.status == BookingStatus::Confirmed {
            return self.stay(context, BookingFact::PaymentSecured);
        }
        self.confirm(true, context)
    }

    /// MNY-31: in progress again, however far it was; the customer gets a new code.
    fn order_redo(&self, dispute_id: DisputeId, context: &Context) -> Decision {
        let fact = BookingFact::RedoOrdered { dispute_id, otp: self.next_otp(context)? };
        self.event(BookingStatus::InProgress, context, fact)
    }

    fn record_dispute(&self, dispute_id: DisputeId, status: DisputeMark, context: &Context) -> Decision {
        let is_known = self.dispute.is_some_and(|known| known.dispute_id == dispute_id && known.status == status);
        if is_known { Ok(Vec::new()) } else { self.stay(context, BookingFact::DisputeRecorded { dispute_id, status }) }
    }

    /// A booking that has not begun is off without its money. One that was confirmed without an agreement never had any.
    fn end_without_money(&self, to: BookingStatus, context: &Context) -> Decision {
        if !self.is_agreed() {
            return Ok(Vec::new());
        }
        let cause = CancelCause::EscrowEnded;
        self.end(to, context, |slot| BookingFact::Cancelled { cause, reason: "the escrow has ended".to_owned(), slot })
    }

    /// The instant is compared with the state: a deadline that has moved does nothing.
    fn meet_deadline(&self, key: &str, at: DateTime<Utc>, context: &Context) -> Decision {
        let answer_due_at = self.offer.as_ref().map(|offer| offer.answer_due_at);
        match (key, self.status) {
            ("hold", BookingStatus::Held) if self.hold_expires_at == Some(at) => {
                self.end(BookingStatus::Expired, context, |slot| BookingFact::HoldExpired { slot })
            }
            ("answer", BookingStatus::Pending) if answer_due_at == Some(at) => {
                let (cause, reason) = (CancelCause::Unanswered, "not answered in time".to_owned());
                self.end(BookingStatus::Cancelled, context, |slot| BookingFact::Cancelled { cause, reason, slot })
            }
            _ => Ok(Vec::new()),
        }
    }
}
