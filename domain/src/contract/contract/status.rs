//! The contract's states and moves as data (CTR-30..36, CNF-12).

use crate::kernel::find_transition;
use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    ContractStatus {
        /// Before the first event.
        #[default]
        Unopened = "unopened",
        Draft = "draft",
        Sent = "sent",
        PartiallySigned = "partially_signed",
        Signed = "signed",
        Void = "void",
    }
}

named! {
    /// What can be asked.
    #[derive(schemars::JsonSchema)]
    ContractAction {
        Create = "create",
        Edit = "edit",
        AddSigner = "add_signer",
        Send = "send",
        Sign = "sign",
        Void = "void",
        ReachMilestone = "reach_milestone",
        RecordEnvelope = "record_envelope",
        StoreArtifact = "store_artifact",
        RecordEscrow = "record_escrow",
    }
}

use ContractAction::{AddSigner, Create, Edit, ReachMilestone, RecordEnvelope, RecordEscrow, Send, Sign, StoreArtifact, Void as DoVoid};
use ContractStatus::{Draft, PartiallySigned, Sent, Signed, Unopened, Void};

/// Every legal move; a pair that is not listed is refused. The total actions stay where they are.
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(ContractStatus, ContractAction, ContractStatus)] = &[
    (Unopened,        Create,         Draft),
    (Draft,           Edit,           Draft),
    (Draft,           AddSigner,      Draft),
    (Draft,           Send,           Sent),
    (Sent,            Sign,           PartiallySigned),
    (Sent,            Sign,           Signed),
    (PartiallySigned, Sign,           PartiallySigned),
    (PartiallySigned, Sign,           Signed),
    (Draft,           DoVoid,         Void),
    (Sent,            DoVoid,         Void),
    (PartiallySigned, DoVoid,         Void),
    (Signed,          ReachMilestone, Signed),
];

impl ContractAction {
    /// Reports of what has happened elsewhere: taken in every state, and without a word where there is no contract.
    #[must_use]
    pub const fn is_total(self) -> bool {
        matches!(self, RecordEnvelope | StoreArtifact | RecordEscrow)
    }
}

impl ContractStatus {
    #[must_use]
    pub fn allows(self, action: ContractAction) -> bool {
        (action.is_total() && self != Unopened) || find_transition(TRANSITIONS, self, action).next().is_some()
    }
}
