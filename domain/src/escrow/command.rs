//! What can be asked of an escrow. Amounts are checked for sign and precision before they get here (MNY-02).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::contract::MilestoneShare;
use crate::escrow::{EscrowAction, Reference};
use crate::kernel::{AssetId, DisputeId, EscrowId, EventId, HoldId, Money, PartyId, Personal, WalletId};

#[derive(Debug, Clone, PartialEq)]
pub enum EscrowCommand {
    /// ESC-30.
    Create(CreateEscrow),
    /// ESC-31: the payer starts paying; asks for what is still missing.
    Fund { source: FundingSource },
    /// ESC-32, MNY-07, MNY-10: money stands on hold for this escrow. Total: takes it, waits for more, or gives it back.
    AcceptFunding { attempt: u32, wallet_id: WalletId, hold_id: HoldId, amount: Money },
    /// MNY-07: the source could not pay.
    FailFunding { attempt: u32, reason: FundingFailure },
    /// ESC-33.
    Lock,
    /// ESC-34.
    StartWork,
    /// ESC-35.
    SubmitDelivery { artifacts: Vec<Artifact>, note: Option<Personal<String>>, gps: Option<Personal<String>> },
    /// ESC-38.
    Approve { note: Option<Personal<String>> },
    /// ESC-39.
    MakeReleasable,
    /// ESC-40, ESC-42, ESC-51: platform and system settle, a tenant authorises. `None`: all that is open.
    Release { amount: Option<Money>, reason: Option<String> },
    /// ESC-41.
    ReleasePartial { amount: Money, reason: Option<String> },
    /// ESC-36 (platform, system).
    Refund { reason: RefundReason },
    /// MNY-14: a platform user says no to a requested refund.
    DeclineRefund { reason: String },
    /// ESC-37, and MNY-14 when money is in.
    Cancel { reason: String },
    /// ESC-43, MNY-25..27. `None`: all that is open; once it is closed, all that was released and not disputed since (MNY-36).
    Dispute { amount: Option<Money>, kind: DisputeKind, reason: Personal<String> },
    /// MNY-26: more of the open money joins the open case. `dispute_id`, here and below: refused when another case is open.
    WidenDispute { dispute_id: Option<DisputeId>, amount: Money },
    /// ESC-44..48, MNY-29..32.
    Decide { decision: Decision, rationale: Option<Personal<String>> },
    /// MNY-34: the payee gives in, wholly or in part.
    Concede { dispute_id: Option<DisputeId>, refund: Money },
    /// MNY-32: the raiser takes it back.
    WithdrawDispute { dispute_id: Option<DisputeId> },
    /// The deadline of this key and instant has come (protocols: the instant is compared with the state, not a clock).
    MeetDeadline { key: String, at: DateTime<Utc> },
    /// MNY-01: a wallet has taken the money of one leg.
    RecordLanding { event_id: EventId, leg: u16 },
    /// MNY-36: a wallet has frozen so much of what a case about settled money asked for. Total.
    RecordCaseFrozen { hold_id: HoldId, frozen: Money },
    /// CTR-44, ESC-39: the contract is signed; where no delivery is required that makes the escrow releasable. Total.
    RecordContractSigned,
    /// MNY-06: the contract was voided, or the booking cancelled: cancel, refund or dispute, as the state allows. Total.
    EndAgreement { reason: String },
    /// MNY-17: the booked work begins at another time. Total.
    RecordStartMoved { starts_at: DateTime<Utc> },
    /// DSP-17: the dispute was taken to the platform. Total.
    EscalateDispute { dispute_id: DisputeId },
    /// DSP-41: carry out what was decided about the dispute, in the name of who decided. Total: what the state or the rules
    /// do not allow is answered by `escrow.decision_declined`.
    /// `contested`: what the decider saw; more or less of it by now is a case for the decider again.
    Enforce { dispute_id: DisputeId, decision: Decision, contested: Money, rationale: Option<Personal<String>> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateEscrow {
    /// Made at the edge; the stream's own id.
    pub escrow_id: EscrowId,
    pub reference: Reference,
    pub payer_id: PartyId,
    pub payee_id: PartyId,
    pub amount: Money,
    /// The tenant's user may narrow these; nothing here can switch escrow off or force a release (ESC-76).
    pub delivery_required: Option<bool>,
    pub partial_release_allowed: Option<bool>,
    /// MNY-03: a milestone's part of its contract's one division; else the amount is divided by the settings in force.
    pub share: Option<MilestoneShare>,
    /// When the booked work begins: the money waits for that, not for a number of hours after funding (MNY-17).
    pub starts_at: Option<DateTime<Utc>>,
}

/// Where the payer's money comes from. The provider session (ESC-13) joins with the payments context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FundingSource {
    /// From the payer's wallet, at once (MNY-07).
    Wallet,
    /// The payer sends money by bank transfer; receipts that name the escrow fund it (MNY-10).
    BankTransfer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FundingFailure {
    InsufficientFunds,
    WalletFrozen,
    SessionFailed,
    SessionExpired,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifact {
    pub asset_id: AssetId,
    pub kind: ArtifactKind,
}

/// ESC-05.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    Attendance,
    Media,
    Deliverable,
    OrganizerConfirmation,
}

/// ESC-22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    Cancellation,
    SlaBreach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisputeKind {
    DeliveryRejected,
    UnfairRejection,
    /// Raised by the system (ESC-67).
    DeadlineMissed,
    /// Raised by the system (MNY-21).
    ApprovalMissing,
    /// Raised by the system: the contract was voided, or the booking cancelled, after the work had begun (MNY-06).
    AgreementEnded,
    Other,
}

/// What the decider says about the contested amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Release,
    Refund,
    /// `release + refund + penalty` = contested (MNY-29).
    Split {
        release: Money,
        refund: Money,
        penalty: Money,
    },
    Redo,
    Dismiss,
}

impl Decision {
    /// The column of the state machine that it asks for.
    #[must_use]
    pub fn action(&self) -> EscrowAction {
        match self {
            Self::Release => EscrowAction::ResolveRelease,
            Self::Refund => EscrowAction::ResolveRefund,
            Self::Split { .. } => EscrowAction::ResolveSplit,
            Self::Redo => EscrowAction::Redo,
            Self::Dismiss => EscrowAction::Dismiss,
        }
    }
}

impl EscrowCommand {
    /// The column of the state machine that this command asks for.
    #[must_use]
    pub fn action(&self) -> EscrowAction {
        match self {
            Self::Create(_) => EscrowAction::Create,
            Self::Fund { .. } => EscrowAction::Fund,
            Self::AcceptFunding { .. } => EscrowAction::AcceptFunding,
            Self::FailFunding { .. } => EscrowAction::FailFunding,
            Self::Lock => EscrowAction::Lock,
            Self::StartWork => EscrowAction::StartWork,
            Self::SubmitDelivery { .. } => EscrowAction::SubmitDelivery,
            Self::Approve { .. } => EscrowAction::Approve,
            Self::MakeReleasable => EscrowAction::MakeReleasable,
            Self::Release { .. } => EscrowAction::Release,
            Self::ReleasePartial { .. } => EscrowAction::ReleasePartial,
            Self::Refund { .. } => EscrowAction::Refund,
            Self::DeclineRefund { .. } => EscrowAction::DeclineRefund,
            Self::Cancel { .. } => EscrowAction::Cancel,
            Self::Dispute { .. } => EscrowAction::Dispute,
            Self::WidenDispute { .. } => EscrowAction::WidenDispute,
            Self::Decide { decision, .. } => decision.action(),
            Self::Concede { .. } => EscrowAction::Concede,
            Self::WithdrawDispute { .. } => EscrowAction::WithdrawDispute,
            Self::MeetDeadline { .. } => EscrowAction::MeetDeadline,
            Self::RecordLanding { .. } => EscrowAction::RecordLanding,
            Self::RecordCaseFrozen { .. } => EscrowAction::RecordCaseFrozen,
            Self::RecordContractSigned => EscrowAction::RecordContractSigned,
            Self::EndAgreement { .. } => EscrowAction::EndAgreement,
            Self::RecordStartMoved { .. } => EscrowAction::RecordStartMoved,
            Self::EscalateDispute { .. } => EscrowAction::EscalateDispute,
            Self::Enforce { .. } => EscrowAction::Enforce,
        }
    }
}
