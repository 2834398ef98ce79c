//! What happened to a dispute. Stored for ever; the actions taken are these events, and nothing removes one (DSP-33).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dispute::DisputeStatus;
use crate::escrow::{DisputeKind, Hat, Reference};
use crate::kernel::{AssetId, DisputeId, EscrowId, Money, PartyId, Personal, Sealed, StoredEvent};
use crate::tenant::PenaltyRule;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeEvent {
    /// Whose money it is about, so that reactions need to look nothing up.
    pub escrow_id: EscrowId,
    pub from: DisputeStatus,
    pub to: DisputeStatus,
    pub at: DateTime<Utc>,
    pub fact: DisputeFact,
}

/// What the escrow said when it froze the money: all that a decision must respect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseFacts {
    pub escrow_id: EscrowId,
    pub reference: Reference,
    pub payer_id: PartyId,
    pub payee_id: PartyId,
    /// The tenant is payer or payee: only the platform decides (MNY-33).
    pub tenant_is_party: bool,
    pub penalty: PenaltyRule,
    /// Redos that are left (MNY-31).
    pub redos_left: u32,
    /// Evidence is accepted until then (MNY-17).
    pub evidence_due_at: DateTime<Utc>,
    /// MNY-36: the money had already left the escrow.
    #[serde(default)]
    pub after_settlement: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DisputeFact {
    Opened {
        dispute_id: DisputeId,
        case_no: u32,
        facts: CaseFacts,
        contested: Money,
        kind: DisputeKind,
        raised_by: PartyId,
        raised_as: Hat,
        reason: Option<Personal<String>>,
    },
    /// Widened or partly conceded: what is contested now.
    ContestedChanged {
        contested: Money,
    },
    EvidenceAdded {
        evidence: Evidence,
    },
    /// By time (MNY-17); from then on it is about the decision.
    EvidenceClosed {
        decision_due_at: Option<DateTime<Utc>>,
    },
    Assigned {
        assignee_id: PartyId,
    },
    ReviewStarted,
    DecisionRequested,
    Decided {
        decision: CaseDecision,
        contested: Money,
        rationale: Option<Personal<String>>,
    },
    /// The escrow could not carry it out; the case is in review again.
    DecisionReturned {
        code: String,
        contested: Money,
    },
    Escalated {
        reason: Option<Personal<String>>,
        by_deadline: bool,
    },
    Enforced {
        resolution: Resolution,
        released: Money,
        refunded: Money,
        penalty: Money,
    },
    Closed {
        resolution: Resolution,
        withdrawn: bool,
        conceded: bool,
    },
}

/// DSP-02.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    pub number: u32,
    pub asset_id: AssetId,
    pub sha256: String,
    pub mime: String,
    pub size: u64,
    pub submitted_by: PartyId,
    pub note: Option<Personal<String>>,
}

/// What the decider says about the contested amount (DSP-15, MNY-29).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseDecision {
    Release,
    Refund,
    /// The three add up to the contested amount.
    Split {
        release: Money,
        refund: Money,
        penalty: Money,
    },
    Redo,
    /// Dismissed: the money goes on as if nothing had been said (MNY-32).
    Close,
}

/// DSP-01: how the case ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    #[default]
    None,
    Release,
    Refund,
    Split,
    Redo,
    Rejected,
}

impl CaseDecision {
    /// How the case ends when this is carried out.
    #[must_use]
    pub const fn resolution(&self) -> Resolution {
        match self {
            Self::Release => Resolution::Release,
            Self::Refund => Resolution::Refund,
            Self::Split { .. } => Resolution::Split,
            Self::Redo => Resolution::Redo,
            Self::Close => Resolution::Rejected,
        }
    }

    /// A split with one part only is that decision (MNY-29).
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Self::Split { refund, penalty, .. } if refund.is_zero() && penalty.is_zero() => Self::Release,
            Self::Split { release, penalty, .. } if release.is_zero() && penalty.is_zero() => Self::Refund,
            Self::Release | Self::Refund | Self::Split { .. } | Self::Redo | Self::Close => self,
        }
    }
}

impl StoredEvent for DisputeEvent {
    fn name(&self) -> &'static str {
        match &self.fact {
            DisputeFact::Opened { .. } => "dispute.opened",
            DisputeFact::ContestedChanged { .. } => "dispute.contested_changed",
            DisputeFact::EvidenceAdded { .. } => "dispute.evidence_added",
            DisputeFact::EvidenceClosed { .. } => "dispute.evidence_closed",
            DisputeFact::Assigned { .. } => "dispute.assigned",
            DisputeFact::ReviewStarted => "dispute.review_started",
            DisputeFact::DecisionRequested => "dispute.decision_requested",
            DisputeFact::Decided { .. } => "dispute.decided",
            DisputeFact::DecisionReturned { .. } => "dispute.decision_returned",
            DisputeFact::Escalated { .. } => "dispute.escalated",
            DisputeFact::Enforced { .. } => "dispute.enforced",
            DisputeFact::Closed { .. } => "dispute.closed",
        }
    }

    fn personal(&self) -> Vec<&Sealed> {
        let value = match &self.fact {
            DisputeFact::Opened { reason, .. } | DisputeFact::Escalated { reason, .. } => reason.as_ref(),
            DisputeFact::EvidenceAdded { evidence } => evidence.note.as_ref(),
            DisputeFact::Decided { rationale, .. } => rationale.as_ref(),
            DisputeFact::ContestedChanged { .. }
            | DisputeFact::EvidenceClosed { .. }
            | DisputeFact::Assigned { .. }
            | DisputeFact::ReviewStarted
            | DisputeFact::DecisionRequested
            | DisputeFact::DecisionReturned { .. }
            | DisputeFact::Enforced { .. }
            | DisputeFact::Closed { .. } => None,
        };
        value.map(Personal::sealed).into_iter().collect()
    }
}

crate::domain_event!(DisputeEvent);
