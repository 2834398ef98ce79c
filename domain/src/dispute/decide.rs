//! The rules. Pure: the same state, command and context always give the same events or the same refusal.
//!
//! Every command is first put to `permit` (status, hat, state); what follows checks the values and says what happens.

use chrono::{DateTime, Utc};

use crate::dispute::permit::only;
use crate::dispute::{
    CaseDecision, Dispute, DisputeCommand, DisputeError, DisputeEvent, DisputeFact, DisputeStatus, Evidence, OpenCase, OutcomeOfCase,
    Resolution,
};
use crate::escrow::Hat;
use crate::kernel::{Context, EscrowId, Money, PartyId};
use crate::tenant::PenaltyBeneficiary;

/// Pieces of evidence that one case takes.
pub(super) const MOST_EVIDENCE: u32 = 200;

impl Dispute {
    pub(super) fn decide(&self, command: DisputeCommand, context: &Context) -> Result<Vec<DisputeEvent>, DisputeError> {
        let hat = self.permit(command.action(), &context.actor, context.tenant_id, context.now)?;
        if let DisputeCommand::Open(open) = command {
            return Ok(self.opened(*open, context.now));
        }
        // Of a case that was never opened there is no news.
        let Some(case) = &self.case else { return Ok(Vec::new()) };
        let contested = self.contested.unwrap_or(case.contested);
        let draft = Draft { escrow_id: case.facts.escrow_id, from: self.status, at: context.now };
        let events = match command {
            DisputeCommand::Open(_) => Vec::new(),
            DisputeCommand::AddEvidence { asset_id, sha256, mime, size, note } => {
                only(!self.assets.contains(&asset_id), DisputeError::EvidenceExists)?;
                only(self.evidence < MOST_EVIDENCE, DisputeError::EvidenceLimit { limit: MOST_EVIDENCE })?;
                let number = self.evidence + 1;
                let evidence = Evidence { number, asset_id, sha256, mime, size, submitted_by: context.actor.id, note };
                let to = if self.status == DisputeStatus::Opened { DisputeStatus::Evidence } else { self.status };
                vec![draft.to(to, DisputeFact::EvidenceAdded { evidence })]
            }
            DisputeCommand::Assign { assignee_id } => self.assigned(&draft, assignee_id)?,
            DisputeCommand::RequestDecision => vec![draft.to(DisputeStatus::DecisionPending, DisputeFact::DecisionRequested)],
            DisputeCommand::Decide { decision, rationale } => {
                self.check(decision, contested, hat)?;
                let decision = decision.plain();
                vec![draft.to(DisputeStatus::Decided, DisputeFact::Decided { decision, contested, rationale })]
            }
            DisputeCommand::Close { rationale } => {
                let decision = CaseDecision::Close;
                vec![draft.to(DisputeStatus::Decided, DisputeFact::Decided { decision, contested, rationale })]
            }
            DisputeCommand::Escalate { reason } => vec![draft.stays(DisputeFact::Escalated { reason, by_deadline: false })],
            DisputeCommand::RecordWidened { contested: now } | DisputeCommand::RecordConceded { contested: now } => {
                self.news(now != contested).then(|| draft.stays(DisputeFact::ContestedChanged { contested: now })).into_iter().collect()
            }
            DisputeCommand::RecordEvidenceClosed { decision_due_at } => {
                let fact = DisputeFact::EvidenceClosed { decision_due_at };
                self.news(!self.evidence_closed).then(|| draft.stays(fact)).into_iter().collect()
            }
            DisputeCommand::RecordEscalated => {
                let fact = DisputeFact::Escalated { reason: None, by_deadline: true };
                self.news(self.escalated_at.is_none()).then(|| draft.stays(fact)).into_iter().collect()
            }
            DisputeCommand::RecordOutcome(outcome) if self.news(true) => self.ended(draft, outcome),
            DisputeCommand::RecordDeclined { code, contested } if self.status == DisputeStatus::Decided => {
                vec![draft.to(DisputeStatus::Review, DisputeFact::DecisionReturned { code, contested })]
            }
            DisputeCommand::RecordOutcome(_) | DisputeCommand::RecordDeclined { .. } => Vec::new(),
        };
        Ok(events)
    }

    /// True when a case that is not over learns something.
    fn news(&self, is_new: bool) -> bool {
        is_new && self.status != DisputeStatus::Closed
    }

    /// DSP-20. The same news twice opens nothing.
    fn opened(&self, open: OpenCase, now: DateTime<Utc>) -> Vec<DisputeEvent> {
        if self.case.is_some() {
            return Vec::new();
        }
        let OpenCase { dispute_id, case_no, facts, contested, kind, raised_by, raised_as, reason } = open;
        let draft = Draft { escrow_id: facts.escrow_id, from: DisputeStatus::Unopened, at: now };
        let fact = DisputeFact::Opened { dispute_id, case_no, facts, contested, kind, raised_by, raised_as, reason };
        vec![draft.to(DisputeStatus::Opened, fact)]
    }

    /// DSP-14, DSP-22. A resolver has no part in the case (MNY-33).
    fn assigned(&self, draft: &Draft, assignee_id: PartyId) -> Result<Vec<DisputeEvent>, DisputeError> {
        let is_party = self.case.as_ref().is_some_and(|case| {
            let parties = [case.facts.payer_id, case.facts.payee_id, case.raised_by];
            parties.contains(&assignee_id)
        });
        only(!is_party, DisputeError::ConflictOfInterest)?;
        let assigned = draft.stays(DisputeFact::Assigned { assignee_id });
        if matches!(self.status, DisputeStatus::Opened | DisputeStatus::Evidence) {
            return Ok(vec![assigned, draft.to(DisputeStatus::Review, DisputeFact::ReviewStarted)]);
        }
        Ok(vec![assigned])
    }

    /// MNY-29..31, MNY-33, MNY-36: as the escrow would, from the facts that it gave.
    fn check(&self, decision: CaseDecision, contested: Money, hat: Hat) -> Result<(), DisputeError> {
        let Some(case) = &self.case else { return Ok(()) };
        let (release, refund, penalty) = match decision {
            CaseDecision::Redo => {
                only(!case.facts.after_settlement, DisputeError::RedoAfterSettlement)?;
                return only(case.facts.redos_left > 0, DisputeError::RedoLimitReached);
            }
            CaseDecision::Release | CaseDecision::Refund | CaseDecision::Close => return Ok(()),
            CaseDecision::Split { release, refund, penalty } => (release, refund, penalty),
        };
        let (parts, currency) = ([release, refund, penalty], contested.currency());
        if let Some(part) = parts.iter().find(|part| part.currency() != currency) {
            return Err(DisputeError::CurrencyMismatch { expected: currency, found: part.currency() });
        }
        let is_exact = parts.iter().map(|part| part.minor()).sum::<i128>() == contested.minor();
        let is_whole = parts.iter().all(|part| part.minor() >= 0);
        only(is_exact && is_whole, DisputeError::DecisionAmountInvalid { contested })?;
        let rule = case.facts.penalty;
        let cap = Money::try_from_minor(contested.minor() * i128::from(rule.cap_bp) / 10_000, currency).unwrap_or(contested);
        only(penalty.minor() <= cap.minor(), DisputeError::PenaltyAboveCap { cap })?;
        let tenant_gains = penalty.is_positive() && rule.beneficiary == PenaltyBeneficiary::Tenant;
        only(!tenant_gains || hat == Hat::Platform, DisputeError::ConflictOfInterest)
    }

    /// DSP-25, DSP-26, DSP-41. A withdrawal or a dismissal moves no money.
    fn ended(&self, draft: Draft, outcome: OutcomeOfCase) -> Vec<DisputeEvent> {
        let OutcomeOfCase { resolution, released, refunded, penalty, withdrawn, conceded } = outcome;
        let moved_money = !matches!(resolution, Resolution::None | Resolution::Rejected | Resolution::Redo);
        let closed = draft.to(DisputeStatus::Closed, DisputeFact::Closed { resolution, withdrawn, conceded });
        if self.status == DisputeStatus::Decided || moved_money {
            return vec![draft.stays(DisputeFact::Enforced { resolution, released, refunded, penalty }), closed];
        }
        vec![closed]
    }
}

/// What every event of one decision says.
#[derive(Clone, Copy)]
struct Draft {
    escrow_id: EscrowId,
    from: DisputeStatus,
    at: DateTime<Utc>,
}

impl Draft {
    fn to(self, to: DisputeStatus, fact: DisputeFact) -> DisputeEvent {
        DisputeEvent { escrow_id: self.escrow_id, from: self.from, to, at: self.at, fact }
    }

    fn stays(self, fact: DisputeFact) -> DisputeEvent {
        self.to(self.from, fact)
    }
}
