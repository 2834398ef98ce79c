//! The state machine as data (ESC-30..48): every legal move, and who may ask for it (ESC-50).

use serde::Serialize;

use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    EscrowStatus {
        /// Not created yet: the honest default.
        #[default]
        Unopened = "unopened",
        Created = "created",
        FundingPending = "funding_pending",
        Funded = "funded",
        Locked = "locked",
        InProgress = "in_progress",
        DeliverySubmitted = "delivery_submitted",
        Releasable = "releasable",
        PartialReleased = "partial_released",
        /// All that remains is contested; while some of it is open, the status stays that of the open part (MNY-27).
        Disputed = "disputed",
        Released = "released",
        ResolvedRelease = "resolved_release",
        ResolvedRefund = "resolved_refund",
        ResolvedSplit = "resolved_split",
        Refunded = "refunded",
        Cancelled = "cancelled",
        Closed = "closed",
    }
}

named! {
    /// How it ended, over its whole life (MNY-29).
    #[derive(schemars::JsonSchema)]
    Outcome {
        Settled = "settled",
        Refunded = "refunded",
        Split = "split",
        Cancelled = "cancelled",
        ChargedBack = "charged_back",
    }
}

named! {
    /// What can be asked; one column of the machine each.
    #[derive(schemars::JsonSchema)]
    EscrowAction {
        Create = "create",
        Fund = "fund",
        AcceptFunding = "accept_funding",
        FailFunding = "fail_funding",
        Lock = "lock",
        StartWork = "start_work",
        SubmitDelivery = "submit_delivery",
        Approve = "approve",
        MakeReleasable = "make_releasable",
        Release = "release",
        ReleasePartial = "release_partial",
        Refund = "refund",
        DeclineRefund = "decline_refund",
        Cancel = "cancel",
        Dispute = "dispute",
        WidenDispute = "widen_dispute",
        ResolveRelease = "resolve_release",
        ResolveRefund = "resolve_refund",
        ResolveSplit = "resolve_split",
        Redo = "redo",
        Dismiss = "dismiss",
        Concede = "concede",
        WithdrawDispute = "withdraw_dispute",
        MeetDeadline = "meet_deadline",
        RecordLanding = "record_landing",
        RecordCaseFrozen = "record_case_frozen",
        RecordContractSigned = "record_contract_signed",
        EndAgreement = "end_agreement",
        RecordStartMoved = "record_start_moved",
        EscalateDispute = "escalate_dispute",
        Enforce = "enforce",
    }
}

named! {
    /// In which role somebody acts on this escrow: a question of who they are here, not of capabilities (ESC-50).
    #[derive(schemars::JsonSchema)]
    Hat {
        /// The payee: talent, organizer. The tenant's staff where the tenant itself is the payee.
        Talent = "talent",
        /// Who pays: brand, sponsor. The tenant's staff where the tenant itself pays.
        Payer = "payer",
        /// Staff of the tenant.
        Tenant = "tenant",
        /// Staff of the platform operator.
        Platform = "platform",
        /// Reactions and deadlines.
        System = "system",
    }
}

use EscrowAction::*;
use EscrowStatus::*;

/// Every legal move: (asked in this status, for this, ends here). Source: docs/domain/escrow.md, "Lifecycle".
///
/// A pair without a row is refused. A command that takes several steps has a row for its whole way and one for each step.
/// Not listed: what every status answers ([`EscrowAction::is_total`]) and leaves the status as it is.
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(EscrowStatus, EscrowAction, EscrowStatus)] = &[
    // Creation and funding: ESC-30..32, ESC-37, MNY-07, MNY-10, MNY-15
    (Unopened,          Create,          Created),
    (Created,           Fund,            FundingPending),
    (Created,           AcceptFunding,   FundingPending),
    (Created,           AcceptFunding,   Funded),
    (Created,           Cancel,          Cancelled),
    (Created,           Refund,          Cancelled),
    (Created,           EndAgreement,    Cancelled),
    (FundingPending,    Fund,            FundingPending),
    (FundingPending,    AcceptFunding,   FundingPending),
    (FundingPending,    AcceptFunding,   Funded),
    (FundingPending,    FailFunding,     Created),
    (FundingPending,    FailFunding,     FundingPending),
    (FundingPending,    Cancel,          Cancelled),
    (FundingPending,    Refund,          Cancelled),
    (FundingPending,    EndAgreement,    Cancelled),

    // A signed contract stands for the delivery where none is required: CTR-44, ESC-39
    (Created,           AcceptFunding,   Releasable),
    (FundingPending,    AcceptFunding,   Releasable),
    (Funded,            RecordContractSigned, Releasable),
    (Funded,            DeclineRefund,   Releasable),
    (Locked,            RecordContractSigned, Releasable),
    (Locked,            DeclineRefund,   Releasable),

    // Before the work: ESC-33, ESC-34, ESC-36, MNY-14
    (Funded,            Lock,            Locked),
    (Funded,            StartWork,       InProgress),
    (Funded,            Cancel,          Funded),
    (Funded,            Cancel,          Refunded),
    (Funded,            DeclineRefund,   Funded),
    (Funded,            Refund,          Refunded),
    (Funded,            EndAgreement,    Refunded),
    (Locked,            StartWork,       InProgress),
    (Locked,            Cancel,          Locked),
    (Locked,            Cancel,          Refunded),
    (Locked,            DeclineRefund,   Locked),
    (Locked,            Refund,          Refunded),
    (Locked,            EndAgreement,    Refunded),

    // Work, approval, release: ESC-35, ESC-38..42, ESC-49, MNY-28
    (Locked,            MakeReleasable,  Releasable),
    (Locked,            Approve,         Released),
    (Locked,            Release,         Released),
    (InProgress,        SubmitDelivery,  DeliverySubmitted),
    (DeliverySubmitted, Approve,         Releasable),
    (Releasable,        Release,         Released),
    (Releasable,        Release,         Disputed),
    (Releasable,        ReleasePartial,  PartialReleased),
    (Releasable,        ReleasePartial,  Released),
    (Releasable,        ReleasePartial,  Disputed),
    (PartialReleased,   Release,         Released),
    (PartialReleased,   Release,         Disputed),
    (PartialReleased,   ReleasePartial,  PartialReleased),
    (PartialReleased,   ReleasePartial,  Released),
    (PartialReleased,   ReleasePartial,  Disputed),

    // Disputes over everything, or over a part beside an open one: ESC-43, MNY-26, MNY-27
    (Funded,            Dispute,         Disputed),
    (Locked,            Dispute,         Disputed),
    (InProgress,        Dispute,         Disputed),
    (DeliverySubmitted, Dispute,         DeliverySubmitted),
    (DeliverySubmitted, Dispute,         Disputed),
    (DeliverySubmitted, WidenDispute,    DeliverySubmitted),
    (DeliverySubmitted, WidenDispute,    Disputed),
    (Releasable,        Dispute,         Releasable),
    (Releasable,        Dispute,         Disputed),
    (Releasable,        WidenDispute,    Releasable),
    (Releasable,        WidenDispute,    Disputed),
    (PartialReleased,   Dispute,         PartialReleased),
    (PartialReleased,   Dispute,         Disputed),
    (PartialReleased,   WidenDispute,    PartialReleased),
    (PartialReleased,   WidenDispute,    Disputed),

    // The agreement ended after the work had begun: MNY-06
    (InProgress,        EndAgreement,    Disputed),
    (DeliverySubmitted, EndAgreement,    Disputed),
    (Releasable,        EndAgreement,    Disputed),
    (PartialReleased,   EndAgreement,    Disputed),

    // Decisions: ESC-44..46, MNY-29, MNY-34. Resolved only when nothing remains; else the status stays
    (Disputed,          ResolveRelease,  ResolvedRelease),
    (Disputed,          ResolveRelease,  ResolvedSplit),
    (Disputed,          ResolveRefund,   ResolvedRefund),
    (Disputed,          ResolveRefund,   ResolvedSplit),
    (Disputed,          ResolveSplit,    ResolvedRelease),
    (Disputed,          ResolveSplit,    ResolvedRefund),
    (Disputed,          ResolveSplit,    ResolvedSplit),
    (Disputed,          Concede,         Disputed),
    (Disputed,          Concede,         ResolvedRefund),
    (Disputed,          Concede,         ResolvedSplit),
    (DeliverySubmitted, ResolveRelease,  DeliverySubmitted),
    (DeliverySubmitted, ResolveRefund,   DeliverySubmitted),
    (DeliverySubmitted, ResolveSplit,    DeliverySubmitted),
    (DeliverySubmitted, Concede,         DeliverySubmitted),
    (Releasable,        ResolveRelease,  Releasable),
    (Releasable,        ResolveRefund,   Releasable),
    (Releasable,        ResolveSplit,    Releasable),
    (Releasable,        Concede,         Releasable),
    (PartialReleased,   ResolveRelease,  PartialReleased),
    (PartialReleased,   ResolveRefund,   PartialReleased),
    (PartialReleased,   ResolveSplit,    PartialReleased),
    (PartialReleased,   Concede,         PartialReleased),

    // Redo: ESC-47, MNY-31
    (Disputed,          Redo,            InProgress),
    (DeliverySubmitted, Redo,            InProgress),
    (Releasable,        Redo,            InProgress),
    (PartialReleased,   Redo,            InProgress),

    // Dismissed or withdrawn: ESC-48, MNY-32. Back to the state of the open part, or to the state before
    (Disputed,          Dismiss,         Funded),
    (Disputed,          Dismiss,         Locked),
    (Disputed,          Dismiss,         InProgress),
    (Disputed,          Dismiss,         DeliverySubmitted),
    (Disputed,          Dismiss,         Releasable),
    (Disputed,          Dismiss,         PartialReleased),
    (DeliverySubmitted, Dismiss,         DeliverySubmitted),
    (Releasable,        Dismiss,         Releasable),
    (PartialReleased,   Dismiss,         PartialReleased),
    (Disputed,          WithdrawDispute, Funded),
    (Disputed,          WithdrawDispute, Locked),
    (Disputed,          WithdrawDispute, InProgress),
    (Disputed,          WithdrawDispute, DeliverySubmitted),
    (Disputed,          WithdrawDispute, Releasable),
    (Disputed,          WithdrawDispute, PartialReleased),
    (DeliverySubmitted, WithdrawDispute, DeliverySubmitted),
    (Releasable,        WithdrawDispute, Releasable),
    (PartialReleased,   WithdrawDispute, PartialReleased),

    // Every leg has landed: MNY-01
    (Released,          RecordLanding,   Closed),
    (ResolvedRelease,   RecordLanding,   Closed),
    (ResolvedRefund,    RecordLanding,   Closed),
    (ResolvedSplit,     RecordLanding,   Closed),
    (Refunded,          RecordLanding,   Closed),

    // Settled money, where it landed: MNY-36
    (Closed,            Dispute,         Closed),
    (Closed,            ResolveRelease,  Closed),
    (Closed,            ResolveRefund,   Closed),
    (Closed,            ResolveSplit,    Closed),
    (Closed,            Dismiss,         Closed),
    (Closed,            WithdrawDispute, Closed),
];

use Hat::{Payer, Platform, System, Talent, Tenant};

/// Who may ask for what (ESC-50, ESC-50a..f), by precedence: somebody with several hats acts in the first that counts.
///
/// The tenant counts as payer or talent where it is that party itself. Narrower, in `permit.rs`: whoever is on the payee's
/// side never approves or releases; a payer approves only where it is the tenant; a party's side decides no dispute.
#[rustfmt::skip]
pub const MATRIX: &[(EscrowAction, &[Hat])] = &[
    (Create,          &[Tenant, Platform, System]),
    (Fund,            &[Payer, System]),
    (AcceptFunding,   &[System]),
    (FailFunding,     &[System]),
    (Lock,            &[Tenant, Platform, System]),
    (StartWork,       &[Tenant, System]),
    (SubmitDelivery,  &[Talent]),
    (Approve,         &[Platform, System, Tenant, Payer]),
    (MakeReleasable,  &[Platform, System, Tenant]),
    (Release,         &[Platform, System, Tenant]),
    (ReleasePartial,  &[Platform, System, Tenant]),
    (Refund,          &[Platform, System]),
    (DeclineRefund,   &[Platform]),
    (Cancel,          &[Tenant, Platform, System]),
    (Dispute,         &[Talent, Payer, Tenant, System]),
    (WidenDispute,    &[Talent, Payer, Tenant, System]),
    (ResolveRelease,  &[Platform, Tenant]),
    (ResolveRefund,   &[Platform, Tenant]),
    (ResolveSplit,    &[Platform, Tenant]),
    (Redo,            &[Platform, Tenant]),
    (Dismiss,         &[Platform, Tenant]),
    (Concede,         &[Talent]),
    (WithdrawDispute, &[Talent, Payer, Tenant]),
    (MeetDeadline,    &[System]),
    (RecordLanding,   &[System]),
    (RecordCaseFrozen, &[System]),
    (RecordContractSigned, &[System]),
    (EndAgreement,    &[System]),
    (RecordStartMoved, &[System]),
    (EscalateDispute, &[System]),
    (Enforce,         &[Platform, Tenant, Talent, Payer, System]),
];

impl EscrowAction {
    /// Reports by the machinery about money in flight and time that has passed: every status answers them, if only by
    /// doing nothing or by giving the money back (protocols: total commands).
    #[must_use]
    pub const fn is_total(self) -> bool {
        matches!(self, AcceptFunding | FailFunding | MeetDeadline | RecordLanding | RecordCaseFrozen) || self.is_moot_without_escrow()
    }

    /// News of a contract, a booking or a case that may name an escrow that was never made: then nothing happens.
    #[must_use]
    pub const fn is_moot_without_escrow(self) -> bool {
        matches!(self, RecordContractSigned | EndAgreement | RecordStartMoved | EscalateDispute | Enforce)
    }

    /// The row of [`MATRIX`].
    #[must_use]
    pub fn hats(self) -> &'static [Hat] {
        MATRIX.iter().find(|(action, _)| *action == self).map_or(&[], |(_, hats)| hats)
    }
}

impl EscrowStatus {
    /// True when `action` has a row from here, or is answered everywhere.
    #[must_use]
    pub fn allows(self, action: EscrowAction) -> bool {
        (action.is_total() && (self != Unopened || action.is_moot_without_escrow()))
            || crate::kernel::find_transition(TRANSITIONS, self, action).next().is_some()
    }

    /// True when an event of `action` may lead from here to `to`. A step that stays needs no row of its own.
    #[must_use]
    pub fn leads_to(self, action: EscrowAction, to: Self) -> bool {
        let stays = self == to && self.allows(action);
        stays || crate::kernel::find_transition(TRANSITIONS, self, action).any(|next| next == to)
    }

    /// The money has been decided about for good; only legs may still be in transit.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Released | ResolvedRelease | ResolvedRefund | ResolvedSplit | Refunded | Cancelled | Closed)
    }

    /// The names that the three source vocabularies use for this (ESC-49). `outcome` tells closed ones apart.
    #[must_use]
    pub fn legacy_status(self, outcome: Option<Outcome>) -> LegacyStatus {
        let refunded = outcome == Some(Outcome::Refunded);
        let (list, flow, short) = match self {
            Unopened => (None, None, None),
            Created => (Some("created"), Some("CREATED"), Some("pending")),
            FundingPending => (Some("funding_pending"), Some("AWAITING_PAYMENT"), Some("pending")),
            Funded => (Some("funded"), Some("ESCROW_FUNDED"), Some("funded")),
            Locked => (Some("locked"), Some("ESCROW_FUNDED"), Some("locked")),
            InProgress => (Some("locked"), Some("IN_PROGRESS"), Some("locked")),
            DeliverySubmitted => (Some("locked"), Some("DELIVERY_SUBMITTED"), Some("locked")),
            Releasable => (Some("releasable"), Some("DELIVERY_APPROVED"), Some("locked")),
            PartialReleased => (Some("partial_released"), Some("PARTIAL_SETTLEMENT"), None),
            Disputed => (Some("disputed"), Some("IN_DISPUTE"), Some("disputed")),
            Released => (Some("released"), Some("SETTLED"), Some("released")),
            ResolvedRelease => (Some("resolved_release"), Some("SETTLED"), Some("released")),
            ResolvedRefund => (Some("resolved_refund"), Some("REFUNDED"), Some("refunded")),
            ResolvedSplit => (Some("resolved_split"), Some("SETTLED"), Some("released")),
            Refunded => (None, Some("REFUNDED"), Some("refunded")),
            Cancelled => (Some("cancelled"), None, Some("refunded")),
            Closed if refunded => (Some("closed"), Some("REFUNDED"), Some("refunded")),
            Closed => (Some("closed"), Some("SETTLED"), Some("released")),
        };
        LegacyStatus { list, flow, short }
    }
}

/// One status in the words of the sources; none where they have no word for it (ESC-49).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyStatus {
    /// A: lifecycle list, transition list, code.
    pub list: Option<&'static str>,
    /// A: working flow, developer reference.
    pub flow: Option<&'static str>,
    /// C.
    pub short: Option<&'static str>,
}
