//! Money out of the open part: ESC-40..42, ESC-51, MNY-19, MNY-22, MNY-23, MNY-28.

use crate::escrow::permit::only;
use crate::escrow::{Deadlines, EscrowAction, EscrowError, EscrowFact, EscrowStatus, Hat, MoneySource, ReleaseMode};
use crate::kernel::Money;

use super::Draft;

impl Draft<'_> {
    /// ESC-40, ESC-42: exactly what is open. From `locked` it is made releasable in the same append (ESC-49).
    pub(super) fn release(&mut self, amount: Option<Money>, reason: Option<String>, hat: Hat) -> Result<(), EscrowError> {
        let open = self.open();
        let amount = amount.unwrap_or(open);
        self.check_open_amount(amount)?;
        only(amount == open, EscrowError::AmountBelowRemainder { open })?;
        self.check_limit(amount, hat)?;
        if self.state.status == EscrowStatus::Locked {
            self.record_releasable();
        }
        if let Some(mode) = self.authority(amount, reason, hat, EscrowAction::Release) {
            self.settle_open(mode);
        }
        Ok(())
    }

    /// ESC-41: less than what is open; `Escrow::as_meant` has made a release of the rest.
    pub(super) fn release_partial(&mut self, amount: Money, reason: Option<String>, hat: Hat) -> Result<(), EscrowError> {
        self.check_open_amount(amount)?;
        self.check_limit(amount, hat)?;
        if let Some(mode) = self.authority(amount, reason, hat, EscrowAction::ReleasePartial) {
            let fact = self.partially_released(amount, mode);
            self.emit(EscrowAction::ReleasePartial, EscrowStatus::PartialReleased, self.state.deadlines, fact);
        }
        Ok(())
    }

    /// All that is open goes. With contested money left, that is no end: everything left is in dispute (MNY-28).
    pub(super) fn settle_open(&mut self, mode: ReleaseMode) {
        let amount = self.open();
        if self.state.balances.contested > 0 {
            let deadlines = Deadlines { progress: None, ..self.state.deadlines };
            let fact = self.partially_released(amount, mode);
            self.emit(EscrowAction::Release, EscrowStatus::Disputed, deadlines, fact);
            return;
        }
        let fact = self.released(MoneySource::Open, amount, mode);
        self.emit(EscrowAction::Release, EscrowStatus::Released, Deadlines::default(), fact);
    }

    pub(super) fn released(&self, source: MoneySource, amount: Money, mode: ReleaseMode) -> EscrowFact {
        EscrowFact::Released { source, amount, mode, legs: self.release_legs(amount), clears_at: self.clears_at() }
    }

    fn partially_released(&self, amount: Money, mode: ReleaseMode) -> EscrowFact {
        EscrowFact::PartiallyReleased { amount, mode, legs: self.release_legs(amount), clears_at: self.clears_at() }
    }

    /// Platform and system settle by themselves. A tenant records an authorisation; the rules settle on it, now, if it
    /// stands: the status is releasable, and the amount is what is there (ESC-51, MNY-19, MNY-22).
    fn authority(&mut self, amount: Money, reason: Option<String>, hat: Hat, action: EscrowAction) -> Option<ReleaseMode> {
        match hat {
            Hat::Platform => Some(ReleaseMode::Platform),
            Hat::System => Some(ReleaseMode::Deadline),
            Hat::Tenant | Hat::Payer | Hat::Talent => {
                self.note(action, EscrowFact::ReleaseAuthorized { amount, reason });
                self.state.authorized().filter(|authorized| *authorized == amount).map(|_| ReleaseMode::Authorized)
            }
        }
    }

    /// IDN-70: whoever has limits at all has none to spend in a currency that they do not name.
    fn check_limit(&self, amount: Money, hat: Hat) -> Result<(), EscrowError> {
        let limits = &self.context.actor.amount_limits;
        if matches!(hat, Hat::Platform | Hat::System) || limits.is_empty() {
            return Ok(());
        }
        let may = limits.iter().any(|limit| limit.currency() == amount.currency() && amount.minor() <= limit.minor());
        only(may, EscrowError::ApprovalRequired { amount })
    }
}
