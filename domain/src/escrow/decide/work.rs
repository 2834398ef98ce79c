//! From funded to approved: ESC-33..35, ESC-38, ESC-39.

use crate::escrow::{Artifact, Deadline, DeadlineAction, Deadlines, EscrowAction, EscrowError, EscrowFact, EscrowStatus, Hat};
use crate::kernel::Personal;
use crate::tenant::Hours;

use super::Draft;
use super::draft::{after, stored};
use crate::escrow::permit::only;

impl Draft<'_> {
    /// ESC-33.
    pub(super) fn lock(&mut self) {
        self.emit(EscrowAction::Lock, EscrowStatus::Locked, self.state.deadlines, EscrowFact::Locked);
    }

    /// ESC-39, CTR-44: funded, the contract signed, no delivery required, and nobody wants the money back.
    pub(super) fn go_on_when_signed(&mut self) {
        let may_go_on = self.state.contract_signed && !self.terms.rules.delivery_required && !self.state.refund_requested;
        if may_go_on && self.state.status == EscrowStatus::Funded {
            self.lock();
        }
        if may_go_on && self.state.status == EscrowStatus::Locked {
            self.record_releasable();
        }
    }

    /// ESC-34: the SLA timer starts.
    pub(super) fn start_work(&mut self) {
        if self.state.status == EscrowStatus::Funded {
            self.lock();
        }
        let sla = self.next_step(DeadlineAction::RaiseDispute, self.terms.rules.sla_hours);
        let round = self.state.work.round + 1;
        self.emit(EscrowAction::StartWork, EscrowStatus::InProgress, sla, EscrowFact::WorkStarted { round });
    }

    /// ESC-35: the approval window starts.
    pub(super) fn submit_delivery(
        &mut self,
        artifacts: Vec<Artifact>,
        note: Option<Personal<String>>,
        gps: Option<Personal<String>>,
    ) -> Result<(), EscrowError> {
        only(!artifacts.is_empty(), EscrowError::DeliveryEmpty)?;
        let approval_due = self.next_step(DeadlineAction::Approve, self.terms.rules.auto_release_hours);
        let dispute_window_ends_at = after(self.context.now, self.window_hours());
        let round = self.state.work.round;
        let fact = EscrowFact::DeliverySubmitted { round, artifacts, note, gps, dispute_window_ends_at };
        self.emit(EscrowAction::SubmitDelivery, EscrowStatus::DeliverySubmitted, approval_due, fact);
        Ok(())
    }

    /// ESC-38 by a person. From `locked`, where no delivery is required, it is the whole way to released (ESC-49).
    pub(super) fn approve(&mut self, note: Option<Personal<String>>, hat: Hat) -> Result<(), EscrowError> {
        if self.state.status == EscrowStatus::Locked {
            return self.release(None, None, hat);
        }
        self.record_approval(false, note);
        Ok(())
    }

    /// The window stays; what is open settles at its end, or now when that is past (MNY-19).
    pub(super) fn record_approval(&mut self, automatic: bool, note: Option<Personal<String>>) {
        let now = stored(self.context.now);
        let at = self.state.work.dispute_window_ends_at.map_or(now, |end| end.max(now));
        let settle = Deadlines { progress: Some(Deadline { at, action: DeadlineAction::Settle }), ..self.state.deadlines };
        let fact = EscrowFact::DeliveryApproved { round: self.state.work.round, automatic, note };
        self.emit(EscrowAction::Approve, EscrowStatus::Releasable, settle, fact);
    }

    /// ESC-39. Stands for the approval, so it settles no earlier than the window's end (MNY-19).
    pub(super) fn record_releasable(&mut self) {
        let settle = self.next_step(DeadlineAction::Settle, self.window_hours());
        let fact = EscrowFact::MadeReleasable { dispute_window_ends_at: after(self.context.now, self.window_hours()) };
        self.emit(EscrowAction::MakeReleasable, EscrowStatus::Releasable, settle, fact);
    }

    /// MNY-19: the larger of both hours.
    fn window_hours(&self) -> Hours {
        self.terms.rules.dispute_window_hours.max(self.terms.rules.auto_release_hours)
    }
}
