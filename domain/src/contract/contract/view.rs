//! What others may ask a contract.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    Artifact, ArtifactKind, Contract, ContractStatus, ContractTerms, ContractVersion, ESignProvider, Envelope, EscrowMark, LinkedEscrow,
    Milestone, Signer, SignerEntry, VersionMark,
};
use crate::kernel::{BookingId, ContractId, EscrowId, MilestoneId, PartyId, Personal, SignerId, TenantId, derived_uuid};
use crate::named;

named! {
    /// CTR-07, as readers see it.
    #[derive(schemars::JsonSchema)]
    MilestoneStatus {
        Pending = "pending",
        Reached = "reached",
        /// Its escrow has ended after it was reached.
        Settled = "settled",
        /// The contract is void.
        Cancelled = "cancelled",
    }
}

impl Contract {
    #[must_use]
    pub fn contract_status(&self) -> ContractStatus {
        self.status
    }

    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.status == ContractStatus::Signed
    }

    /// None before it is created.
    #[must_use]
    pub fn contract_id(&self) -> Option<ContractId> {
        self.contract_id
    }

    #[must_use]
    pub fn terms(&self) -> Option<&ContractTerms> {
        self.terms.as_ref()
    }

    #[must_use]
    pub fn payer_id(&self) -> Option<PartyId> {
        self.terms.as_ref()?.payer_id
    }

    #[must_use]
    pub fn payee_id(&self) -> Option<PartyId> {
        self.terms.as_ref()?.payee_id
    }

    #[must_use]
    pub fn booking_id(&self) -> Option<BookingId> {
        self.terms.as_ref()?.booking_id
    }

    /// The text as it stands; frozen once it is sent (CTR-43).
    #[must_use]
    pub fn current_version(&self) -> Option<&ContractVersion> {
        self.current.as_ref()
    }

    /// All versions in their order.
    #[must_use]
    pub fn versions(&self) -> &[VersionMark] {
        &self.versions
    }

    #[must_use]
    pub fn signers(&self) -> &[SignerEntry] {
        &self.signers
    }

    #[must_use]
    pub fn signer(&self, signer_id: SignerId) -> Option<&SignerEntry> {
        self.signers.iter().find(|entry| entry.signer.signer_id == signer_id)
    }

    /// The signer as whom this party signs.
    #[must_use]
    pub fn signer_of(&self, party_id: PartyId) -> Option<&SignerEntry> {
        self.signers.iter().find(|entry| entry.signer.subject() == party_id)
    }

    /// Everybody with a lower number has signed; a signer without a number may always.
    #[must_use]
    pub fn is_turn_of(&self, signer: &Signer) -> bool {
        let Some(order) = signer.order else { return true };
        self.signers.iter().all(|entry| entry.signature.is_some() || entry.signer.order.is_none_or(|other| other >= order))
    }

    #[must_use]
    pub fn milestones(&self) -> &[Milestone] {
        &self.milestones
    }

    #[must_use]
    pub fn milestone(&self, milestone_id: MilestoneId) -> Option<&Milestone> {
        self.milestones.iter().find(|milestone| milestone.milestone_id == milestone_id)
    }

    #[must_use]
    pub fn milestone_status(&self, milestone: &Milestone) -> MilestoneStatus {
        let ended =
            self.escrows.values().any(|escrow| escrow.milestone_id == Some(milestone.milestone_id) && escrow.mark == EscrowMark::Ended);
        match (milestone.reached_at, ended) {
            _ if self.status == ContractStatus::Void => MilestoneStatus::Cancelled,
            (Some(_), true) => MilestoneStatus::Settled,
            (Some(_), false) => MilestoneStatus::Reached,
            (None, _) => MilestoneStatus::Pending,
        }
    }

    /// At most one of each kind: the one that was stored last.
    #[must_use]
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    #[must_use]
    pub fn artifact(&self, kind: ArtifactKind) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.kind == kind)
    }

    /// Who takes the signatures, since it was sent.
    #[must_use]
    pub fn provider(&self) -> ESignProvider {
        self.provider
    }

    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// What was said to the signers.
    #[must_use]
    pub fn message(&self) -> Option<&Personal<String>> {
        self.message.as_ref()
    }

    #[must_use]
    pub fn void_reason(&self) -> Option<&str> {
        self.void_reason.as_deref()
    }

    #[must_use]
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }

    #[must_use]
    pub fn sent_at(&self) -> Option<DateTime<Utc>> {
        self.sent_at
    }

    #[must_use]
    pub fn signed_at(&self) -> Option<DateTime<Utc>> {
        self.signed_at
    }

    #[must_use]
    pub fn voided_at(&self) -> Option<DateTime<Utc>> {
        self.voided_at
    }

    /// Escrows that name this contract, as far as it has heard.
    #[must_use]
    pub fn escrows(&self) -> &BTreeMap<EscrowId, LinkedEscrow> {
        &self.escrows
    }

    pub(super) fn escrows_at(&self, mark: EscrowMark) -> Vec<EscrowId> {
        self.escrows.iter().filter(|(_, escrow)| escrow.mark == mark).map(|(id, _)| *id).collect()
    }

    /// Escrows that stand on this contract and have not ended; with the one that acceptance of the booking makes, of which
    /// the contract may not have heard yet.
    pub(super) fn live_escrows(&self, tenant_id: TenantId) -> Vec<EscrowId> {
        let mut live: BTreeSet<EscrowId> = self.escrows_at(EscrowMark::Created).into_iter().collect();
        live.extend(self.escrows_at(EscrowMark::Underway));
        live.extend(self.escrow_of_booking(tenant_id).filter(|id| !self.escrows.contains_key(id)));
        live.into_iter().collect()
    }

    /// Ids of what acceptance of a booking makes follow from it (`BookingParties`).
    fn escrow_of_booking(&self, tenant_id: TenantId) -> Option<EscrowId> {
        let booking = self.booking_id()?.uuid();
        let by_acceptance = self.contract_id?.uuid() == derived_uuid(tenant_id, booking, "contract", 0);
        by_acceptance.then(|| EscrowId(derived_uuid(tenant_id, booking, "escrow", 0)))
    }
}
