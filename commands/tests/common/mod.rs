//! A write database of its own per test, and processes that write to it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

mod proxy;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Utc;
use holdfast_commands::reaction::Reactor;
use holdfast_commands::{Accepted, Clock, DeadlineTracker, IdempotencyKey, KeyOwner, Refusal, Request, WriterSettings, Writers};
use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptCommand, bank_receipt_id};
use holdfast_domain::kernel::*;
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantSettings};
use holdfast_domain::wallet::{OwnerType, WalletOwner};
use holdfast_eventlog::subscription::{Consumer, FeedEvent};
use holdfast_eventlog::{EventLog, StoredEvent, StreamId, db};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

pub use proxy::Proxy;

pub struct World {
    pub admin: PgConnectOptions,
    pub name: String,
    pub tenant_id: TenantId,
}

impl World {
    /// A fresh database with one active tenant.
    pub async fn new() -> Self {
        Self::with(TenantSettings::default()).await
    }

    pub async fn with(settings: TenantSettings) -> Self {
        let url = std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned());
        let admin: PgConnectOptions = url.parse().unwrap();
        let name = format!("commands_{}", Uuid::new_v4().simple());
        let pool = PgPoolOptions::new().max_connections(1).connect_with(admin.clone()).await.unwrap();
        sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&pool).await.unwrap();
        pool.close().await;
        let admin = admin.database(&name);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(admin.clone()).await.unwrap();
        db::migrate_write(&pool).await.unwrap();
        pool.close().await;
        let world = Self { admin, name, tenant_id: TenantId(Uuid::now_v7()) };
        let writers = world.process().await;
        let command = TenantCommand::Create { name: "Test".to_owned(), slug: "test".to_owned(), settings };
        world.send::<Tenant>(&writers, world.tenant_id.uuid(), command, platform(), None).await.unwrap();
        world
    }

    pub async fn pool(&self, role: &str) -> db::Pool {
        self.pool_at(role, self.admin.get_port()).await
    }

    async fn pool_at(&self, role: &str, port: u16) -> db::Pool {
        let url = format!("postgres://{role}@{}:{port}/{}", self.admin.get_host(), self.name);
        db::Pool::connect(&url, db::PoolSettings::default()).await.unwrap()
    }

    /// Loses answers on the way to the server.
    pub async fn proxy(&self) -> Proxy {
        Proxy::to((self.admin.get_host().to_owned(), self.admin.get_port())).await
    }

    /// A process that reaches the server through `proxy`.
    pub async fn process_behind(&self, proxy: &Proxy) -> Writers {
        let log = EventLog::new(self.pool_at("holdfast_writer", proxy.port).await);
        Writers::start(&log, Clock::default(), &WriterSettings { writers: 1, ..WriterSettings::default() })
    }

    pub async fn log(&self) -> EventLog {
        EventLog::new(self.pool("holdfast_writer").await)
    }

    /// A process of its own: connections, cache and writers that nobody else shares.
    pub async fn process(&self) -> Writers {
        self.process_with(Clock::default()).await
    }

    pub async fn process_with(&self, clock: Clock) -> Writers {
        Writers::start(&self.log().await, clock, &WriterSettings { writers: 2, ..WriterSettings::default() })
    }

    pub fn request<A: TenantAggregate>(&self, id: Uuid, command: A::Command, actor: Actor, key: Option<IdempotencyKey>) -> Request<A> {
        Request {
            tenant_id: self.tenant_id,
            aggregate_id: id,
            command,
            actor,
            request_id: RequestId(Uuid::now_v7()),
            correlation_id: CorrelationId(Uuid::now_v7()),
            causation_id: None,
            hops: 0,
            key,
            if_match: None,
            not_before: None,
        }
    }

    pub async fn send<A: TenantAggregate>(
        &self,
        writers: &Writers,
        id: Uuid,
        command: A::Command,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refusal> {
        writers.execute(self.request::<A>(id, command, actor, key)).await
    }

    /// Runs reactions and the deadline tracker until they stand at the head.
    pub async fn settle(&self, writers: &Writers) {
        let pool = self.pool("holdfast_reactor").await;
        let log = EventLog::new(pool.clone());
        let consumers: Vec<Arc<dyn Consumer>> =
            vec![Arc::new(Reactor::new(log.clone(), pool.clone(), writers.clone())), Arc::new(DeadlineTracker::new(pool))];
        loop {
            let mut moved = false;
            for consumer in &consumers {
                moved |= self.catch_up(&log, consumer.as_ref()).await;
            }
            if !moved {
                return;
            }
        }
    }

    pub async fn catch_up(&self, log: &EventLog, consumer: &dyn Consumer) -> bool {
        let at = consumer.checkpoints().await.unwrap().get(&self.tenant_id).copied().unwrap_or(0);
        let events: Vec<_> =
            log.read(self.tenant_id, at, 500).await.unwrap().into_iter().map(|event| Arc::new(FeedEvent::new(event))).collect();
        if events.is_empty() {
            return false;
        }
        consumer.consume(self.tenant_id, at, &events).await.unwrap();
        true
    }

    /// Puts money into a payer's wallet: a bank receipt and its reaction.
    pub async fn fill(&self, writers: &Writers, payer: PartyId, amount: Money) {
        let reference = Uuid::new_v4().to_string();
        let command = BankReceiptCommand::Record {
            bank_reference: reference.clone(),
            amount,
            received_at: Utc::now(),
            payer_id: Some(payer),
            escrow_id: None,
            remitter: None,
        };
        self.send::<BankReceipt>(writers, bank_receipt_id(self.tenant_id, &reference).uuid(), command, platform(), None).await.unwrap();
        self.settle(writers).await;
    }

    pub async fn events(&self) -> Vec<StoredEvent> {
        self.log().await.read(self.tenant_id, 0, 100_000).await.unwrap()
    }

    pub async fn stream_events(&self, aggregate_type: &'static str, id: Uuid) -> Vec<StoredEvent> {
        let stream = StreamId { tenant_id: self.tenant_id, aggregate_type, aggregate_id: id };
        self.log().await.read_stream(stream, 0, 100_000).await.unwrap()
    }

    pub async fn count(&self, event_type: &str) -> usize {
        self.events().await.iter().filter(|event| event.event_type == event_type).count()
    }

    /// Balance per account of everything in the log, by the ledger's own rules.
    pub async fn book(&self) -> HashMap<(String, String, String), i128> {
        let mut book = HashMap::new();
        for stored in self.events().await {
            let event = stored.decode().unwrap();
            if let Some(entry) = holdfast_domain::ledger::post(&event.origin, &event.event).unwrap() {
                for line in entry.lines() {
                    let account = (
                        line.account.code.code().to_owned(),
                        line.account.owner_id.unwrap_or_default().to_string(),
                        line.account.detail.clone(),
                    );
                    *book.entry(account).or_default() += line.signed_minor();
                }
            }
        }
        book
    }

    /// Positions 1..n and every stream's sequences 1..n, without gap (invariant 2).
    pub async fn assert_gapless(&self) {
        let mut streams = HashMap::<(String, Uuid), i64>::new();
        for (at, event) in (1..).zip(self.events().await) {
            assert_eq!(event.position, at);
            let version = streams.entry((event.aggregate_type.clone(), event.aggregate_id)).or_default();
            *version += 1;
            assert_eq!(event.sequence, *version);
        }
    }
}

pub fn key(actor: &Actor, key: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { owner: KeyOwner::Actor(actor.id), key: key.to_owned(), request_hash: key.as_bytes().to_vec() })
}

pub fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

pub fn user(id: PartyId, roles: &[Role]) -> Actor {
    Actor { id, kind: ActorKind::User, roles: roles.iter().copied().collect(), amount_limits: Vec::new() }
}

pub fn platform() -> Actor {
    user(PartyId(Uuid::from_u128(0x99)), &[Role::PlatformAdmin])
}

pub fn staff() -> Actor {
    user(PartyId(Uuid::from_u128(0x77)), &[Role::TenantAdmin])
}

pub fn owner(owner_type: OwnerType, owner_id: PartyId) -> WalletOwner {
    WalletOwner { owner_type, owner_id, currency: "EUR".parse().unwrap() }
}
