//! The case's machine as data (DSP-20..26): every legal move, and who may ask for it.

use crate::escrow::Hat;
use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    DisputeStatus {
        /// Before the first event.
        #[default]
        Unopened = "unopened",
        Opened = "opened",
        Evidence = "evidence",
        Review = "review",
        DecisionPending = "decision_pending",
        /// Decided, not enforced yet.
        Decided = "decided",
        Closed = "closed",
    }
}

named! {
    /// What can be asked; one column of the machine each.
    #[derive(schemars::JsonSchema)]
    DisputeAction {
        Open = "open",
        AddEvidence = "add_evidence",
        Assign = "assign",
        RequestDecision = "request_decision",
        Decide = "decide",
        Close = "close",
        Escalate = "escalate",
        RecordWidened = "record_widened",
        RecordConceded = "record_conceded",
        RecordEvidenceClosed = "record_evidence_closed",
        RecordEscalated = "record_escalated",
        RecordOutcome = "record_outcome",
        RecordDeclined = "record_declined",
    }
}

use DisputeAction::*;
use DisputeStatus::*;

/// Every legal move: (asked in this status, for this, ends here). Source: docs/domain/dispute.md, "Lifecycle".
///
/// Not listed: what every status answers ([`DisputeAction::is_total`]) and leaves the status as it is.
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(DisputeStatus, DisputeAction, DisputeStatus)] = &[
    // DSP-20
    (Unopened,        Open,            Opened),

    // DSP-21: accepted until a decision is made, if its time is not over
    (Opened,          AddEvidence,     Evidence),
    (Evidence,        AddEvidence,     Evidence),
    (Review,          AddEvidence,     Review),
    (DecisionPending, AddEvidence,     DecisionPending),

    // DSP-22: the first resolver starts the review; another one takes it over
    (Opened,          Assign,          Review),
    (Evidence,        Assign,          Review),
    (Review,          Assign,          Review),
    (DecisionPending, Assign,          DecisionPending),

    // DSP-23, DSP-24
    (Review,          RequestDecision, DecisionPending),
    (Review,          Decide,          Decided),
    (DecisionPending, Decide,          Decided),

    // DSP-26: a decider closes it without a review
    (Opened,          Close,           Decided),
    (Evidence,        Close,           Decided),
    (Review,          Close,           Decided),
    (DecisionPending, Close,           Decided),

    // DSP-17
    (Opened,          Escalate,        Opened),
    (Evidence,        Escalate,        Evidence),
    (Review,          Escalate,        Review),
    (DecisionPending, Escalate,        DecisionPending),

    // DSP-25, DSP-26, DSP-41: the escrow has carried it out; withdrawn or conceded, that may come at any time
    (Opened,          RecordOutcome,   Closed),
    (Evidence,        RecordOutcome,   Closed),
    (Review,          RecordOutcome,   Closed),
    (DecisionPending, RecordOutcome,   Closed),
    (Decided,         RecordOutcome,   Closed),
    (Decided,         RecordDeclined,  Review),
];

use Hat::{Payer, Platform, System, Talent, Tenant};

/// Who may ask for what, by precedence: somebody with several hats acts in the first that counts. Narrower, in
/// `permit.rs`: a party's side neither assigns nor decides; parties escalate when the tenant has had its time.
#[rustfmt::skip]
pub const MATRIX: &[(DisputeAction, &[Hat])] = &[
    (Open,                 &[System]),
    (AddEvidence,          &[Talent, Payer, Tenant, Platform]),
    (Assign,               &[Platform, Tenant]),
    (RequestDecision,      &[Platform, Tenant]),
    (Decide,               &[Platform, Tenant]),
    (Close,                &[Platform, Tenant]),
    (Escalate,             &[Tenant, Talent, Payer]),
    (RecordWidened,        &[System]),
    (RecordConceded,       &[System]),
    (RecordEvidenceClosed, &[System]),
    (RecordEscalated,      &[System]),
    (RecordOutcome,        &[System]),
    (RecordDeclined,       &[System]),
];

impl DisputeAction {
    /// News from the escrow: every status answers it, if only by doing nothing (protocols: total commands).
    #[must_use]
    pub const fn is_total(self) -> bool {
        matches!(self, Open | RecordWidened | RecordConceded | RecordEvidenceClosed | RecordEscalated | RecordOutcome | RecordDeclined)
    }

    /// The row of [`MATRIX`].
    #[must_use]
    pub fn hats(self) -> &'static [Hat] {
        MATRIX.iter().find(|(action, _)| *action == self).map_or(&[], |(_, hats)| hats)
    }
}

impl DisputeStatus {
    /// True when `action` has a row from here, or is answered everywhere.
    #[must_use]
    pub fn allows(self, action: DisputeAction) -> bool {
        action.is_total() || crate::kernel::find_transition(TRANSITIONS, self, action).next().is_some()
    }

    /// True when an event of `action` may lead from here to `to`.
    #[must_use]
    pub fn leads_to(self, action: DisputeAction, to: Self) -> bool {
        let stays = self == to && action.is_total();
        stays || crate::kernel::find_transition(TRANSITIONS, self, action).any(|next| next == to)
    }

    /// The short list of the sources: the two states around a decision are one (DSP-27).
    #[must_use]
    pub const fn stage(self) -> &'static str {
        match self {
            Self::DecisionPending | Self::Decided => "decision",
            Self::Unopened | Self::Opened | Self::Evidence | Self::Review | Self::Closed => self.as_str(),
        }
    }
}
