//! Disputes after the settlement: the money is frozen where it landed, and stays there or goes back (MNY-36, MNY-42).

use crate::dispute::CaseFacts;
use crate::escrow::aggregate::{FreezingLeg, SettledCase};
use crate::escrow::permit::only;
use crate::escrow::{CaseLeg, DeadlineAction, DisputeKind, EscrowAction, EscrowError, EscrowFact, EscrowStatus, Hat, Leg, LegParty};
use crate::kernel::{HoldId, Money, Personal, WalletId, derived_uuid};
use crate::tenant::PenaltyRule;

use super::Draft;

impl Draft<'_> {
    /// `None`: all that was released and that no such case has contested yet. In the proportion of what each party got.
    pub(super) fn dispute_settlement(
        &mut self,
        amount: Option<Money>,
        kind: DisputeKind,
        reason: Personal<String>,
        hat: Hat,
    ) -> Result<(), EscrowError> {
        let left = self.state.paid.less(self.state.contested_later);
        let open = self.money(left.total());
        let contested = amount.unwrap_or(open);
        self.check_currency(contested)?;
        only(contested.is_positive(), EscrowError::AmountInvalid)?;
        only(contested.minor() <= open.minor(), EscrowError::AmountExceedsEscrow { open })?;
        let (dispute_id, case_no) = self.next_case();
        let deadlines = self.next_dispute_step(DeadlineAction::CloseEvidence, self.terms.rules.evidence_hours);
        let case = CaseFacts {
            penalty: no_penalty(self.terms.rules.penalty),
            redos_left: 0,
            after_settlement: true,
            ..self.case_facts(deadlines)
        };
        let parts = left.share_of(contested.minor());
        let [payee, tenant, ..] = parts.money(self.currency());
        let legs = [self.case_leg(1, case_no, self.payee(), payee), self.case_leg(2, case_no, self.tenant(), tenant)];
        let fact = EscrowFact::SettlementDisputed {
            dispute_id,
            case_no,
            contested,
            kind,
            raised_by: self.context.actor.id,
            raised_as: hat,
            reason: Some(reason),
            case: Box::new(case),
            parts,
            legs: legs.into_iter().flatten().collect(),
        };
        self.emit(EscrowAction::Dispute, EscrowStatus::Closed, deadlines, fact);
        Ok(())
    }

    /// Nothing of theirs is contested: no leg.
    fn case_leg(&self, leg: u16, case_no: u32, (party, wallet_id): (LegParty, Option<WalletId>), amount: Money) -> Option<CaseLeg> {
        let wallet_id = wallet_id.filter(|_| amount.is_positive())?;
        let purpose = format!("case_hold:{leg}");
        let hold_id = HoldId(derived_uuid(self.terms.tenant_id, self.terms.escrow_id.0, &purpose, case_no.into()));
        Some(CaseLeg { leg, party, wallet_id, hold_id, amount })
    }

    /// Once per hold of the open case.
    pub(super) fn record_case_frozen(&mut self, hold_id: HoldId, frozen: Money) {
        let Some(case) = self.state.open_settled_case() else { return };
        let dispute_id = case.dispute_id;
        let waits = case.legs.iter().any(|leg| leg.asked.hold_id == hold_id && leg.frozen.is_none());
        if waits {
            self.note(EscrowAction::RecordCaseFrozen, EscrowFact::CaseFrozen { dispute_id, hold_id, frozen });
        }
    }

    /// What the open case is about.
    pub(super) fn at_stake(&self) -> Money {
        self.money(self.state.at_stake())
    }

    /// MNY-30; whoever gave nothing back yet has no penalty to give (MNY-36).
    pub(super) fn penalty_rule(&self) -> PenaltyRule {
        let rule = self.terms.rules.penalty;
        if self.state.open_settled_case().is_some() { no_penalty(rule) } else { rule }
    }

    /// `refund`: of the contested gross; each party gives its part of it, a wallet no more than it froze (MNY-42).
    pub(super) fn end_settled_case(&mut self, action: EscrowAction, case: &SettledCase, refund: Money) {
        let dispute_id = case.dispute_id;
        if refund.is_zero() {
            let legs = case.legs.iter().map(|leg| CaseLeg { amount: frozen(leg), ..leg.asked }).collect();
            return self.note(action, EscrowFact::SettledCaseReleased { dispute_id, legs });
        }
        let [payee, tenant, platform, tax, withholding] = case.parts.share_of(refund.minor()).money(self.currency());
        let taken: Vec<_> = case
            .legs
            .iter()
            .map(|leg| {
                let part = if leg.asked.party == LegParty::Tenant { tenant } else { payee };
                CaseLeg { amount: if frozen(leg).minor() < part.minor() { frozen(leg) } else { part }, ..leg.asked }
            })
            .collect();
        let returned: Vec<_> = [(LegParty::Platform, platform), (LegParty::Tax, tax), (LegParty::Withholding, withholding)]
            .into_iter()
            .zip(3_u16..)
            .filter(|((_, amount), _)| amount.is_positive())
            .map(|((party, amount), leg)| Leg { leg, party, wallet_id: None, amount })
            .collect();
        let sum = taken.iter().map(|leg| leg.amount.minor()).chain(returned.iter().map(|leg| leg.amount.minor())).sum::<i128>();
        let legs = self.single_leg(self.payer(), self.money(sum)); // leg 0
        self.note(action, EscrowFact::SettledCaseRefunded { dispute_id, refund, taken, returned, legs });
    }
}

fn no_penalty(rule: PenaltyRule) -> PenaltyRule {
    PenaltyRule { cap_bp: 0, ..rule }
}

fn frozen(leg: &FreezingLeg) -> Money {
    leg.frozen.unwrap_or(Money::zero(leg.asked.amount.currency()))
}
