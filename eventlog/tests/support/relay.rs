//! A relay of a test's own.

use std::time::{Duration, Instant};

use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::nats::Nats;
use holdfast_eventlog::subscription::SubscriptionSettings;
use holdfast_eventlog::{EventLog, relay};
use tokio_util::sync::CancellationToken;

use super::Database;

pub(crate) struct Running {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Looks at the stream every second.
    pub(crate) async fn start(database: &Database, nats: &Nats) -> Self {
        let log = EventLog::new(database.pool_as("holdfast_relay", PoolSettings::default()).await);
        let shutdown = CancellationToken::new();
        let settings = SubscriptionSettings { sweep_every: Duration::from_millis(100), ..SubscriptionSettings::default() };
        let task = tokio::spawn(relay::run(log, nats.clone(), settings, shutdown.clone()));
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
    }
}

/// Until so many events, of all tenants together, are published.
pub(crate) async fn checkpoints_reach(database: &Database, total: i64) {
    let since = Instant::now();
    while database.count("SELECT coalesce(sum(position), 0)::bigint FROM subscription_checkpoints WHERE subscription = 'relay'").await
        < total
    {
        assert!(since.elapsed() < Duration::from_secs(20), "the relay does not get on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
