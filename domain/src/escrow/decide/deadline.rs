//! Time has come: MNY-17, MNY-19..21, ESC-59, ESC-60, ESC-67.

use chrono::{DateTime, Utc};

use crate::escrow::{DeadlineAction, Deadlines, DisputeKind, EscrowAction, EscrowError, EscrowFact, Hat, RefundReason, ReleaseMode};
use crate::kernel::derived_uuid;
use crate::tenant::{ApprovalMode, Hours};

use super::Draft;
use super::draft::stored;

/// How often an escalated dispute asks again (MNY-17).
pub(super) const REMINDER_HOURS: i64 = 24;

impl Draft<'_> {
    /// Does what stands for that instant. A deadline that has moved or gone does nothing (protocols: deadlines).
    pub(super) fn meet_deadline(&mut self, key: &str, at: DateTime<Utc>) -> Result<(), EscrowError> {
        let Deadlines { progress, dispute } = self.state.deadlines;
        let deadline = match key {
            "progress" => progress,
            "dispute" => dispute,
            _ => None,
        };
        let Some(due) = deadline.filter(|deadline| deadline.at == stored(at)) else { return Ok(()) };
        match due.action {
            DeadlineAction::Cancel => self.cancel_unfunded(EscrowAction::Cancel, "funding_overdue".to_owned()),
            DeadlineAction::Refund => self.refund(RefundReason::SlaBreach),
            DeadlineAction::RaiseDispute => self.contest_rest(DisputeKind::DeadlineMissed),
            DeadlineAction::Approve if self.needs_a_person() => self.contest_rest(DisputeKind::ApprovalMissing),
            DeadlineAction::Approve => self.record_approval(true, None),
            DeadlineAction::Settle => self.settle_open(ReleaseMode::Deadline),
            DeadlineAction::CloseEvidence => {
                let decision_due = self.next_dispute_step(DeadlineAction::Escalate, self.terms.rules.decision_hours);
                self.move_dispute(decision_due, |dispute_id| EscrowFact::EvidenceClosed { dispute_id });
            }
            DeadlineAction::Escalate => {
                let next_alert = self.next_dispute_step(DeadlineAction::Escalate, Hours::whole(REMINDER_HOURS));
                self.move_dispute(next_alert, |dispute_id| EscrowFact::DisputeEscalated { dispute_id });
            }
        }
        Ok(())
    }

    /// Silence approves, except where a person must: always, or for a random sample (ESC-59, MNY-21).
    fn needs_a_person(&self) -> bool {
        match self.terms.rules.approval_mode {
            ApprovalMode::Auto => false,
            ApprovalMode::Manual => true,
            ApprovalMode::Hybrid => {
                let round = self.state.work.round.into();
                let lot = derived_uuid(self.terms.tenant_id, self.terms.escrow_id.0, "audit", round).as_u128() % 100;
                lot < u128::from(self.terms.rules.random_audit_percent)
            }
        }
    }

    /// The machinery disputes all that is open; beside an open case that case takes it (one case at a time, MNY-26).
    pub(super) fn contest_rest(&mut self, kind: DisputeKind) {
        if self.state.dispute.is_some() {
            self.widen_by(self.open());
        } else {
            self.contest(self.open(), kind, None, Hat::System);
        }
    }

    fn move_dispute(&mut self, deadlines: Deadlines, fact: impl FnOnce(crate::kernel::DisputeId) -> EscrowFact) {
        if let Some(dispute_id) = self.state.dispute_id() {
            self.emit(EscrowAction::MeetDeadline, self.state.status, deadlines, fact(dispute_id));
        }
    }
}
