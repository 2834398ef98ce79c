//! A read database of its own for each test, and histories to project into it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

mod contexts;
pub mod world;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use holdfast_domain::bank_receipt::BankReceiptEvent;
use holdfast_domain::dispute::CaseFacts;
use holdfast_domain::escrow::{
    Artifact, ArtifactKind, Deadline, DeadlineAction, Deadlines, DisputeKind, Entitlements, EscrowEvent, EscrowFact, EscrowStatus,
    FundingPart, FundingSource, Hat, Landing, Leg, LegParty, MoneySource, Outcome, Reference, ReleaseMode, Rules, Terms,
};
use holdfast_domain::kernel::{
    Actor, ActorKind, AssetId, BankReceiptId, ContractId, CorrelationId, DisputeId, EscrowId, EventId, HoldId, Metadata, MilestoneId,
    Money, PartyId, Personal, RequestId, Role, Sealed, TenantId, event_id,
};
use holdfast_domain::tenant::{PenaltyRule, TenantEvent, TenantSettings};
use holdfast_domain::wallet::{CreditPurpose, HoldPurpose, OwnerType, Place, WalletEvent, WalletFact, WalletOwner};
use holdfast_eventlog::db::{Pool, PoolSettings, migrate_write};
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};
use holdfast_eventlog::{EventLog, StoredEvent};
use holdfast_projections::personal::{KeyRef, Keys, KeysError, SubjectKey};
use holdfast_projections::runtime::Projector;
use holdfast_projections::{all_projections, migrate};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use uuid::Uuid;

pub struct Database {
    pub name: String,
    server: PgConnectOptions,
    pub admin: PgPool,
}

impl Database {
    pub async fn create() -> Self {
        let server: PgConnectOptions = server_url().parse().unwrap();
        let name = format!("projections_{}", Uuid::new_v4().simple());
        let maintenance = PgPool::connect_with(server.clone()).await.unwrap();
        maintenance.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        maintenance.close().await;
        let admin = PgPoolOptions::new().max_connections(3).connect_with(server.clone().database(&name)).await.unwrap();
        migrate(&admin).await.unwrap();
        Self { name, server, admin }
    }

    pub fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@{}:{}/{}", self.server.get_host(), self.server.get_port(), self.name)
    }

    pub async fn pool_as(&self, role: &str) -> Pool {
        let settings = PoolSettings { max_connections: 4, check_on_release: false, ..PoolSettings::default() };
        Pool::connect(&self.url_as(role), settings).await.unwrap()
    }

    pub async fn reader(&self) -> Pool {
        self.pool_as("holdfast_reader").await
    }

    pub async fn projector(&self, name: &str, keys: &TestKeys) -> Arc<Projector> {
        let projection = all_projections().into_iter().find(|projection| projection.name() == name).unwrap();
        Arc::new(Projector::new(projection, self.pool_as("holdfast_projector").await, Arc::new(keys.clone())))
    }

    /// Takes the whole history into all projections, in batches of `size`.
    pub async fn project(&self, history: &History, size: usize) {
        for projection in all_projections() {
            let projector = self.projector(projection.name(), &history.keys).await;
            feed(projector.as_ref(), history, size).await.unwrap();
        }
    }

    /// Every row of the table as text, in order of the primary key.
    pub async fn dump(&self, table: &str) -> Vec<String> {
        sqlx::query_scalar(&format!("SELECT t::text FROM {table} t ORDER BY 1")).fetch_all(&self.admin).await.unwrap()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.admin).await.unwrap()
    }

    pub async fn tables(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace
             AND relname <> '_sqlx_migrations' ORDER BY relname",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap()
    }
}

/// The write database of a test, beside its read database.
pub struct Log {
    pub admin: PgPool,
    name: String,
    server: PgConnectOptions,
}

impl Log {
    pub async fn create(database: &Database) -> Self {
        let name = format!("{}_log", database.name);
        sqlx::query(&format!("CREATE DATABASE {name}")).execute(&database.admin).await.unwrap();
        let server: PgConnectOptions = server_url().parse().unwrap();
        let admin = PgPoolOptions::new().max_connections(1).connect_with(server.clone().database(&name)).await.unwrap();
        migrate_write(&admin).await.unwrap();
        Self { admin, name, server }
    }

    pub async fn pool_as(&self, role: &str) -> Pool {
        let url = format!("postgres://{role}@{}:{}/{}", self.server.get_host(), self.server.get_port(), self.name);
        Pool::connect(&url, PoolSettings { max_connections: 2, ..PoolSettings::default() }).await.unwrap()
    }

    pub async fn events(&self, role: &str) -> EventLog {
        EventLog::new(self.pool_as(role).await)
    }

    pub async fn drop(self, database: &Database) {
        self.admin.close().await;
        sqlx::query(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).execute(&database.admin).await.unwrap();
    }
}

pub fn server_url() -> String {
    std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned())
}

/// Runs the test and drops its database, also when it fails.
pub async fn with<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Arc<Database>) -> F) {
    let database = Arc::new(Database::create().await);
    let outcome = tokio::spawn(test(database.clone())).await;
    database.admin.close().await;
    let maintenance = PgPool::connect(&server_url()).await.unwrap();
    maintenance.execute(format!("DROP DATABASE {} WITH (FORCE)", database.name).as_str()).await.unwrap();
    maintenance.close().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// From where the projector stands to the end of the history, as a subscription would.
pub async fn feed(projector: &Projector, history: &History, size: usize) -> Result<(), ConsumeError> {
    let mut at = projector.checkpoints().await?.get(&history.tenant).copied().unwrap_or_default();
    for batch in history.feed()[usize::try_from(at).unwrap()..].chunks(size) {
        projector.consume(history.tenant, at, batch).await?;
        at = batch.last().unwrap().position;
    }
    Ok(())
}

pub fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

pub fn party(n: u128) -> PartyId {
    PartyId(Uuid::from_u128(n))
}

pub fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub const PAYER: u128 = 0xA;
pub const PAYEE: u128 = 0xB;

/// Keys in memory; they can be out of order, and destroyed.
#[derive(Clone, Default)]
pub struct TestKeys {
    keys: Arc<Mutex<HashMap<KeyRef, SubjectKey>>>,
    down: Arc<AtomicBool>,
}

impl TestKeys {
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// The row is gone, and no tombstone says that this was meant.
    pub fn lose(&self, subject: PartyId) {
        self.keys.lock().unwrap().retain(|key, _| key.subject != subject);
    }

    pub fn destroy(&self, subject: PartyId) {
        for (key, value) in self.keys.lock().unwrap().iter_mut() {
            if key.subject == subject {
                *value = SubjectKey::Destroyed;
            }
        }
    }

    pub fn seal(&self, tenant_id: TenantId, subject: PartyId, text: &str) -> Personal<String> {
        Personal::from_sealed(self.seal_value(tenant_id, subject, &text.into()))
    }

    pub fn seal_value(&self, tenant_id: TenantId, subject: PartyId, value: &serde_json::Value) -> Sealed {
        let key = KeyRef { subject, key_id: subject.uuid() };
        let secret = [7_u8; 32];
        self.keys.lock().unwrap().entry(key).or_insert(SubjectKey::Live(secret));
        let mut nonce = [0_u8; 12];
        nonce.copy_from_slice(&Uuid::new_v4().as_bytes()[..12]);
        let aad = [tenant_id.uuid().as_bytes().as_slice(), subject.uuid().as_bytes(), key.key_id.as_bytes()].concat();
        let plain = serde_json::to_vec(value).unwrap();
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(secret));
        let ciphertext = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad }).unwrap();
        Sealed { subject, key_id: key.key_id, nonce: STANDARD.encode(nonce), ciphertext: STANDARD.encode(ciphertext) }
    }
}

impl Keys for TestKeys {
    fn load<'a>(&'a self, _: TenantId, wanted: &'a [KeyRef]) -> BoxFuture<'a, Result<HashMap<KeyRef, SubjectKey>, KeysError>> {
        Box::pin(async move {
            if self.down.load(Ordering::SeqCst) {
                return Err(KeysError::Database(sqlx::Error::PoolTimedOut));
            }
            let keys = self.keys.lock().unwrap();
            Ok(wanted.iter().filter_map(|key| Some((*key, *keys.get(key)?))).collect())
        })
    }
}

/// A tenant's log, written by hand.
pub struct History {
    pub tenant: TenantId,
    pub keys: TestKeys,
    pub events: Vec<StoredEvent>,
    sequences: HashMap<(&'static str, Uuid), i64>,
}

impl History {
    pub fn new(tenant: TenantId) -> Self {
        let mut history = Self { tenant, keys: TestKeys::default(), events: Vec::new(), sequences: HashMap::new() };
        let created = TenantEvent::Created { name: "Acme".into(), slug: "acme".into(), settings: TenantSettings::default() };
        history.push("tenant", tenant.uuid(), &created);
        history
    }

    pub fn feed(&self) -> Vec<Arc<FeedEvent>> {
        self.events.iter().map(|event| Arc::new(FeedEvent::new(event.clone()))).collect()
    }

    pub fn head(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap()
    }

    /// One second per position.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + self.head(), 123_456_000).unwrap()
    }

    pub fn push<E: cqrs_es::DomainEvent>(&mut self, aggregate_type: &'static str, id: Uuid, event: &E) -> EventId {
        let sequence = self.sequences.entry((aggregate_type, id)).or_default();
        *sequence += 1;
        let sequence = *sequence;
        let event_id = event_id(self.tenant, aggregate_type, id, sequence);
        let recorded_at = self.now();
        let metadata = Metadata {
            event_id,
            actor: Actor { id: party(PAYER), kind: ActorKind::User, roles: [Role::Finance].into(), amount_limits: Vec::new() },
            request_id: RequestId(Uuid::from_u128(1)),
            correlation_id: CorrelationId(Uuid::from_u128(2)),
            causation_id: None,
            hops: 0,
            occurred_at: recorded_at,
        };
        self.events.push(StoredEvent {
            tenant_id: self.tenant,
            position: self.head() + 1,
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: id,
            sequence,
            event_type: event.event_type(),
            event_version: event.event_version(),
            payload: serde_json::to_string(event).unwrap(),
            metadata: serde_json::to_string(&metadata).unwrap(),
            recorded_at,
        });
        event_id
    }

    pub fn owner(&self, owner_type: OwnerType, owner: u128, money: Money) -> WalletOwner {
        WalletOwner { owner_type, owner_id: party(owner), currency: money.currency() }
    }

    pub fn wallet(&mut self, owner: WalletOwner, fact: WalletFact) -> EventId {
        let id = owner.wallet_id(self.tenant).uuid();
        let at = self.now();
        if !self.sequences.contains_key(&("wallet", id)) {
            self.push("wallet", id, &WalletEvent { owner, at, fact: WalletFact::Opened });
        }
        self.push("wallet", id, &WalletEvent { owner, at, fact })
    }

    pub fn escrow(
        &mut self,
        id: u128,
        from: EscrowStatus,
        to: EscrowStatus,
        progress: Option<DeadlineAction>,
        fact: EscrowFact,
    ) -> EventId {
        let at = self.now();
        let progress = progress.map(|action| Deadline { at: at + TimeDelta::hours(48), action });
        let event = EscrowEvent { reference: reference(id), from, to, deadlines: Deadlines { progress, dispute: None }, at, fact };
        self.push("escrow", Uuid::from_u128(id), &event)
    }

    /// Money on the payer's wallet.
    pub fn deposit(&mut self, reference: u128, amount: Money) {
        let id = Uuid::from_u128(reference);
        let recorded = BankReceiptEvent::Recorded {
            bank_reference: reference.to_string(),
            amount,
            received_at: self.now(),
            payer_id: Some(party(PAYER)),
            escrow_id: None,
            remitter: Some(self.keys.seal(self.tenant, party(PAYER), "Ann Payer")),
        };
        let event_id = self.push("bank_receipt", id, &recorded);
        let purpose = CreditPurpose::BankReceipt { receipt_id: BankReceiptId(id), escrow_id: None };
        let landing = Landing { event_id, leg: 0 };
        let owner = self.owner(OwnerType::User, PAYER, amount);
        self.wallet(owner, WalletFact::Credited { amount, landing, to: Place::Available, purpose });
    }

    pub fn create(&mut self, id: u128, amount: Money) {
        let settings = TenantSettings::default();
        let entitlements = Entitlements::of(amount, settings.escrow.split, settings.escrow.tax).unwrap();
        let terms = Terms {
            tenant_id: self.tenant,
            escrow_id: EscrowId(Uuid::from_u128(id)),
            reference: reference(id),
            payer_id: party(PAYER),
            payee_id: party(PAYEE),
            amount,
            rules: Rules::of(&settings),
            entitlements,
            starts_at: None,
        };
        self.escrow(
            id,
            EscrowStatus::Unopened,
            EscrowStatus::Created,
            Some(DeadlineAction::Cancel),
            EscrowFact::Created { terms: Box::new(terms) },
        );
    }

    /// From the payer's wallet (MNY-07).
    pub fn fund(&mut self, id: u128, amount: Money) {
        use EscrowStatus::{Created, Funded, FundingPending};
        let owner = self.owner(OwnerType::User, PAYER, amount);
        let wallet_id = owner.wallet_id(self.tenant);
        let hold_id = HoldId(Uuid::from_u128(id ^ 0xF00D_0000));
        let requested = EscrowFact::FundingRequested {
            attempt: 1,
            source: FundingSource::Wallet,
            payer_id: party(PAYER),
            wallet_id,
            hold_id,
            missing: amount,
        };
        self.escrow(id, Created, FundingPending, Some(DeadlineAction::Cancel), requested);
        let purpose = HoldPurpose::EscrowFunding { escrow_id: EscrowId(Uuid::from_u128(id)), attempt: 1 };
        self.wallet(owner, WalletFact::HoldPlaced { hold_id, amount, purpose });
        let part = FundingPart { leg: 0, attempt: 1, wallet_id, hold_id, held: amount, captured: amount };
        let funded = EscrowFact::Funded { amount, parts: vec![part] };
        let event_id = self.escrow(id, FundingPending, Funded, Some(DeadlineAction::Refund), funded);
        let landing = Landing { event_id, leg: 0 };
        let released = Money::zero(amount.currency());
        self.wallet(owner, WalletFact::HoldCaptured { hold_id, captured: amount, released, landing, to: Place::Available });
    }

    pub fn work(&mut self, id: u128) {
        use EscrowStatus::{DeliverySubmitted, Funded, InProgress, Locked, Releasable};
        self.escrow(id, Funded, Locked, Some(DeadlineAction::Refund), EscrowFact::Locked);
        self.escrow(id, Locked, InProgress, Some(DeadlineAction::RaiseDispute), EscrowFact::WorkStarted { round: 1 });
        let delivered = EscrowFact::DeliverySubmitted {
            round: 1,
            artifacts: vec![Artifact { asset_id: AssetId(Uuid::from_u128(3)), kind: ArtifactKind::Media }],
            note: Some(self.keys.seal(self.tenant, party(PAYEE), "all done")),
            gps: None,
            dispute_window_ends_at: self.now() + TimeDelta::hours(48),
        };
        self.escrow(id, InProgress, DeliverySubmitted, Some(DeadlineAction::Approve), delivered);
        let approved = EscrowFact::DeliveryApproved { round: 1, automatic: false, note: None };
        self.escrow(id, DeliverySubmitted, Releasable, Some(DeadlineAction::Settle), approved);
    }

    /// Everything, to payee and platform; lands and closes.
    pub fn release(&mut self, id: u128, amount: Money) {
        use EscrowStatus::{Closed, Releasable, Released};
        let settings = TenantSettings::default();
        let [payee, _, platform, ..] =
            Entitlements::of(amount, settings.escrow.split, settings.escrow.tax).unwrap().money(amount.currency());
        let owner = self.owner(OwnerType::Talent, PAYEE, amount);
        let legs = vec![
            Leg { leg: 0, party: LegParty::Payee(party(PAYEE)), wallet_id: Some(owner.wallet_id(self.tenant)), amount: payee },
            Leg { leg: 1, party: LegParty::Platform, wallet_id: None, amount: platform },
        ];
        let clears_at = self.now();
        let released = EscrowFact::Released { source: MoneySource::Open, amount, mode: ReleaseMode::Platform, legs, clears_at };
        let event_id = self.escrow(id, Releasable, Released, None, released);
        let landing = Landing { event_id, leg: 0 };
        let purpose = CreditPurpose::EscrowRelease { escrow_id: EscrowId(Uuid::from_u128(id)) };
        let item = u32::try_from(id % 1000).unwrap();
        let pending = Place::Pending { item, clears_at };
        self.wallet(owner, WalletFact::Credited { amount: payee, landing, to: pending, purpose });
        self.wallet(owner, WalletFact::Cleared { item, amount: payee, to: Place::Available });
        self.escrow(id, Released, Released, None, EscrowFact::LegLanded { landing });
        self.escrow(id, Released, Closed, None, EscrowFact::Closed { outcome: Outcome::Settled });
    }

    pub fn dispute(&mut self, id: u128, contested: Money) {
        use EscrowStatus::{Disputed, Releasable};
        let disputed = EscrowFact::Disputed {
            dispute_id: DisputeId(Uuid::from_u128(id + 1)),
            case_no: 1,
            contested,
            kind: DisputeKind::Other,
            raised_by: party(PAYER),
            raised_as: Hat::Payer,
            reason: Some(self.keys.seal(self.tenant, party(PAYER), "not what we agreed")),
            case: Box::new(CaseFacts {
                escrow_id: EscrowId(Uuid::from_u128(id)),
                reference: reference(id),
                payer_id: party(PAYER),
                payee_id: party(PAYEE),
                tenant_is_party: false,
                penalty: PenaltyRule::default(),
                redos_left: 2,
                evidence_due_at: self.now(),
                after_settlement: false,
            }),
        };
        self.escrow(id, Releasable, Disputed, None, disputed);
    }

    /// One settled, one disputed, one waiting for money, one created.
    pub fn typical(tenant: TenantId) -> Self {
        let mut history = Self::new(tenant);
        history.deposit(0xBA1, eur("5000.00"));
        history.create(0xE1, eur("1000.00"));
        history.fund(0xE1, eur("1000.00"));
        history.create(0xE2, eur("250.50"));
        history.work(0xE1);
        history.fund(0xE2, eur("250.50"));
        history.release(0xE1, eur("1000.00"));
        history.work(0xE2);
        history.dispute(0xE2, eur("250.50"));
        history.create(0xE3, eur("7.00"));
        history
    }
}

pub fn reference(id: u128) -> Reference {
    Reference {
        contract_id: ContractId(Uuid::from_u128(0xC0)),
        milestone_id: Some(MilestoneId(Uuid::from_u128(id + 0xC000))),
        booking_id: None,
        sponsorship_order_id: None,
    }
}
