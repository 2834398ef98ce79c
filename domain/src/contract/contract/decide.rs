//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

use super::error::MAX_SIGNERS;
use super::milestones::divided;
use super::{
    Artifact, Contract, ContractAction, ContractCommand, ContractError, ContractEvent, ContractFact, ContractStatus, ContractVersion,
    CreateContract, ESignProvider, Envelope, EscrowMark, NewMilestone, NewSigner, Signature, SignatureMethod, Signer,
};
use crate::kernel::{Context, EscrowId, MilestoneId, Personal, SignerId};

use ContractStatus::{Draft, PartiallySigned, Sent, Signed, Unopened, Void};

type Decided = Result<Vec<ContractEvent>, ContractError>;

impl Contract {
    pub(super) fn decide(&self, command: ContractCommand, context: &Context) -> Decided {
        let (action, system) = (command.action(), context.actor.is_system());
        if action.is_total() {
            if !system {
                return Err(ContractError::NotPermitted);
            }
            if self.status == Unopened {
                return Ok(Vec::new());
            }
        } else if system && self.needs_nothing(action) {
            return Ok(Vec::new());
        } else if !(system && action == ContractAction::Void && self.status == Unopened) {
            self.allow(action)?;
        }
        match command {
            ContractCommand::Create(wanted) => self.create(*wanted, context),
            ContractCommand::Edit { version, milestones } => self.edit(version, milestones, context),
            ContractCommand::AddSigner(wanted) => self.add_signer(wanted, context),
            ContractCommand::Send { message } => self.send(message, context),
            ContractCommand::Sign { signer_id, signature } => self.sign(signer_id, signature, context),
            ContractCommand::Void { reason } => Ok(vec![self.void(reason, context)]),
            ContractCommand::ReachMilestone { milestone_id, evidence } => self.reach(milestone_id, evidence, context),
            ContractCommand::RecordEnvelope { provider, envelope_id } => Ok(self.record_envelope(provider, envelope_id, context)),
            ContractCommand::StoreArtifact(artifact) => Ok(self.store(artifact, context)),
            ContractCommand::RecordEscrow { escrow_id, milestone_id, mark } => {
                Ok(self.record_escrow(escrow_id, milestone_id, mark, context))
            }
        }
    }

    /// What the machinery asks for although it is so already, or can no longer be so: a booking that was cancelled before
    /// its contract was made, a second cancellation, a cancellation after the last signature.
    fn needs_nothing(&self, action: ContractAction) -> bool {
        match action {
            ContractAction::Create => self.status == Void && self.contract_id.is_none(),
            ContractAction::Void => matches!(self.status, Void | Signed),
            ContractAction::Edit
            | ContractAction::AddSigner
            | ContractAction::Send
            | ContractAction::Sign
            | ContractAction::ReachMilestone
            | ContractAction::RecordEnvelope
            | ContractAction::StoreArtifact
            | ContractAction::RecordEscrow => false,
        }
    }

    fn allow(&self, action: ContractAction) -> Result<(), ContractError> {
        let status = self.status;
        if status.allows(action) {
            return Ok(());
        }
        Err(match action {
            ContractAction::Create => ContractError::Exists,
            _ if status == Unopened => ContractError::NotFound,
            ContractAction::Edit | ContractAction::AddSigner => ContractError::NotDraft { status },
            ContractAction::Void => ContractError::NotVoidable { status },
            ContractAction::Send
            | ContractAction::Sign
            | ContractAction::ReachMilestone
            | ContractAction::RecordEnvelope
            | ContractAction::StoreArtifact
            | ContractAction::RecordEscrow => ContractError::NotAllowed { status, action },
        })
    }

    /// CTR-30.
    fn create(&self, wanted: CreateContract, context: &Context) -> Decided {
        let CreateContract { contract_id, terms, mut version, milestones, signers, send } = wanted;
        version.number = 1;
        let sent = ContractFact::Sent {
            version: version.number,
            hash: version.hash.clone(),
            provider: context.settings.contract.signing_provider,
            message: None,
        };
        let milestones = divided(milestones, context)?;
        let mut events = vec![moved(Unopened, Draft, context, ContractFact::Created { contract_id, terms, version, milestones })];
        let mut known = Vec::new();
        for wanted in signers {
            let signer = new_signer(wanted, &known)?;
            events.push(moved(Draft, Draft, context, ContractFact::SignerAdded { signer: signer.clone() }));
            known.push(signer);
        }
        if send {
            if known.is_empty() {
                return Err(ContractError::NoSigners);
            }
            events.push(moved(Draft, Sent, context, sent));
        }
        Ok(events)
    }

    /// CTR-19, CTR-43, MNY-06.
    fn edit(&self, mut version: ContractVersion, milestones: Option<Vec<NewMilestone>>, context: &Context) -> Decided {
        let mut outdated_escrows = Vec::new();
        if milestones.is_some() {
            let underway = self.escrows_at(EscrowMark::Underway);
            if !underway.is_empty() {
                return Err(ContractError::HasEscrow { escrow_ids: underway });
            }
            outdated_escrows = self.escrows_at(EscrowMark::Created);
        }
        version.number = self.versions.last().map_or(1, |last| last.number + 1);
        let milestones = milestones.map(|wanted| divided(wanted, context)).transpose()?;
        Ok(vec![self.stays(context, ContractFact::Edited { version, milestones, outdated_escrows })])
    }

    /// CTR-23.
    fn add_signer(&self, wanted: NewSigner, context: &Context) -> Decided {
        let known: Vec<Signer> = self.signers.iter().map(|entry| entry.signer.clone()).collect();
        let signer = new_signer(wanted, &known)?;
        Ok(vec![self.stays(context, ContractFact::SignerAdded { signer })])
    }

    /// CTR-32.
    fn send(&self, message: Option<Personal<String>>, context: &Context) -> Decided {
        if self.signers.is_empty() {
            return Err(ContractError::NoSigners);
        }
        let version = self.current_version().ok_or(ContractError::NotFound)?;
        let provider = context.settings.contract.signing_provider;
        let fact = ContractFact::Sent { version: version.number, hash: version.hash.clone(), provider, message };
        Ok(vec![moved(Draft, Sent, context, fact)])
    }

    /// CTR-33, CTR-34.
    fn sign(&self, signer_id: SignerId, signature: Box<Signature>, context: &Context) -> Decided {
        let entry = self.signers.iter().find(|entry| entry.signer.signer_id == signer_id).ok_or(ContractError::NotASigner)?;
        let by_provider = matches!(signature.method, SignatureMethod::Provider { .. });
        if by_provider != context.actor.is_system() || (!by_provider && entry.signer.subject() != context.actor.id) {
            return Err(ContractError::NotASigner);
        }
        if entry.signature.is_some() {
            // A provider may say it more than once.
            return if by_provider { Ok(Vec::new()) } else { Err(ContractError::AlreadySigned) };
        }
        if !by_provider && self.provider != ESignProvider::InApp {
            return Err(ContractError::SignedAtProvider { provider: self.provider });
        }
        // A provider keeps the order itself, and its messages may arrive in another.
        if !by_provider && !self.is_turn_of(&entry.signer) {
            return Err(ContractError::NotYourTurn);
        }
        let version = self.current_version().ok_or(ContractError::NotFound)?;
        if signature.document_hash != version.hash {
            return Err(ContractError::DocumentChanged { hash: version.hash.clone() });
        }
        let others_signed = self.signers.iter().all(|entry| entry.signer.signer_id == signer_id || entry.signature.is_some());
        let fact = ContractFact::SignatureRecorded { signer_id, party_id: entry.signer.party_id, signature };
        let mut events = vec![moved(self.status, PartiallySigned, context, fact)];
        if others_signed {
            let signed = ContractFact::Signed {
                version: version.number,
                hash: version.hash.clone(),
                booking_id: self.booking_id(),
                escrows: self.live_escrows(context.tenant_id),
            };
            events.push(moved(PartiallySigned, Signed, context, signed));
        }
        Ok(events)
    }

    /// CTR-35.
    fn void(&self, reason: String, context: &Context) -> ContractEvent {
        let escrows = self.live_escrows(context.tenant_id);
        let fact = ContractFact::Voided { reason, booking_id: self.booking_id(), escrows, envelope: self.envelope.clone() };
        moved(self.status, Void, context, fact)
    }

    /// CTR-26.
    fn reach(&self, milestone_id: MilestoneId, evidence: Option<Personal<String>>, context: &Context) -> Decided {
        let milestone = self.milestone(milestone_id).ok_or(ContractError::MilestoneNotFound)?;
        if milestone.reached_at.is_some() {
            return Err(ContractError::MilestoneAlreadyReached);
        }
        Ok(vec![self.stays(context, ContractFact::MilestoneReached { milestone_id, evidence })])
    }

    fn record_envelope(&self, provider: ESignProvider, envelope_id: String, context: &Context) -> Vec<ContractEvent> {
        if self.envelope.is_some() {
            return Vec::new();
        }
        vec![self.stays(context, ContractFact::EnvelopeCreated { envelope: Envelope { provider, envelope_id } })]
    }

    fn store(&self, artifact: Artifact, context: &Context) -> Vec<ContractEvent> {
        if self.artifacts.contains(&artifact) {
            return Vec::new();
        }
        vec![self.stays(context, ContractFact::ArtifactStored { artifact })]
    }

    /// A mark that is not news changes nothing; one that skips the beginning makes up for it.
    fn record_escrow(
        &self,
        escrow_id: EscrowId,
        milestone_id: Option<MilestoneId>,
        mark: EscrowMark,
        context: &Context,
    ) -> Vec<ContractEvent> {
        let known = self.escrows.get(&escrow_id).map(|escrow| escrow.mark);
        let mut events = Vec::new();
        if known.is_none() {
            let signed = self.status == Signed;
            events.push(self.stays(context, ContractFact::EscrowLinked { escrow_id, milestone_id, signed }));
        }
        if mark > known.unwrap_or(EscrowMark::Created) {
            events.push(self.stays(context, ContractFact::EscrowMoved { escrow_id, mark }));
        }
        events
    }

    fn stays(&self, context: &Context, fact: ContractFact) -> ContractEvent {
        moved(self.status, self.status, context, fact)
    }
}

fn moved(from: ContractStatus, to: ContractStatus, context: &Context, fact: ContractFact) -> ContractEvent {
    ContractEvent { from, to, at: context.now, fact }
}

fn new_signer(wanted: NewSigner, known: &[Signer]) -> Result<Signer, ContractError> {
    let NewSigner { signer_id, party_id, party_type, name, email, order } = wanted;
    if party_id.is_none() && email.is_none() {
        return Err(ContractError::SignerUnreachable);
    }
    let signer = Signer { signer_id, party_id, party_type, name, email, order };
    if known.iter().any(|other| other.signer_id == signer_id || other.subject() == signer.subject()) {
        return Err(ContractError::SignerExists);
    }
    if known.len() >= MAX_SIGNERS {
        return Err(ContractError::TooManySigners);
    }
    Ok(signer)
}
