//! A server of its own per test: both databases, writers, reactions, projections, HTTP. No NATS.

#![allow(unreachable_pub, reason = "shared by test files")]

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use holdfast_api::auth::{Issuer, Keyring, RevocationPolicy, Revocations, Subject, TokenPolicy, now_s};
use holdfast_api::health::Check;
use holdfast_api::payment_sessions::NoProvider;
use holdfast_api::server::{self, Parts, ServerConfig};
use holdfast_api::{CommandSide, InFlightLimits, PerActor, Push, QuerySide, StreamLimits, WebhookSecrets};
use holdfast_commands::personal::Sealer;
use holdfast_commands::reaction::Reactor;
use holdfast_commands::{Clock, Request, WriterSettings, Writers};
use holdfast_domain::kernel::{Actor, ActorKind, CorrelationId, PartyId, RequestId, Role, Roles, TenantId};
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantSettings};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::{self, Pool, PoolSettings};
use holdfast_eventlog::keys::LocalKms;
use holdfast_eventlog::subscription::{self, Consumer, SubscriptionSettings};
use holdfast_files::{Backend, Files, FilesSettings};
use holdfast_projections::personal::{Keys, StoredKeys};
use holdfast_projections::positions::Positions;
use holdfast_projections::query::ByKey;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const MASTER_KEY: [u8; 32] = [9; 32];

pub struct Edge {
    pub address: SocketAddr,
    tenant_id: TenantId,
    issuer: Issuer,
    client: reqwest::Client,
    shutdown: CancellationToken,
    parts: Vec<JoinHandle<()>>,
    databases: Databases,
}

pub struct Answer {
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn id(&self) -> Uuid {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id: {}", self.body)).parse().unwrap()
    }
}

impl Edge {
    pub async fn start() -> Self {
        let databases = Databases::create().await;
        let (shutdown, mut parts) = (CancellationToken::new(), Vec::new());
        let log = EventLog::new(databases.pool("log", "holdfast_writer").await);
        let writers = Writers::start(&log, Clock::default(), &WriterSettings { writers: 2, ..WriterSettings::default() });
        let tenant_id = new_tenant(&writers).await;
        for (log, consumers) in [databases.reactions(&writers).await, databases.projections().await] {
            let settings = SubscriptionSettings { sweep_every: Duration::from_millis(50), ..SubscriptionSettings::default() };
            parts.push(tokio::spawn(subscription::run(log, None, consumers, settings, shutdown.clone())));
        }
        let reader = databases.pool("read", "holdfast_reader").await;
        let positions = Positions::start(reader.clone(), Some(databases.url("read", "holdfast_reader")), 100, shutdown.clone());
        let pool = databases.pool("log", "holdfast_writer").await;
        let sealer = Sealer::new(pool.clone(), Arc::new(LocalKms::new(MASTER_KEY)));
        let keys = Arc::new(Keyring::try_new(Some([1; 32]), &[]).unwrap());
        let tokens = TokenPolicy::default();
        let config = ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            workers: 2,
            cors_origins: Vec::new(),
            docs: true,
            profile: "test".to_owned(),
            keys: keys.clone(),
            tokens: tokens.clone(),
            revocations: Revocations::stored(reader.clone(), RevocationPolicy::default()),
            request_hash_key: [2; 32],
            in_flight: InFlightLimits::default(),
        };
        let checks = vec![Check::database("read_database", reader.clone()), Check::projector_lag(log.clone(), reader.clone())];
        let folder = std::env::temp_dir().join(format!("holdfast-edge-{}", Uuid::new_v4().simple()));
        let public_base_url = "http://127.0.0.1".to_owned();
        let backend = Backend::Local { folder, public_base_url, link_key: [3; 32].into() };
        let files = Arc::new(Files::open(&FilesSettings::over(backend)).unwrap());
        let command_side = CommandSide {
            writers,
            sealer,
            log,
            first_events: Arc::default(),
            pool,
            payments: Arc::new(NoProvider),
            webhooks: WebhookSecrets::default(),
            files: files.clone(),
            tickets: Arc::new(PerActor::per_minute(NonZeroU32::MAX)),
        };
        let push = Arc::new(Push::new(reader.clone(), positions.clone(), StreamLimits::default(), shutdown.clone()));
        let sides = Parts {
            checks,
            commands: Some(command_side),
            queries: Some(QuerySide {
                wallets: ByKey::new(reader.clone()),
                pool: reader,
                positions,
                min_position_wait: Duration::from_secs(2),
                push,
                files,
            }),
            ..Parts::default()
        };
        let server = server::bind(config, sides).unwrap();
        let address = server.address().unwrap();
        let stop = shutdown.clone();
        parts.push(tokio::spawn(async move { server.run(stop).await.unwrap() }));
        Self { address, tenant_id, issuer: Issuer::new(keys, tokens), client: reqwest::Client::new(), shutdown, parts, databases }
    }

    /// Stops everything and drops the databases.
    pub async fn stop(self) {
        self.shutdown.cancel();
        for part in self.parts {
            part.await.unwrap();
        }
        self.databases.drop().await;
    }

    pub fn token(&self, role: Role) -> String {
        self.token_of(Uuid::from_u128(role as u128 + 1), role)
    }

    fn token_of(&self, party: Uuid, role: Role) -> String {
        let subject = Subject { tenant_id: self.tenant_id, party_id: PartyId(party), roles: Roles::from([role]), limits: Vec::new() };
        self.issuer.issue(&subject, now_s(), 300).unwrap()
    }

    pub fn request(&self, method: &str, path: &str, role: Role) -> reqwest::RequestBuilder {
        self.request_as(method, path, Uuid::from_u128(role as u128 + 1), role)
    }

    pub fn request_as(&self, method: &str, path: &str, party: Uuid, role: Role) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method.parse().unwrap(), url).bearer_auth(self.token_of(party, role))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap() }
    }

    pub async fn post(&self, path: &str, role: Role, key: Option<&str>, body: &Value) -> Answer {
        let request = self.request("POST", path, role).json(body);
        self.send(key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key))).await
    }

    pub async fn get(&self, path: &str, role: Role) -> Answer {
        self.send(self.request("GET", path, role)).await
    }

    /// Asks as the tenant's administrator until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) {
        for _ in 0..200 {
            if wanted(&self.get(path, Role::TenantAdmin).await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} did not become as wanted: {}", self.get(path, Role::TenantAdmin).await.body);
    }
}

async fn new_tenant(writers: &Writers) -> TenantId {
    let id = TenantId(Uuid::now_v7());
    let actor =
        Actor { id: PartyId(Uuid::from_u128(1)), kind: ActorKind::User, roles: Roles::from([Role::Superadmin]), amount_limits: Vec::new() };
    let request = Request::<Tenant> {
        tenant_id: id,
        aggregate_id: id.uuid(),
        command: TenantCommand::Create { name: "Edge".to_owned(), slug: "edge".to_owned(), settings: TenantSettings::default() },
        actor,
        request_id: RequestId(Uuid::now_v7()),
        correlation_id: CorrelationId(Uuid::now_v7()),
        causation_id: None,
        hops: 0,
        key: None,
        if_match: None,
        not_before: None,
    };
    writers.execute(request).await.unwrap();
    id
}

/// The write and the read database of one test.
struct Databases {
    admin: PgConnectOptions,
    name: String,
}

impl Databases {
    async fn create() -> Self {
        let url = std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned());
        let databases = Self { admin: url.parse().unwrap(), name: format!("api_{}", Uuid::new_v4().simple()) };
        for side in ["log", "read"] {
            databases.maintain(&format!("CREATE DATABASE {}_{side}", databases.name)).await;
        }
        db::migrate_write(&databases.as_admin("log").await).await.unwrap();
        holdfast_projections::migrate(&databases.as_admin("read").await).await.unwrap();
        databases
    }

    async fn maintain(&self, sql: &str) {
        let pool = PgPool::connect_with(self.admin.clone()).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    async fn as_admin(&self, side: &str) -> PgPool {
        let options = self.admin.clone().database(&format!("{}_{side}", self.name));
        PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    }

    fn url(&self, side: &str, role: &str) -> String {
        format!("postgres://{role}@{}:{}/{}_{side}", self.admin.get_host(), self.admin.get_port(), self.name)
    }

    async fn pool(&self, side: &str, role: &str) -> Pool {
        Pool::connect(&self.url(side, role), PoolSettings::default()).await.unwrap()
    }

    async fn reactions(&self, writers: &Writers) -> (EventLog, Vec<Arc<dyn Consumer>>) {
        let pool = self.pool("log", "holdfast_reactor").await;
        let log = EventLog::new(pool.clone());
        (log.clone(), vec![Arc::new(Reactor::new(log, pool, writers.clone()))])
    }

    async fn projections(&self) -> (EventLog, Vec<Arc<dyn Consumer>>) {
        let log = self.pool("log", "holdfast_projector").await;
        let keys: Arc<dyn Keys> = Arc::new(StoredKeys::new(log.clone(), Arc::new(LocalKms::new(MASTER_KEY))));
        let read = self.pool("read", "holdfast_projector").await;
        (EventLog::new(log), holdfast_projections::projectors(&read, &keys))
    }

    async fn drop(&self) {
        for side in ["log", "read"] {
            self.maintain(&format!("DROP DATABASE {}_{side} WITH (FORCE)", self.name)).await;
        }
    }
}
