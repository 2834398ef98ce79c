//! News of the agreement behind the escrow: its contract was signed, it ended, its work moved (CTR-44, MNY-06, MNY-17).
//! Each of these is total: the state says what becomes of it.

use chrono::{DateTime, Utc};

use crate::escrow::{DisputeKind, EscrowAction, EscrowFact, EscrowStatus};

use super::Draft;

impl Draft<'_> {
    /// CTR-44, ESC-39. Noted once.
    pub(super) fn record_contract_signed(&mut self) {
        if !self.state.contract_signed {
            self.note(EscrowAction::RecordContractSigned, EscrowFact::ContractSigned);
            self.go_on_when_signed();
        }
    }

    /// MNY-06: nothing captured: cancelled; work not begun: money back; later: a dispute about all that is open.
    pub(super) fn end_agreement(&mut self, reason: String) {
        use EscrowStatus::{
            Cancelled, Closed, Created, DeliverySubmitted, Disputed, Funded, FundingPending, InProgress, Locked, PartialReleased, Refunded,
            Releasable, Released, ResolvedRefund, ResolvedRelease, ResolvedSplit, Unopened,
        };
        match self.state.status {
            Created | FundingPending => self.cancel_unfunded(EscrowAction::EndAgreement, reason),
            Funded | Locked if self.state.refund_requested => {} // the platform has been asked already
            Funded | Locked => self.ask_for_refund(EscrowAction::EndAgreement, reason),
            InProgress | DeliverySubmitted | Releasable | PartialReleased => self.contest_rest(DisputeKind::AgreementEnded),
            Unopened | Disputed | Released | ResolvedRelease | ResolvedRefund | ResolvedSplit | Refunded | Cancelled | Closed => {}
        }
    }

    /// MNY-17: as long as the money waits for the work, its time moves with the booking's.
    pub(super) fn move_start(&mut self, starts_at: DateTime<Utc>) {
        if self.state.work.starts_at == Some(starts_at) || self.state.status.is_final() {
            return;
        }
        let waits_for_work = matches!(self.state.status, EscrowStatus::Funded | EscrowStatus::Locked);
        let deadlines = if waits_for_work { self.start_due(Some(starts_at)) } else { self.state.deadlines };
        self.emit(EscrowAction::RecordStartMoved, self.state.status, deadlines, EscrowFact::StartMoved { starts_at });
    }
}
