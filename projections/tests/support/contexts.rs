//! Something in every context, decided by the aggregates themselves: no table of the read models stays empty.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use cqrs_es::test::TestFramework;
use holdfast_domain::asset::{Announce, Asset, AssetCommand, AssetOwner, OwnerType as AssetOwnerType};
use holdfast_domain::booking::{Booking, BookingCommand, CreateBooking, Slot};
use holdfast_domain::contract::{
    Clause, ClauseCommand, Contract, ContractCommand, ContractTerms, ContractVersion, CreateContract, NewSigner, PartyType, Template,
    TemplateCommand, TemplateStatus, clause_id, document_hash,
};
use holdfast_domain::credits::{Credits, CreditsCommand, CreditsOwner};
use holdfast_domain::dispute::{CaseFacts, Dispute, DisputeCommand, OpenCase};
use holdfast_domain::escrow::{DisputeKind, Hat};
use holdfast_domain::event::EventOf;
use holdfast_domain::job::{Job, JobCommand, JobContent};
use holdfast_domain::kernel::*;
use holdfast_domain::person::{ErasureReason, Person, PersonCommand};
use holdfast_domain::session::{RevocationReason, Session, SessionCommand};
use holdfast_domain::tenant::{PenaltyRule, TenantSettings, TransferSettings};
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand};
use serde_json::json;
use uuid::Uuid;

use super::{History, PAYEE, PAYER, eur, party, reference};

impl History {
    /// [`History::typical`], and at least one row in every table.
    pub fn of_everything(tenant: TenantId) -> Self {
        let mut history = Self::typical(tenant);
        history.work_and_contracts();
        history.case_with_evidence();
        history.credits_and_a_transfer();
        history.an_erasure();
        history.a_session_that_ended();
        history
    }

    fn work_and_contracts(&mut self) {
        let (payer, talent) = (party(PAYER), party(PAYEE));
        let (job_id, booking_id) = (JobId(Uuid::from_u128(0x10B)), BookingId(Uuid::from_u128(0xB0)));
        let start = self.now() + TimeDelta::days(30);
        let content = JobContent {
            title: "Runway show".into(),
            brief: Some(json!({"roles": ["model"]})),
            budget: None,
            location: None,
            start_ts: Some(start),
            end_ts: Some(start + TimeDelta::days(1)),
        };
        self.decide::<Job>(job_id.0, JobCommand::Create { job_id, content }, Role::Ops);
        self.decide::<Job>(job_id.0, JobCommand::Publish, Role::Ops);
        self.decide::<Job>(job_id.0, JobCommand::AddSubmission { talent_id: talent, notes: None }, Role::Ops);
        let from = chrono::DateTime::<Utc>::from_timestamp(1_900_000_800, 0).unwrap();
        let create = CreateBooking {
            booking_id,
            job_id,
            talent_id: talent,
            payer_id: payer,
            slot: Slot { from, to: from + TimeDelta::hours(2) },
            location: Some(self.keys.seal(self.tenant, talent, "Hall 2")),
            terms: json!({}),
            price: eur("100.00"),
        };
        self.decide::<Booking>(booking_id.0, BookingCommand::Create(Box::new(create)), Role::Ops);

        let template = TemplateCommand::Create {
            name: "Short".into(),
            body_md: "# Agreement".into(),
            variables: Vec::new(),
            status: TemplateStatus::Published,
        };
        self.decide::<Template>(Uuid::from_u128(0x7E), template, Role::TenantAdmin);
        let clause = ClauseCommand::Create { key: "rain".into(), title: "Rain".into(), body_md: "It may rain.".into(), tags: Vec::new() };
        self.decide::<Clause>(clause_id(self.tenant, "rain").0, clause, Role::TenantAdmin);
        let contract_id = ContractId(Uuid::from_u128(0xC1));
        let version = ContractVersion {
            number: 1,
            title: "Agreement".into(),
            body: self.keys.seal(self.tenant, PartyId(contract_id.0), "# Agreement"),
            variables: None,
            hash: document_hash("# Agreement"),
        };
        let signer = NewSigner {
            signer_id: SignerId(Uuid::from_u128(0x51)),
            party_id: Some(payer),
            party_type: PartyType::Payer,
            name: Some(self.keys.seal(self.tenant, payer, "Ann Payer")),
            email: None,
            order: None,
        };
        let terms = ContractTerms { job_id: Some(job_id), booking_id: None, template: None, payer_id: Some(payer), payee_id: Some(talent) };
        let create = CreateContract { contract_id, terms, version, milestones: Vec::new(), signers: vec![signer], send: false };
        self.decide::<Contract>(contract_id.0, ContractCommand::Create(Box::new(create)), Role::TenantAdmin);
    }

    fn case_with_evidence(&mut self) {
        let dispute_id = DisputeId(Uuid::from_u128(0xE3));
        let facts = CaseFacts {
            escrow_id: EscrowId(Uuid::from_u128(0xE2)),
            reference: reference(0xE2),
            payer_id: party(PAYER),
            payee_id: party(PAYEE),
            tenant_is_party: false,
            penalty: PenaltyRule::default(),
            redos_left: 2,
            evidence_due_at: self.now() + TimeDelta::days(3),
            after_settlement: false,
        };
        let open = OpenCase {
            dispute_id,
            case_no: 1,
            facts,
            contested: eur("250.50"),
            kind: DisputeKind::Other,
            raised_by: party(PAYER),
            raised_as: Hat::Payer,
            reason: Some(self.keys.seal(self.tenant, party(PAYER), "not what we agreed")),
        };
        self.decide_by_system::<Dispute>(dispute_id.0, DisputeCommand::Open(Box::new(open)));
        let asset_id = AssetId(Uuid::from_u128(0xA55E7));
        let announce = Announce {
            owner: AssetOwner { owner_type: AssetOwnerType::DisputeEvidence, owner_id: dispute_id.0 },
            kind: "photo".to_owned().try_into().unwrap(),
            mime: "image/png".into(),
            size: 70,
            file_name: Some(self.keys.seal(self.tenant, party(PAYER), "seen.png")),
            shared_with: Vec::new(),
            expires_at: self.now() + TimeDelta::minutes(15),
        };
        self.decide::<Asset>(asset_id.0, AssetCommand::Announce(Box::new(announce)), Role::Payer);
        let note = Some(self.keys.seal(self.tenant, party(PAYER), "what I saw"));
        let evidence = DisputeCommand::AddEvidence { asset_id, sha256: document_hash("x"), mime: "image/png".into(), size: 70, note };
        self.decide::<Dispute>(dispute_id.0, evidence, Role::Payer);
    }

    fn credits_and_a_transfer(&mut self) {
        let owner = CreditsOwner { owner_type: OwnerType::User, owner_id: party(PAYER) };
        let issue = CreditsCommand::Issue { owner, units: 10, expires_at: None, reason: "welcome".into() };
        self.decide::<Credits>(owner.credits_id(self.tenant).0, issue, Role::TenantAdmin);
        let (from, to) = (self.owner(OwnerType::User, PAYER, eur("1.00")), self.owner(OwnerType::Talent, PAYEE, eur("1.00")));
        let to_wallet_id = to.wallet_id(self.tenant);
        let transfer = WalletCommand::Transfer { amount: eur("1.00"), to_wallet_id, to, reason: "bonus".into() };
        self.decide::<Wallet>(from.wallet_id(self.tenant).0, transfer, Role::PlatformFinance);
    }

    /// Of somebody of whom nothing else is told.
    fn an_erasure(&mut self) {
        let subject = PartyId(Uuid::from_u128(0xE4A5));
        let erase = PersonCommand::Erase { subject, reason: ErasureReason::PersonRequest };
        self.decide::<Person>(subject.0, erase, Role::TenantAdmin);
    }

    fn a_session_that_ended(&mut self) {
        let revoke = SessionCommand::Revoke { reason: RevocationReason::DeviceLost };
        self.decide::<Session>(Uuid::from_u128(0x5E55), revoke, Role::TenantAdmin);
    }

    fn decide<A: EventOf>(&mut self, id: Uuid, command: A::Command, role: Role) {
        let actor = Actor { id: party(PAYER), kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() };
        self.decide_as::<A>(id, command, actor);
    }

    fn decide_by_system<A: EventOf>(&mut self, id: Uuid, command: A::Command) {
        self.decide_as::<A>(id, command, Actor::system(PartyId(Uuid::nil())));
    }

    /// Every transfer needs a second person, so that one waits.
    fn decide_as<A: EventOf>(&mut self, id: Uuid, command: A::Command, actor: Actor) {
        let settings = TenantSettings { transfer: TransferSettings { approval_above_minor: Some(0) }, ..TenantSettings::default() };
        let context = Context { tenant_id: self.tenant, actor, now: self.now(), settings: Arc::new(settings) };
        let own = self.events.iter().filter(|event| event.aggregate_type == A::TYPE && event.aggregate_id == id);
        let given: Vec<A::Event> = own.map(|event| event.decode().unwrap().event.of::<A>().unwrap().clone()).collect();
        // The framework blocks on a runtime of its own, which a test's runtime does not like.
        let decide = || TestFramework::<A>::with(context).given(given).when(command).inspect_result();
        let decided = std::thread::scope(|scope| scope.spawn(decide).join()).unwrap();
        assert!(decided.is_ok(), "{}: {:?}", A::TYPE, decided.err().map(|refusal| refusal.to_string()));
        let events = decided.unwrap_or_default();
        assert!(!events.is_empty(), "{} did nothing", A::TYPE);
        for event in &events {
            self.push(A::TYPE, id, event);
        }
    }
}
