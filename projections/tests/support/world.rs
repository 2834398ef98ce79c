//! Two tenants in a real log and in the read models that were made of it, for rebuilds.

use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::event::aggregate_type;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::{Batch, EventLog, NewEvent, StoredEvent, StreamId, Unit};
use holdfast_projections::rebuild::{Kind, Order, OrderError, Ordered, Rebuilder, RunRow, find_run, order, pool_settings};
use uuid::Uuid;

use super::{Database, History, Log, TestKeys, tenant};

pub const A: u128 = 0xA1;
pub const B: u128 = 0xB1;

/// A read database with its log, what is at work on both, and two tenants with something in every table.
pub struct World {
    pub database: Arc<Database>,
    pub log: Log,
    pub writer: EventLog,
    pub reading: EventLog,
    pub rebuilder: Rebuilder,
    pub keys: TestKeys,
    pub a: History,
    pub b: History,
}

impl World {
    pub async fn new(database: Arc<Database>) -> Self {
        let log = Log::create(&database).await;
        let (writer, reading) = (log.events("holdfast_writer").await, log.events("holdfast_projector").await);
        let (mut a, mut b) = (History::of_everything(tenant(A)), History::typical(tenant(B)));
        let keys = a.keys.clone();
        for history in [&mut a, &mut b] {
            append(&writer, history.tenant, &history.events).await;
            history.events = reading.read(history.tenant, 0, 1000).await.unwrap(); // with the log's own times
        }
        let all = AllKeys(vec![a.keys.clone(), b.keys.clone()]);
        let [live, shadow] = pool_settings();
        let url = database.url_as("holdfast_projector");
        let (live, shadow) = (Pool::connect(&url, live).await.unwrap(), Pool::connect(&url, shadow).await.unwrap());
        let rebuilder = Rebuilder::new(live, shadow, reading.clone(), Arc::new(all));
        let world = Self { database, log, writer, reading, rebuilder, keys, a, b };
        for history in [&world.a, &world.b] {
            world.database.project(history, 50).await;
        }
        world
    }

    /// What tenant A's history has after `from`, as the log stores it.
    pub async fn append(&mut self, from: i64) {
        append(&self.writer, self.a.tenant, &self.a.events[usize::try_from(from).unwrap()..]).await;
        self.a.events = self.reading.read(self.a.tenant, 0, 1000).await.unwrap();
    }

    /// By an independent fold of the log in memory.
    pub async fn assert_verified(&self, projection: &str) {
        let verified = self.rebuilder.verify(projection, None).await.unwrap();
        assert!(verified.ok && !verified.tenants.is_empty(), "{verified:?}");
    }

    pub async fn end(self) {
        self.log.drop(&self.database).await;
    }

    pub async fn oid(&self, table: &str) -> i64 {
        self.database.count(&format!("SELECT '{table}'::regclass::oid::bigint")).await
    }
}

/// The keys of several histories.
pub struct AllKeys(pub Vec<TestKeys>);

impl holdfast_projections::personal::Keys for AllKeys {
    fn load<'a>(
        &'a self,
        tenant_id: TenantId,
        wanted: &'a [holdfast_projections::personal::KeyRef],
    ) -> futures::future::BoxFuture<
        'a,
        Result<
            std::collections::HashMap<holdfast_projections::personal::KeyRef, holdfast_projections::personal::SubjectKey>,
            holdfast_projections::personal::KeysError,
        >,
    > {
        Box::pin(async move {
            let mut found = std::collections::HashMap::new();
            for keys in &self.0 {
                found.extend(keys.load(tenant_id, wanted).await?);
            }
            Ok(found)
        })
    }
}

pub async fn append(log: &EventLog, tenant_id: TenantId, events: &[StoredEvent]) {
    for event in events {
        let stream =
            StreamId { tenant_id, aggregate_type: aggregate_type(&event.aggregate_type).unwrap(), aggregate_id: event.aggregate_id };
        let new = NewEvent {
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload: event.payload.clone(),
            metadata: event.metadata.clone(),
        };
        let unit =
            Unit { stream, first_sequence: event.sequence, events: vec![new], receipts: Vec::new(), claims: Vec::new(), gated: false };
        log.append(&Batch { units: vec![unit], known: [(tenant_id, event.position - 1)].into() }).await.unwrap();
    }
}

/// As the API's role, which may order and nothing else.
pub async fn ordered(pool: &Pool, projection: &'static str, tenant: Option<TenantId>, kind: Kind) -> Result<Ordered, OrderError> {
    order(pool, &Order::new(projection, tenant, kind, "an admin")).await
}

pub async fn ended(pool: &Pool, id: Uuid) -> RunRow {
    for _ in 0..300 {
        let run = find_run(pool, id).await.unwrap().unwrap();
        if run.ended_at.is_some() {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("{:?}", find_run(pool, id).await.unwrap())
}
