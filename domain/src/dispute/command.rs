//! What can be asked of a dispute.

use chrono::{DateTime, Utc};

use crate::dispute::{CaseDecision, CaseFacts, DisputeAction, Resolution};
use crate::escrow::{DisputeKind, Hat};
use crate::kernel::{AssetId, DisputeId, Money, PartyId, Personal};

#[derive(Debug, Clone, PartialEq)]
pub enum DisputeCommand {
    /// The escrow has frozen the money (MNY-25). Total.
    Open(Box<OpenCase>),
    /// MNY-26: more of the money joined the case. Total.
    RecordWidened { contested: Money },
    /// MNY-34: the payee gave up a part of it, which has gone back. Total.
    RecordConceded { contested: Money },
    /// DSP-13. The asset is confirmed; its hash is kept.
    AddEvidence { asset_id: AssetId, sha256: String, mime: String, size: u64, note: Option<Personal<String>> },
    /// DSP-14: review begins.
    Assign { assignee_id: PartyId },
    /// DSP-23.
    RequestDecision,
    /// DSP-15, DSP-24, MNY-29.
    Decide { decision: CaseDecision, rationale: Option<Personal<String>> },
    /// DSP-16, DSP-26: the objection is dismissed, with or without a review. The raiser withdraws at the escrow.
    Close { rationale: Option<Personal<String>> },
    /// DSP-17.
    Escalate { reason: Option<Personal<String>> },
    /// The escrow's evidence time is over (MNY-17). Total.
    RecordEvidenceClosed { decision_due_at: Option<DateTime<Utc>> },
    /// Nobody decided in time: the escrow asks the platform (MNY-17). Total.
    RecordEscalated,
    /// The escrow carried something out: this decision, a concession of everything, a withdrawal (DSP-25, DSP-26). Total.
    RecordOutcome(OutcomeOfCase),
    /// The escrow could not carry the decision out, because the money had changed: the case is open again. Total.
    RecordDeclined { code: String, contested: Money },
}

#[derive(Debug, Clone, PartialEq)]
pub struct OpenCase {
    pub dispute_id: DisputeId,
    pub case_no: u32,
    pub facts: CaseFacts,
    pub contested: Money,
    pub kind: DisputeKind,
    pub raised_by: PartyId,
    pub raised_as: Hat,
    pub reason: Option<Personal<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeOfCase {
    pub resolution: Resolution,
    pub released: Money,
    pub refunded: Money,
    pub penalty: Money,
    pub withdrawn: bool,
    pub conceded: bool,
}

impl DisputeCommand {
    /// The column of the state machine that this command asks for.
    #[must_use]
    pub fn action(&self) -> DisputeAction {
        match self {
            Self::Open(_) => DisputeAction::Open,
            Self::RecordWidened { .. } => DisputeAction::RecordWidened,
            Self::RecordConceded { .. } => DisputeAction::RecordConceded,
            Self::AddEvidence { .. } => DisputeAction::AddEvidence,
            Self::Assign { .. } => DisputeAction::Assign,
            Self::RequestDecision => DisputeAction::RequestDecision,
            Self::Decide { .. } => DisputeAction::Decide,
            Self::Close { .. } => DisputeAction::Close,
            Self::Escalate { .. } => DisputeAction::Escalate,
            Self::RecordEvidenceClosed { .. } => DisputeAction::RecordEvidenceClosed,
            Self::RecordEscalated => DisputeAction::RecordEscalated,
            Self::RecordOutcome(_) => DisputeAction::RecordOutcome,
            Self::RecordDeclined { .. } => DisputeAction::RecordDeclined,
        }
    }
}
