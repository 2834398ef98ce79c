//! Disputes: ESC-43..48, MNY-25..34.

use chrono::TimeDelta;

use crate::dispute::CaseFacts;
use crate::escrow::permit::{MOST_REDOS, only};
use crate::escrow::{
    Deadline, DeadlineAction, Deadlines, Decision, DecisionKind, DisputeKind, EscrowAction, EscrowError, EscrowFact, EscrowStatus, Hat,
    LegParty, MoneySource, Outcome, ReleaseMode,
};
use crate::kernel::{DisputeId, DomainError, Money, Personal, derived_uuid};
use crate::tenant::{Hours, PenaltyBeneficiary};

use super::Draft;
use super::deadline::REMINDER_HOURS;
use super::draft::later;
use crate::escrow::terms::fit;

/// A deadline that was paused is never nearer than this afterwards (MNY-32).
const NOTICE: TimeDelta = TimeDelta::hours(24);

/// How the contested money is disposed of; the three parts are never negative and add up to it.
#[derive(Clone, Copy)]
struct Verdict {
    release: Money,
    refund: Money,
    penalty: Money,
}

impl Draft<'_> {
    /// ESC-43, MNY-25, MNY-27. `None`: all that is open.
    pub(super) fn raise_dispute(
        &mut self,
        amount: Option<Money>,
        kind: DisputeKind,
        reason: Personal<String>,
        hat: Hat,
    ) -> Result<(), EscrowError> {
        if self.state.status == EscrowStatus::Closed {
            return self.dispute_settlement(amount, kind, reason, hat);
        }
        let open = self.open();
        let amount = amount.unwrap_or(open);
        self.check_open_amount(amount)?;
        only(amount == open || self.may_contest_a_part(), EscrowError::PartialDisputeNotAllowed)?;
        self.contest(amount, kind, Some(reason), hat);
        Ok(())
    }

    /// MNY-27.
    fn may_contest_a_part(&self) -> bool {
        use EscrowStatus::{DeliverySubmitted, PartialReleased, Releasable};
        self.terms.rules.partial_release_allowed && matches!(self.state.status, DeliverySubmitted | Releasable | PartialReleased)
    }

    pub(super) fn contest(&mut self, contested: Money, kind: DisputeKind, reason: Option<Personal<String>>, hat: Hat) {
        let (dispute_id, case_no) = self.next_case();
        let evidence = self.next_dispute_step(DeadlineAction::CloseEvidence, self.terms.rules.evidence_hours);
        let (to, deadlines) = self.after_contest(contested, evidence);
        let raised_by = self.context.actor.id;
        let case = Box::new(self.case_facts(evidence));
        let fact = EscrowFact::Disputed { dispute_id, case_no, contested, kind, raised_by, raised_as: hat, reason, case };
        self.emit(EscrowAction::Dispute, to, deadlines, fact);
    }

    pub(super) fn next_case(&self) -> (DisputeId, u32) {
        let case_no = self.state.cases + 1;
        (DisputeId(derived_uuid(self.terms.tenant_id, self.terms.escrow_id.0, "dispute", case_no.into())), case_no)
    }

    /// Who names a case means that one and no later one.
    pub(super) fn check_case(&self, named: Option<DisputeId>, action: EscrowAction) -> Result<(), EscrowError> {
        only(named.is_none() || named == self.state.dispute_id(), self.not_allowed(action))
    }

    /// MNY-26.
    pub(super) fn widen_dispute(&mut self, amount: Money) -> Result<(), EscrowError> {
        self.check_open_amount(amount)?;
        only(amount == self.open() || self.may_contest_a_part(), EscrowError::PartialDisputeNotAllowed)?;
        self.widen_by(amount);
        Ok(())
    }

    pub(super) fn widen_by(&mut self, amount: Money) {
        let Some(dispute_id) = self.state.dispute_id() else { return };
        let (to, deadlines) = self.after_contest(amount, self.state.deadlines);
        let contested = self.money(self.contested().minor() + amount.minor());
        self.emit(EscrowAction::WidenDispute, to, deadlines, EscrowFact::DisputeWidened { dispute_id, amount, contested });
    }

    /// All that the case must know to decide as this escrow would.
    pub(super) fn case_facts(&self, evidence: Deadlines) -> CaseFacts {
        CaseFacts {
            escrow_id: self.terms.escrow_id,
            reference: self.terms.reference,
            payer_id: self.terms.payer_id,
            payee_id: self.terms.payee_id,
            tenant_is_party: self.state.tenant_is_party(),
            penalty: self.terms.rules.penalty,
            redos_left: MOST_REDOS.saturating_sub(self.state.work.redos),
            evidence_due_at: evidence.dispute.map_or(self.context.now, |deadline| deadline.at),
            after_settlement: false,
        }
    }

    /// With something left open its status and clock go on; else all is disputed and the clock pauses (MNY-27).
    fn after_contest(&self, amount: Money, deadlines: Deadlines) -> (EscrowStatus, Deadlines) {
        if amount.minor() < self.open().minor() {
            (self.state.status, deadlines)
        } else {
            (EscrowStatus::Disputed, Deadlines { progress: None, ..deadlines })
        }
    }

    /// ESC-44..48.
    pub(super) fn decide_dispute(&mut self, decision: Decision, rationale: Option<Personal<String>>, hat: Hat) -> Result<(), EscrowError> {
        let (contested, nothing) = (self.at_stake(), self.money(0));
        let verdict = match decision {
            Decision::Redo => return self.order_redo(rationale),
            Decision::Dismiss => return self.dismiss(false, rationale),
            Decision::Release => Verdict { release: contested, refund: nothing, penalty: nothing },
            Decision::Refund => Verdict { release: nothing, refund: contested, penalty: nothing },
            Decision::Split { release, refund, penalty } => Verdict { release, refund, penalty },
        };
        self.check_verdict(verdict, hat)?;
        // ESC-65: the platform took over a case that the tenant could have decided.
        let escalated = self.state.dispute.is_some_and(|dispute| dispute.escalated);
        let forced = hat == Hat::Platform && !escalated && !self.state.tenant_is_party();
        self.resolve(verdict, false, forced, rationale)
    }

    /// DSP-41: what was decided about the case, in the name of who decided it. A case that is over needs nothing; what the
    /// state or the rules refuse goes back to the case.
    pub(super) fn enforce(&mut self, dispute_id: DisputeId, decision: Decision, contested: Money, rationale: Option<Personal<String>>) {
        if self.state.dispute_id() != Some(dispute_id) {
            return;
        }
        if let Err(refusal) = self.try_to_enforce(decision, contested, rationale) {
            let (_, code) = refusal.describe();
            let fact = EscrowFact::DecisionDeclined { dispute_id, code: code.to_owned(), contested: self.at_stake() };
            self.note(EscrowAction::Enforce, fact);
        }
    }

    /// As if the decider had asked here, about the same money. Everything is checked before the first event.
    fn try_to_enforce(&mut self, decision: Decision, seen: Money, rationale: Option<Personal<String>>) -> Result<(), EscrowError> {
        let hat = self.state.permit(decision.action(), &self.context.actor, self.context.now)?;
        let contested = self.at_stake();
        only(seen == contested, EscrowError::DecisionAmountInvalid { contested })?;
        self.decide_dispute(decision, rationale, hat)
    }

    /// DSP-17. Evidence is still accepted until its time is over; after that the platform is reminded daily.
    pub(super) fn escalate_dispute(&mut self, dispute_id: DisputeId) {
        let Some(dispute) = self.state.dispute.filter(|dispute| dispute.dispute_id == dispute_id && !dispute.escalated) else { return };
        let reminder = self.next_dispute_step(DeadlineAction::Escalate, Hours::whole(REMINDER_HOURS));
        let deadlines = if dispute.evidence_closed { reminder } else { self.state.deadlines };
        self.emit(EscrowAction::EscalateDispute, self.state.status, deadlines, EscrowFact::DisputeEscalated { dispute_id });
    }

    /// MNY-29, MNY-30, MNY-33.
    fn check_verdict(&self, verdict: Verdict, hat: Hat) -> Result<(), EscrowError> {
        let parts = [verdict.release, verdict.refund, verdict.penalty];
        for part in parts {
            self.check_currency(part)?;
        }
        let contested = self.at_stake();
        let is_exact = parts.iter().map(|part| part.minor()).sum::<i128>() == contested.minor();
        let is_whole = parts.iter().all(|part| part.minor() >= 0);
        only(is_exact && is_whole, EscrowError::DecisionAmountInvalid { contested })?;
        let rule = self.penalty_rule();
        let cap = self.money(contested.minor() * i128::from(rule.cap_bp) / 10_000);
        only(verdict.penalty.minor() <= cap.minor(), EscrowError::PenaltyAboveCap { cap })?;
        let tenant_gains = verdict.penalty.is_positive() && rule.beneficiary == PenaltyBeneficiary::Tenant;
        only(!tenant_gains || hat == Hat::Platform, EscrowError::ConflictOfInterest)
    }

    /// MNY-34: the payee gives in. All of it decides the case as a refund. A part of it goes back at once, and the case
    /// goes on about the rest: nobody decides for himself that he keeps something.
    pub(super) fn concede(&mut self, refund: Money) -> Result<(), EscrowError> {
        self.check_currency(refund)?;
        only(refund.is_positive(), EscrowError::AmountInvalid)?;
        let contested = self.contested();
        only(refund.minor() <= contested.minor(), EscrowError::DecisionAmountInvalid { contested })?;
        if refund == contested {
            let nothing = self.money(0);
            return self.resolve(Verdict { release: nothing, refund, penalty: nothing }, true, false, None);
        }
        let dispute_id = self.state.dispute_id().ok_or_else(|| self.not_allowed(EscrowAction::Concede))?;
        let contested = self.money(contested.minor() - refund.minor());
        self.note(EscrowAction::Concede, EscrowFact::DisputeConceded { dispute_id, amount: refund, contested });
        let fact = self.refunded_from_contested(refund);
        self.note(EscrowAction::Concede, fact);
        Ok(())
    }

    /// The decision first, then the money that it moves, in one append.
    fn resolve(&mut self, verdict: Verdict, conceded: bool, forced: bool, rationale: Option<Personal<String>>) -> Result<(), EscrowError> {
        let Verdict { release, refund, penalty } = verdict;
        let (kind, action) = match (release.is_zero(), refund.is_zero(), penalty.is_zero()) {
            (false, true, true) => (DecisionKind::Release, EscrowAction::ResolveRelease),
            (true, false, true) => (DecisionKind::Refund, EscrowAction::ResolveRefund),
            _ => (DecisionKind::Split, EscrowAction::ResolveSplit),
        };
        let dispute_id = self.state.dispute_id().ok_or_else(|| self.not_allowed(action))?;
        let deadlines = Deadlines { dispute: None, ..self.state.deadlines };
        let settled = self.state.open_settled_case().cloned();
        let fact = EscrowFact::DisputeResolved { dispute_id, kind, release, refund, penalty, conceded, forced, rationale };
        self.emit(action, self.state.status, deadlines, fact);
        if let Some(case) = settled {
            self.end_settled_case(action, &case, refund);
            return Ok(());
        }
        let end = self.status_when_decided(verdict);
        self.move_contested(action, release, end, |draft, amount| draft.released(MoneySource::Contested, amount, ReleaseMode::Decision));
        self.move_contested(action, refund, end, Self::refunded_from_contested);
        self.move_contested(action, penalty, end, Self::penalty_taken);
        Ok(())
    }

    /// One part of a verdict; the last one ends the contest.
    fn move_contested(&mut self, action: EscrowAction, amount: Money, end: EscrowStatus, fact: impl Fn(&Self, Money) -> EscrowFact) {
        if amount.is_positive() {
            let to = if amount == self.contested() { end } else { self.state.status };
            self.emit(action, to, self.state.deadlines, fact(self, amount));
        }
    }

    /// Resolved only when nothing remains, and by what happened over the whole life; else the status stays (MNY-29).
    fn status_when_decided(&self, verdict: Verdict) -> EscrowStatus {
        if self.state.balances.open > 0 {
            return self.state.status;
        }
        let balances = self.state.balances;
        let outcome = Outcome::over(
            balances.released + fit(verdict.release.minor()),
            balances.refunded + fit(verdict.refund.minor()),
            balances.penalty + fit(verdict.penalty.minor()),
        );
        match outcome {
            Outcome::Settled => EscrowStatus::ResolvedRelease,
            Outcome::Refunded => EscrowStatus::ResolvedRefund,
            Outcome::Split | Outcome::Cancelled | Outcome::ChargedBack => EscrowStatus::ResolvedSplit,
        }
    }

    /// MNY-16.
    fn refunded_from_contested(&self, amount: Money) -> EscrowFact {
        let legs = self.single_leg(self.payer(), amount);
        EscrowFact::Refunded { source: MoneySource::Contested, amount, reason: None, legs }
    }

    /// MNY-30: no split, no fee.
    fn penalty_taken(&self, amount: Money) -> EscrowFact {
        let beneficiary = self.terms.rules.penalty.beneficiary;
        let to = match beneficiary {
            PenaltyBeneficiary::Payer => self.payer(),
            PenaltyBeneficiary::Payee => self.payee(),
            PenaltyBeneficiary::Tenant => self.tenant(),
            PenaltyBeneficiary::Platform => (LegParty::Platform, None),
        };
        EscrowFact::PenaltyTaken { amount, beneficiary, legs: self.single_leg(to, amount), clears_at: self.clears_at() }
    }

    /// ESC-47, MNY-31: an approved open part is released first; everything else is worked on again.
    fn order_redo(&mut self, rationale: Option<Personal<String>>) -> Result<(), EscrowError> {
        let dispute_id = self.state.dispute_id().ok_or_else(|| self.not_allowed(EscrowAction::Redo))?;
        let open_is_approved = matches!(self.state.status, EscrowStatus::Releasable | EscrowStatus::PartialReleased);
        if open_is_approved && self.open().is_positive() {
            self.settle_open(ReleaseMode::Decision);
        }
        let sla = self.next_step(DeadlineAction::RaiseDispute, self.terms.rules.sla_hours);
        let fact = EscrowFact::RedoOrdered { dispute_id, round: self.state.work.round + 1, returned: self.contested(), rationale };
        self.emit(EscrowAction::Redo, EscrowStatus::InProgress, Deadlines { dispute: None, ..sla }, fact);
        Ok(())
    }

    /// ESC-48, MNY-32: dismissed by a decider or withdrawn by the raiser.
    pub(super) fn dismiss(&mut self, withdrawn: bool, rationale: Option<Personal<String>>) -> Result<(), EscrowError> {
        let action = if withdrawn { EscrowAction::WithdrawDispute } else { EscrowAction::Dismiss };
        let dispute = self.state.dispute.ok_or_else(|| self.not_allowed(action))?;
        let (to, progress) = match self.state.paused {
            // Part of it is open: the contested part joins it.
            None => (self.state.status, self.state.deadlines.progress),
            Some(_) if self.state.balances.released > dispute.released_before => (EscrowStatus::PartialReleased, self.resumed_deadline()),
            Some(paused) => (paused.status, self.resumed_deadline()),
        };
        let fact = EscrowFact::DisputeDismissed { dispute_id: dispute.dispute_id, returned: self.contested(), withdrawn, rationale };
        let settled = self.state.open_settled_case().cloned();
        self.emit(action, to, Deadlines { progress, dispute: None }, fact);
        if let Some(case) = settled {
            self.end_settled_case(action, &case, self.money(0));
        }
        self.go_on_when_signed(); // the signature may have come meanwhile
        Ok(())
    }

    /// Moved by the length of the pause, and never less than a day ahead. Booked work is not overdue before its time.
    fn resumed_deadline(&self) -> Option<Deadline> {
        let (paused, now) = (self.state.paused?, self.context.now);
        let deadline = paused.deadline?;
        let at = later(deadline.at, now - paused.since).max(later(now, NOTICE));
        let waits_for_work = deadline.action == DeadlineAction::Refund && self.state.work.starts_at.is_some();
        let start_due = waits_for_work.then(|| self.start_due(self.state.work.starts_at).progress).flatten();
        Some(Deadline { at: start_due.map_or(at, |due| at.max(due.at)), ..deadline })
    }
}
