//! Money in: ESC-31, ESC-32, MNY-07, MNY-10..12.

use crate::escrow::{Deadlines, EscrowAction, EscrowFact, EscrowStatus, FundingFailure, FundingPart, FundingSource};
use crate::kernel::{EventId, HoldId, Money, WalletId, derived_uuid};
use crate::wallet::OwnerType;

use super::Draft;
use crate::escrow::Landing;

impl Draft<'_> {
    /// ESC-31: asks for what is still missing. The funding deadline runs from creation and does not move.
    pub(super) fn fund(&mut self, source: FundingSource) {
        let attempt = self.state.funding.attempt + 1;
        let hold_id = HoldId(derived_uuid(self.terms.tenant_id, self.terms.escrow_id.0, "hold", attempt.into()));
        let wallet_id = self.wallet(OwnerType::User, self.terms.payer_id);
        let missing = self.money(self.terms.amount.minor() - self.state.received());
        let payer_id = self.terms.payer_id;
        let fact = EscrowFact::FundingRequested { attempt, source, payer_id, wallet_id, hold_id, missing };
        self.emit(EscrowAction::Fund, EscrowStatus::FundingPending, self.state.deadlines, fact);
    }

    /// Money stands on hold: taken, kept until there is enough, or given back. Never refused, never counted twice.
    pub(super) fn accept_funding(&mut self, attempt: u32, wallet_id: WalletId, hold_id: HoldId, amount: Money) {
        if self.state.funding.answered.contains(&hold_id) || !amount.is_positive() {
            return;
        }
        let leg = u16::try_from(self.state.funding.parts.len()).unwrap_or(u16::MAX);
        let part = FundingPart { leg, attempt, wallet_id, hold_id, held: amount, captured: Money::zero(amount.currency()) };
        if self.is_wanted(&part) {
            self.take(part);
        } else {
            self.note(EscrowAction::AcceptFunding, EscrowFact::FundingReturned { part: FundingPart { leg: 0, ..part } });
        }
    }

    /// MNY-12: only for an attempt that is open (0: whichever is), from the payer's own wallet, in the escrow's currency.
    fn is_wanted(&self, part: &FundingPart) -> bool {
        // A receipt may come before anybody has pressed "fund" (ESC-32).
        let is_for_open_attempt = match part.attempt {
            0 => self.is_unfunded(),
            attempt => self.state.status == EscrowStatus::FundingPending && attempt == self.state.funding.attempt,
        };
        is_for_open_attempt
            && part.held.currency() == self.currency()
            && part.wallet_id == self.wallet(OwnerType::User, self.terms.payer_id)
    }

    fn take(&mut self, part: FundingPart) {
        let is_first_word = self.state.status == EscrowStatus::Created;
        let attempt = if is_first_word { self.state.funding.attempt + 1 } else { self.state.funding.attempt };
        let part = FundingPart { attempt, ..part };
        let received = self.state.received() + part.held.minor();
        let missing = self.terms.amount.minor() - received;
        if missing > 0 {
            let fact = EscrowFact::FundingShort { attempt, part, received: self.money(received), missing: self.money(missing) };
            self.emit(EscrowAction::AcceptFunding, EscrowStatus::FundingPending, self.state.deadlines, fact);
            return;
        }
        let parts = self.captured(part);
        let fact = EscrowFact::Funded { amount: self.terms.amount, parts };
        self.emit(EscrowAction::AcceptFunding, EscrowStatus::Funded, self.start_due(self.state.work.starts_at), fact);
        self.go_on_when_signed();
    }

    /// Exactly the amount, from the holds in order of arrival; what a hold has beyond it goes back (MNY-10).
    fn captured(&self, last: FundingPart) -> Vec<FundingPart> {
        let mut still_needed = self.terms.amount.minor();
        let holds = self.state.funding.parts.iter().copied().chain([last]);
        holds
            .map(|part| {
                let captured = still_needed.min(part.held.minor());
                still_needed -= captured;
                FundingPart { captured: self.money(captured), ..part }
            })
            .collect()
    }

    /// MNY-07. A stale answer does nothing. What earlier attempts have brought stays on hold (MNY-10).
    pub(super) fn fail_funding(&mut self, attempt: u32, reason: FundingFailure) {
        let is_open = self.state.status == EscrowStatus::FundingPending && self.state.funding.request.is_some();
        let current = self.state.funding.attempt;
        if !is_open || (attempt != 0 && attempt != current) {
            return;
        }
        let has_money = !self.state.funding.parts.is_empty();
        let to = if has_money { EscrowStatus::FundingPending } else { EscrowStatus::Created };
        let fact = EscrowFact::FundingFailed { attempt: current, reason, returned: Vec::new() };
        self.emit(EscrowAction::FailFunding, to, self.state.deadlines, fact);
    }

    /// ESC-37, MNY-11: nothing was captured; every hold is given back.
    pub(super) fn cancel_unfunded(&mut self, action: EscrowAction, reason: String) {
        let returned = self.state.funding.parts.clone();
        let fact = EscrowFact::Cancelled { reason, reference: self.terms.reference, returned };
        self.emit(action, EscrowStatus::Cancelled, Deadlines::default(), fact);
    }

    /// MNY-01: a wallet has booked a leg. Unknown or repeated: nothing.
    pub(super) fn record_landing(&mut self, event_id: EventId, leg: u16) {
        let landing = Landing { event_id, leg };
        if self.state.in_transit.iter().any(|awaited| awaited.landing == landing) {
            self.note(EscrowAction::RecordLanding, EscrowFact::LegLanded { landing });
        }
    }
}
