//! Money back before the work: ESC-36, ESC-37, MNY-14..16.

use crate::escrow::{Deadlines, EscrowAction, EscrowFact, EscrowStatus, MoneySource, RefundReason};

use super::Draft;

impl Draft<'_> {
    /// ESC-36. Of an unfunded escrow it is a cancellation: `refunded` always means that money went back (MNY-15).
    pub(super) fn refund(&mut self, reason: RefundReason) {
        if self.is_unfunded() {
            let reason = match reason {
                RefundReason::Cancellation => "cancellation",
                RefundReason::SlaBreach => "sla_breach",
            };
            return self.cancel_unfunded(EscrowAction::Refund, reason.to_owned());
        }
        let amount = self.open();
        let legs = self.single_leg(self.payer(), amount);
        let fact = EscrowFact::Refunded { source: MoneySource::Open, amount, reason: Some(reason), legs };
        self.emit(EscrowAction::Refund, EscrowStatus::Refunded, Deadlines::default(), fact);
    }

    /// ESC-37; with money in, a request that small amounts are granted at once (MNY-14).
    pub(super) fn cancel(&mut self, reason: String) {
        if self.is_unfunded() {
            return self.cancel_unfunded(EscrowAction::Cancel, reason);
        }
        self.ask_for_refund(EscrowAction::Cancel, reason);
    }

    /// Small amounts are granted at once; for others the platform answers (MNY-14).
    pub(super) fn ask_for_refund(&mut self, action: EscrowAction, reason: String) {
        self.note(action, EscrowFact::RefundRequested { reason });
        if self.open().minor() <= i128::from(self.terms.rules.automatic_refund_limit_minor) {
            self.refund(RefundReason::Cancellation);
        }
    }

    /// MNY-14. What a signed contract has made due meanwhile comes now.
    pub(super) fn decline_refund(&mut self, reason: String) {
        self.note(EscrowAction::DeclineRefund, EscrowFact::RefundDeclined { reason });
        self.go_on_when_signed();
    }

    pub(super) fn is_unfunded(&self) -> bool {
        matches!(self.state.status, EscrowStatus::Created | EscrowStatus::FundingPending)
    }
}
