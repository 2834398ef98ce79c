//! Who acts, and contracts in every state.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use crate::contract::*;
use crate::kernel::*;
use crate::tenant::TenantSettings;

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(1));
pub(super) const CONTRACT: ContractId = ContractId(Uuid::from_u128(0xc));
pub(super) const PAYER: PartyId = PartyId(Uuid::from_u128(4));
pub(super) const TALENT: PartyId = PartyId(Uuid::from_u128(5));
pub(super) const PAYER_SIGNS: SignerId = SignerId(Uuid::from_u128(0x51));
pub(super) const TALENT_SIGNS: SignerId = SignerId(Uuid::from_u128(0x52));
pub(super) const ESCROW: EscrowId = EscrowId(Uuid::from_u128(0xe));
pub(super) const HASH: &str = "0b5b4a7a15ea5cf9cbee4d5b9a9c9d1f9a0e0e8c2b3c7a1f0d9e8c7b6a594837";

pub(super) fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

/// A sealed value: the domain never looks inside.
pub(super) fn sealed<T>(text: &str) -> Personal<T> {
    let key_id = Uuid::from_u128(0x77);
    Personal::from_sealed(Sealed { subject: PartyId(CONTRACT.0), key_id, nonce: "n".to_owned(), ciphertext: text.to_owned() })
}

pub(super) fn context(actor: Actor, settings: TenantSettings) -> Context {
    Context { tenant_id: TENANT, actor, now: now(), settings: Arc::new(settings) }
}

pub(super) fn user(id: PartyId) -> Context {
    let actor = Actor { id, kind: ActorKind::User, roles: [Role::Casting].into(), amount_limits: Vec::new() };
    context(actor, TenantSettings::default())
}

pub(super) fn staff() -> Context {
    user(PartyId(Uuid::from_u128(9)))
}

pub(super) fn system() -> Context {
    context(Actor::system(PartyId(Uuid::nil())), TenantSettings::default())
}

pub(super) fn at_provider() -> Context {
    let mut settings = TenantSettings::default();
    settings.contract.signing_provider = ESignProvider::Sandbox;
    context(staff().actor, settings)
}

pub(super) fn version() -> ContractVersion {
    let (body, variables) = (sealed("body"), Some(sealed("variables")));
    ContractVersion { number: 0, title: "Shooting".to_owned(), body, variables, hash: HASH.to_owned() }
}

pub(super) fn terms() -> ContractTerms {
    ContractTerms { job_id: None, booking_id: None, template: None, payer_id: Some(PAYER), payee_id: Some(TALENT) }
}

pub(super) fn create() -> CreateContract {
    CreateContract { contract_id: CONTRACT, terms: terms(), version: version(), milestones: Vec::new(), signers: Vec::new(), send: false }
}

pub(super) fn milestone(number: u128, amount: &str) -> NewMilestone {
    let milestone_id = MilestoneId(Uuid::from_u128(0x1000 + number));
    NewMilestone { milestone_id, title: format!("Part {number}"), amount: eur(amount), due_at: None, conditions: None }
}

pub(super) fn signer(signer_id: SignerId, party_id: Option<PartyId>, order: Option<u32>) -> NewSigner {
    NewSigner { signer_id, party_id, party_type: PartyType::Other, name: None, email: party_id.is_none().then(|| sealed("mail")), order }
}

pub(super) fn signature(hash: &str) -> Box<Signature> {
    let (typed_name, consent) = (sealed("Ada"), "I agree.".to_owned());
    let (document_hash, method) = (hash.to_owned(), SignatureMethod::InApp);
    Box::new(Signature { typed_name, consent, ip: Some(sealed("ip")), user_agent: None, document_hash, method })
}

pub(super) fn sign(signer_id: SignerId) -> ContractCommand {
    ContractCommand::Sign { signer_id, signature: signature(HASH) }
}

pub(super) fn provider_signs(signer_id: SignerId) -> ContractCommand {
    let mut signature = signature(HASH);
    let (envelope_id, provider_event_id) = ("env-1".to_owned(), "evt-1".to_owned());
    signature.method = SignatureMethod::Provider { provider: ESignProvider::Sandbox, envelope_id, provider_event_id };
    ContractCommand::Sign { signer_id, signature }
}

pub(super) fn send() -> ContractCommand {
    ContractCommand::Send { message: None }
}

pub(super) fn void() -> ContractCommand {
    ContractCommand::Void { reason: "superseded".to_owned() }
}

pub(super) fn mark(escrow_id: EscrowId, mark: EscrowMark) -> ContractCommand {
    ContractCommand::RecordEscrow { escrow_id, milestone_id: None, mark }
}

pub(super) fn artifact(sha256: &str) -> Artifact {
    let (storage_key, mime) = ("contracts/signed.pdf".to_owned(), "application/pdf".to_owned());
    Artifact { kind: ArtifactKind::SignedPdf, storage_key, sha256: sha256.to_owned(), size: 10, mime }
}

/// A contract and its history.
#[derive(Clone, Default)]
pub(super) struct Case {
    pub(super) events: Vec<ContractEvent>,
}

impl Case {
    /// Signed by the payer first, then by the talent.
    pub(super) fn in_status(status: ContractStatus) -> Self {
        let mut case = Self::default();
        let steps: Vec<(Context, ContractCommand)> = vec![
            (staff(), ContractCommand::Create(Box::new(CreateContract { milestones: vec![milestone(1, "10")], ..create() }))),
            (staff(), ContractCommand::AddSigner(signer(PAYER_SIGNS, Some(PAYER), Some(1)))),
            (staff(), ContractCommand::AddSigner(signer(TALENT_SIGNS, Some(TALENT), Some(2)))),
            (staff(), send()),
            (user(PAYER), sign(PAYER_SIGNS)),
            (user(TALENT), sign(TALENT_SIGNS)),
        ];
        let count = match status {
            ContractStatus::Unopened => 0,
            ContractStatus::Draft | ContractStatus::Void => 3,
            ContractStatus::Sent => 4,
            ContractStatus::PartiallySigned => 5,
            ContractStatus::Signed => 6,
        };
        for (context, command) in steps.into_iter().take(count) {
            case.ok(context, command);
        }
        if status == ContractStatus::Void {
            case.ok(staff(), void());
        }
        assert_eq!(case.contract().contract_status(), status);
        case
    }

    pub(super) fn contract(&self) -> Contract {
        let mut contract = Contract::default();
        for event in &self.events {
            contract.apply(event.clone());
        }
        contract
    }

    pub(super) fn decide(&self, context: Context, command: ContractCommand) -> Result<Vec<ContractEvent>, ContractError> {
        TestFramework::<Contract>::with(context).given(self.events.clone()).when(command).inspect_result()
    }

    /// Decided, applied, and their names.
    pub(super) fn ok(&mut self, context: Context, command: ContractCommand) -> Vec<&'static str> {
        let events = self.decide(context, command).unwrap();
        self.events.extend(events.clone());
        events.iter().map(StoredEvent::name).collect()
    }

    pub(super) fn refused(&self, context: Context, command: ContractCommand) -> (ErrorKind, &'static str) {
        self.decide(context, command).unwrap_err().describe()
    }

    pub(super) fn last(&self) -> &ContractFact {
        &self.events.last().unwrap().fact
    }
}

pub(super) fn later() -> DateTime<Utc> {
    now() + TimeDelta::days(30)
}
