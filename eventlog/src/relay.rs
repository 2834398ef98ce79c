//! The relay: publishes the log to NATS. Positions have no gaps, so the log is its own outbox, and the relay is a
//! subscription whose effect is to publish (protocols 5).
//!
//! One relay is active, by advisory lock; two for a moment do no harm: consumers go by position.

pub(crate) mod leadership;
mod publish;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::nats::Nats;
use crate::subscription::{self, SubscriptionSettings};
use crate::{EventLog, retry};

use leadership::Leadership;
use publish::Publisher;
use whole::WholeStream;

pub use publish::{RepublishError, republish};

/// Under this name the checkpoints are kept.
pub const SUBSCRIPTION: &str = "relay";
/// In sweeps of the log.
const LOOKS_AT_THE_STREAM_EVERY: u32 = 10;

/// Longer than a leader goes without a check, and than it trusts the last one: it stops before somebody else begins.
const SILENCE: Duration = Duration::from_secs(5);

/// "holdfast" in ASCII: one relay per write database.
const LOCK: i64 = 0x686f_6c64_6661_7374;

/// Runs until `shutdown`: waits to become the leader, publishes while it is, and waits again when it is no longer.
/// `log` as the role `relay` sees it.
pub async fn run(log: EventLog, nats: Nats, settings: SubscriptionSettings, shutdown: CancellationToken) {
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let leadership = tokio::select! {
            biased;
            leadership = Leadership::wait(&log.pool, LOCK, SILENCE) => leadership,
            () = shutdown.cancelled() => return,
        };
        match leadership {
            Ok(leadership) => {
                failures = 0;
                tracing::info!("this relay is active");
                lead(leadership, &log, &nats, &settings, &shutdown).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the relay cannot ask for the leadership");
                tokio::select! {
                    biased;
                    () = sleep(retry::backoff(failures)) => failures += 1,
                    () = shutdown.cancelled() => return,
                }
            }
        }
    }
}

async fn lead(mut leadership: Leadership, log: &EventLog, nats: &Nats, settings: &SubscriptionSettings, shutdown: &CancellationToken) {
    // A server that is there is connected within moments; one that is not is waited for with every publish.
    for _ in 0..20 {
        if nats.is_connected() || shutdown.is_cancelled() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let ended = shutdown.child_token();
    let stream = Arc::new(WholeStream::new(nats.clone(), log.clone(), leadership.proof(), ended.clone()));
    let publisher = Arc::new(Publisher::new(log.clone(), nats.clone(), leadership.proof(), Arc::clone(&stream)));
    let publishing = tokio::spawn(subscription::run(log.clone(), None, vec![publisher], settings.clone(), ended.clone()));
    let every = settings.sweep_every * LOOKS_AT_THE_STREAM_EVERY;
    let watching = tokio::spawn(async move { stream.watch(every).await });
    loop {
        tokio::select! {
            biased;
            () = sleep(Duration::from_secs(1)) => {}
            () = shutdown.cancelled() => break,
        }
        if let Err(error) = leadership.check().await {
            tracing::warn!(%error, "this relay is no longer active");
            break;
        }
    }
    ended.cancel();
    if let Err(error) = publishing.await {
        tracing::error!(%error, "the relay's subscription ended");
    }
    if let Err(error) = watching.await {
        tracing::error!(%error, "the watch over the stream ended");
    }
    leadership.give_up().await;
}
