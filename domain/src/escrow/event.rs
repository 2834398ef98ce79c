//! What happened to an escrow. Stored for ever: names and shapes never change, a new shape is a new version.
//!
//! Every event says where the escrow stands afterwards (`to`, `deadlines`) and every amount that was decided, per
//! party, so that nothing is ever computed again: the ledger posts it, reactions carry it out, read models show it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dispute::CaseFacts;
use crate::escrow::{Artifact, DisputeKind, Entitlements, EscrowStatus, FundingFailure, FundingSource, Reference, RefundReason, Terms};
use crate::escrow::{Hat, Outcome};
use crate::kernel::{DeadlineChange, DisputeId, EventId, HoldId, Money, PartyId, Personal, Sealed, StoredEvent, WalletId};
use crate::tenant::PenaltyBeneficiary;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscrowEvent {
    /// What the escrow is for, so that reactions need to look nothing up.
    pub reference: Reference,
    pub from: EscrowStatus,
    pub to: EscrowStatus,
    pub deadlines: Deadlines,
    pub at: DateTime<Utc>,
    pub fact: EscrowFact,
}

/// The two clocks of an escrow: the open part's next step, and the open dispute's (they run side by side, MNY-27).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deadlines {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Deadline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<Deadline>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deadline {
    pub at: DateTime<Utc>,
    pub action: DeadlineAction,
}

/// What the system does when nobody else has (MNY-17). A dispute's deadline never moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineAction {
    /// created, `funding_pending`: nobody paid in time.
    Cancel,
    /// funded, locked: work did not start in time (CNF-59).
    Refund,
    /// `in_progress`: nothing was delivered in time (ESC-67).
    RaiseDispute,
    /// `delivery_submitted`: silence approves, or opens a dispute where a person must approve (ESC-60, MNY-21).
    Approve,
    /// releasable, `partial_released`: the open part is settled (MNY-19).
    Settle,
    /// disputed: evidence is closed (MNY-17).
    CloseEvidence,
    /// disputed: nobody decided; the platform must (MNY-17).
    Escalate,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EscrowFact {
    Created {
        terms: Box<Terms>,
    },
    /// Asks `wallet_id` for `missing`; attempts count from 1.
    FundingRequested {
        attempt: u32,
        source: FundingSource,
        payer_id: PartyId,
        wallet_id: WalletId,
        hold_id: HoldId,
        missing: Money,
    },
    /// Back to created; with money on hold from earlier attempts it stays `funding_pending`, and that money stays on hold
    /// until the funding deadline (MNY-10). Every hold listed is given back.
    FundingFailed {
        attempt: u32,
        reason: FundingFailure,
        returned: Vec<FundingPart>,
    },
    /// MNY-10: some money stands on hold, more is needed.
    FundingShort {
        attempt: u32,
        part: FundingPart,
        received: Money,
        missing: Money,
    },
    /// MNY-11, MNY-12: money came for an escrow that does not take it (any more); its hold is given back.
    FundingReturned {
        part: FundingPart,
    },
    /// ESC-32. The parts' `captured` add up to the amount; what a hold has beyond it goes back to the payer.
    Funded {
        amount: Money,
        parts: Vec<FundingPart>,
    },
    Locked,
    WorkStarted {
        round: u32,
    },
    DeliverySubmitted {
        round: u32,
        artifacts: Vec<Artifact>,
        note: Option<Personal<String>>,
        gps: Option<Personal<String>>,
        dispute_window_ends_at: DateTime<Utc>,
    },
    /// `automatic`: by silence (ESC-60).
    DeliveryApproved {
        round: u32,
        automatic: bool,
        note: Option<Personal<String>>,
    },
    MadeReleasable {
        dispute_window_ends_at: DateTime<Utc>,
    },
    /// ESC-51, MNY-22: settles `amount` as soon as every guard holds.
    ReleaseAuthorized {
        amount: Money,
        reason: Option<String>,
    },
    /// ESC-41. Only of the open part.
    PartiallyReleased {
        amount: Money,
        mode: ReleaseMode,
        legs: Vec<Leg>,
        clears_at: DateTime<Utc>,
    },
    /// ESC-40, ESC-42 from open; ESC-44, ESC-46 from contested.
    Released {
        source: MoneySource,
        amount: Money,
        mode: ReleaseMode,
        legs: Vec<Leg>,
        clears_at: DateTime<Utc>,
    },
    /// MNY-14: start, lock and `make_releasable` wait for the answer.
    RefundRequested {
        reason: String,
    },
    RefundDeclined {
        reason: String,
    },
    /// ESC-36 from open; ESC-45, ESC-46 from contested. Legs name the payer (MNY-16).
    Refunded {
        source: MoneySource,
        amount: Money,
        reason: Option<RefundReason>,
        legs: Vec<Leg>,
    },
    /// MNY-30: always from contested; one leg, to the beneficiary.
    PenaltyTaken {
        amount: Money,
        beneficiary: PenaltyBeneficiary,
        legs: Vec<Leg>,
        clears_at: DateTime<Utc>,
    },
    /// ESC-37: only while nothing was captured; every hold listed is given back.
    Cancelled {
        reason: String,
        /// Free again for another escrow (MNY-05).
        reference: Reference,
        returned: Vec<FundingPart>,
    },
    /// ESC-43, MNY-25: `contested` moves from open to contested.
    Disputed {
        dispute_id: DisputeId,
        case_no: u32,
        contested: Money,
        kind: DisputeKind,
        raised_by: PartyId,
        raised_as: Hat,
        reason: Option<Personal<String>>,
        /// All that the case must know about the escrow.
        case: Box<CaseFacts>,
    },
    /// `contested`: what is contested now.
    DisputeWidened {
        dispute_id: DisputeId,
        amount: Money,
        contested: Money,
    },
    /// MNY-34: the payee gave up `amount`, which goes back with the next event; `contested` is what is contested then.
    DisputeConceded {
        dispute_id: DisputeId,
        amount: Money,
        contested: Money,
    },
    /// MNY-17: the evidence deadline passed; the decision deadline runs.
    EvidenceClosed {
        dispute_id: DisputeId,
    },
    DisputeEscalated {
        dispute_id: DisputeId,
    },
    /// ESC-44..46: what was decided. The money moves with the events that follow it in the same append.
    DisputeResolved {
        dispute_id: DisputeId,
        kind: DecisionKind,
        release: Money,
        refund: Money,
        penalty: Money,
        conceded: bool,
        forced: bool,
        rationale: Option<Personal<String>>,
    },
    /// ESC-47, MNY-31: contested money is open again, a new round of work begins.
    RedoOrdered {
        dispute_id: DisputeId,
        round: u32,
        returned: Money,
        rationale: Option<Personal<String>>,
    },
    /// ESC-48, MNY-32: contested money is open again, paused deadlines move on.
    DisputeDismissed {
        dispute_id: DisputeId,
        returned: Money,
        withdrawn: bool,
        rationale: Option<Personal<String>>,
    },
    /// DSP-41: what was decided could not be carried out; `contested` is what is contested now.
    DecisionDeclined {
        dispute_id: DisputeId,
        code: String,
        contested: Money,
    },
    /// MNY-36: settled money is disputed. The wallets freeze the legs; the platform's part and the taxes stay where they
    /// are until the decision. `parts`: the contested gross by party, in minor units.
    SettlementDisputed {
        dispute_id: DisputeId,
        case_no: u32,
        contested: Money,
        kind: DisputeKind,
        raised_by: PartyId,
        raised_as: Hat,
        reason: Option<Personal<String>>,
        case: Box<CaseFacts>,
        parts: Entitlements,
        legs: Vec<CaseLeg>,
    },
    /// MNY-36: what a wallet could freeze of its leg.
    CaseFrozen {
        dispute_id: DisputeId,
        hold_id: HoldId,
        frozen: Money,
    },
    /// MNY-36: the money stays with the parties; the holds of all legs are lifted.
    SettledCaseReleased {
        dispute_id: DisputeId,
        legs: Vec<CaseLeg>,
    },
    /// MNY-42: `refund` of the contested gross was decided. `taken` from each hold, at most what is frozen there (zero: the hold
    /// is lifted), and `returned` by platform and taxes add up to the payer's leg; none when nothing was left to take.
    SettledCaseRefunded {
        dispute_id: DisputeId,
        refund: Money,
        taken: Vec<CaseLeg>,
        returned: Vec<Leg>,
        legs: Vec<Leg>,
    },
    /// CTR-44.
    ContractSigned,
    /// MNY-17.
    StartMoved {
        starts_at: DateTime<Utc>,
    },
    /// MNY-01: the taker has booked the leg of that event.
    LegLanded {
        landing: Landing,
    },
    /// Nothing is held, nothing is in transit.
    Closed {
        outcome: Outcome,
    },
}

/// Money that a wallet holds for this escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FundingPart {
    /// Numbers the in-transit leg of a capture.
    pub leg: u16,
    pub attempt: u32,
    pub wallet_id: WalletId,
    pub hold_id: HoldId,
    pub held: Money,
    /// What the escrow takes of it: zero when it is given back.
    pub captured: Money,
}

/// One party's wallet in a case about settled money (MNY-36).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseLeg {
    /// Unique within its event; with the event's id it names the money in transit.
    pub leg: u16,
    pub party: LegParty,
    pub wallet_id: WalletId,
    pub hold_id: HoldId,
    pub amount: Money,
}

/// One party's part of a movement. Legs of zero are left out (MNY-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// Unique within its event; with the event's id it names the money in transit.
    pub leg: u16,
    pub party: LegParty,
    /// The wallet that must take it; none for what is booked at once (platform, tax, withholding).
    pub wallet_id: Option<WalletId>,
    pub amount: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum LegParty {
    Payee(PartyId),
    Tenant,
    Payer(PartyId),
    Platform,
    Tax,
    Withholding,
}

/// Which of the two balances the money leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MoneySource {
    Open,
    Contested,
}

/// Who let the money go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseMode {
    /// The platform, by hand.
    Platform,
    /// The rules, on a tenant's authorisation.
    Authorized,
    /// The rules, when the deadline came.
    Deadline,
    /// A decision about a dispute.
    Decision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    Release,
    Refund,
    Split,
}

/// Names money in transit: the event that gave it and the leg of that event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Landing {
    pub event_id: EventId,
    pub leg: u16,
}

impl Deadlines {
    /// The one that comes first: what `nextDeadline` shows (MNY-17).
    #[must_use]
    pub fn next(&self) -> Option<Deadline> {
        self.progress.into_iter().chain(self.dispute).min_by_key(|deadline| deadline.at)
    }
}

crate::domain_event!(EscrowEvent);

impl EscrowFact {
    /// The stored name, as documented in ESC-86.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "escrow.created",
            Self::FundingRequested { .. } => "escrow.funding_requested",
            Self::FundingFailed { .. } => "escrow.funding_failed",
            Self::FundingShort { .. } => "escrow.funding_short",
            Self::FundingReturned { .. } => "escrow.funding_returned",
            Self::Funded { .. } => "escrow.funded",
            Self::Locked => "escrow.locked",
            Self::WorkStarted { .. } => "escrow.work_started",
            Self::DeliverySubmitted { .. } => "escrow.delivery_submitted",
            Self::DeliveryApproved { .. } => "escrow.delivery_approved",
            Self::MadeReleasable { .. } => "escrow.made_releasable",
            Self::ReleaseAuthorized { .. } => "escrow.release_authorized",
            Self::PartiallyReleased { .. } => "escrow.partially_released",
            Self::Released { .. } => "escrow.released",
            Self::RefundRequested { .. } => "escrow.refund_requested",
            Self::RefundDeclined { .. } => "escrow.refund_declined",
            Self::Refunded { .. } => "escrow.refunded",
            Self::PenaltyTaken { .. } => "escrow.penalty_taken",
            Self::Cancelled { .. } => "escrow.cancelled",
            Self::Disputed { .. } => "escrow.disputed",
            Self::DisputeWidened { .. } => "escrow.dispute_widened",
            Self::DisputeConceded { .. } => "escrow.dispute_conceded",
            Self::EvidenceClosed { .. } => "escrow.evidence_closed",
            Self::DisputeEscalated { .. } => "escrow.dispute_escalated",
            Self::DisputeResolved { .. } => "escrow.dispute_resolved",
            Self::RedoOrdered { .. } => "escrow.redo_ordered",
            Self::DisputeDismissed { .. } => "escrow.dispute_dismissed",
            Self::DecisionDeclined { .. } => "escrow.decision_declined",
            Self::SettlementDisputed { .. } => "escrow.settlement_disputed",
            Self::CaseFrozen { .. } => "escrow.case_frozen",
            Self::SettledCaseReleased { .. } => "escrow.settled_case_released",
            Self::SettledCaseRefunded { .. } => "escrow.settled_case_refunded",
            Self::ContractSigned => "escrow.contract_signed",
            Self::StartMoved { .. } => "escrow.start_moved",
            Self::LegLanded { .. } => "escrow.leg_landed",
            Self::Closed { .. } => "escrow.closed",
        }
    }
}

impl StoredEvent for EscrowEvent {
    fn name(&self) -> &'static str {
        self.fact.name()
    }

    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        let row = |key: &str, deadline: Option<Deadline>| DeadlineChange { key: key.to_owned(), at: deadline.map(|deadline| deadline.at) };
        vec![row("progress", self.deadlines.progress), row("dispute", self.deadlines.dispute)]
    }

    fn personal(&self) -> Vec<&Sealed> {
        let values: [Option<&Personal<String>>; 2] = match &self.fact {
            EscrowFact::DeliverySubmitted { note, gps, .. } => [note.as_ref(), gps.as_ref()],
            EscrowFact::DeliveryApproved { note, .. } => [note.as_ref(), None],
            EscrowFact::Disputed { reason, .. } | EscrowFact::SettlementDisputed { reason, .. } => [reason.as_ref(), None],
            EscrowFact::DisputeResolved { rationale, .. }
            | EscrowFact::RedoOrdered { rationale, .. }
            | EscrowFact::DisputeDismissed { rationale, .. } => [rationale.as_ref(), None],
            EscrowFact::Created { .. }
            | EscrowFact::FundingRequested { .. }
            | EscrowFact::FundingFailed { .. }
            | EscrowFact::FundingShort { .. }
            | EscrowFact::FundingReturned { .. }
            | EscrowFact::Funded { .. }
            | EscrowFact::Locked
            | EscrowFact::WorkStarted { .. }
            | EscrowFact::MadeReleasable { .. }
            | EscrowFact::ReleaseAuthorized { .. }
            | EscrowFact::PartiallyReleased { .. }
            | EscrowFact::Released { .. }
            | EscrowFact::RefundRequested { .. }
            | EscrowFact::RefundDeclined { .. }
            | EscrowFact::Refunded { .. }
            | EscrowFact::PenaltyTaken { .. }
            | EscrowFact::Cancelled { .. }
            | EscrowFact::DisputeWidened { .. }
            | EscrowFact::DisputeConceded { .. }
            | EscrowFact::EvidenceClosed { .. }
            | EscrowFact::DisputeEscalated { .. }
            | EscrowFact::DecisionDeclined { .. }
            | EscrowFact::CaseFrozen { .. }
            | EscrowFact::SettledCaseReleased { .. }
            | EscrowFact::SettledCaseRefunded { .. }
            | EscrowFact::ContractSigned
            | EscrowFact::StartMoved { .. }
            | EscrowFact::LegLanded { .. }
            | EscrowFact::Closed { .. } => [None, None],
        };
        values.into_iter().flatten().map(Personal::sealed).collect()
    }
}
