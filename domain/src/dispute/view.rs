//! What read models and answers show of a dispute.

use chrono::{DateTime, Utc};

use crate::booking::DisputeMark;
use crate::dispute::aggregate::{Case, Closing, Outcome};
use crate::dispute::{CaseDecision, Dispute, DisputeStatus, Resolution};
use crate::kernel::{DisputeId, EscrowId, Money, PartyId};

impl Dispute {
    #[must_use]
    pub fn status(&self) -> DisputeStatus {
        self.status
    }

    /// How many events it has.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// None before it is opened.
    #[must_use]
    pub fn case(&self) -> Option<&Case> {
        self.case.as_ref()
    }

    #[must_use]
    pub fn dispute_id(&self) -> Option<DisputeId> {
        self.case.as_ref().map(|case| case.dispute_id)
    }

    #[must_use]
    pub fn escrow_id(&self) -> Option<EscrowId> {
        self.case.as_ref().map(|case| case.facts.escrow_id)
    }

    /// What the decision must dispose of.
    #[must_use]
    pub fn contested(&self) -> Option<Money> {
        self.contested
    }

    /// Pieces so far.
    #[must_use]
    pub fn evidence(&self) -> u32 {
        self.evidence
    }

    /// MNY-17: accepted until then.
    #[must_use]
    pub fn evidence_due_at(&self) -> Option<DateTime<Utc>> {
        self.case.as_ref().map(|case| case.facts.evidence_due_at)
    }

    #[must_use]
    pub fn is_evidence_closed(&self, now: DateTime<Utc>) -> bool {
        self.evidence_closed || self.evidence_due_at().is_none_or(|due| now >= due)
    }

    /// MNY-17: undecided by then, it goes to the platform. None while evidence is accepted.
    #[must_use]
    pub fn decision_due_at(&self) -> Option<DateTime<Utc>> {
        self.decision_due_at
    }

    #[must_use]
    pub fn assignee_id(&self) -> Option<PartyId> {
        self.assignee_id
    }

    #[must_use]
    pub fn escalated_at(&self) -> Option<DateTime<Utc>> {
        self.escalated_at
    }

    #[must_use]
    pub fn decision(&self) -> Option<CaseDecision> {
        self.decided
    }

    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.closed
    }

    /// How it ends or has ended (DSP-01).
    #[must_use]
    pub fn resolution(&self) -> Resolution {
        let decided = self.decided.map_or(Resolution::None, |decision| decision.resolution());
        self.closed.map_or(decided, |closing| closing.resolution)
    }

    /// In the words of bookings and payouts (DSP-27).
    #[must_use]
    pub fn mark(&self) -> DisputeMark {
        use DisputeStatus::{Closed, Decided, DecisionPending, Evidence, Opened, Review, Unopened};
        match (self.status, self.resolution()) {
            (Unopened, _) => DisputeMark::None,
            (Opened | Evidence | Review | DecisionPending, _) => DisputeMark::Open,
            (Decided | Closed, Resolution::Refund | Resolution::Split) => DisputeMark::ResolvedRefunded,
            (Decided | Closed, Resolution::Release | Resolution::Rejected) => DisputeMark::ResolvedRejected,
            (Decided | Closed, Resolution::Redo | Resolution::None) => DisputeMark::None,
        }
    }
}
