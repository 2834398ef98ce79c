//! What handlers share. The two sides are apart: a process may have one of them only.

use std::sync::Arc;

use actix_web::web::Data;
use holdfast_commands::Writers;
use holdfast_commands::personal::Sealer;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use holdfast_files::Files;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::auth::{Keyring, Revocations, Verifier};
use crate::commands::esign_webhook::WebhookSecrets;
use crate::commands::facts::FirstEvents;
use crate::error::ApiError;
use crate::health::Check;
use crate::in_flight::{InFlight, Place, holding};
use crate::payment_sessions::PaymentSessions;
use crate::rate_limit::PerActor;

/// Everybody needs it.
pub(crate) type Shared = Data<SharedState>;

pub(crate) struct SharedState {
    pub(crate) verifier: Verifier,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) keys: Arc<Keyring>,
    /// Fingerprints of requests are made with it.
    pub(crate) request_hash_key: [u8; 32],
    pub(crate) profile: String,
    pub(crate) checks: Vec<Check>,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) tasks: Tasks,
    pub(crate) in_flight: Arc<InFlight>,
}

/// The write side, as handlers reach it.
#[derive(Clone)]
pub struct CommandSide {
    pub writers: Writers,
    pub sealer: Sealer,
    /// For facts of other streams that a command must name (protocols 2.7).
    pub log: EventLog,
    pub first_events: Arc<FirstEvents>,
    /// The write database as `holdfast_writer`, for what stands beside the log (dead letters).
    pub pool: Pool,
    pub payments: Arc<dyn PaymentSessions>,
    /// Signing providers whose messages are taken (CTR-25).
    pub webhooks: WebhookSecrets,
    pub files: Arc<Files>,
    /// Upload tickets (TAL-44).
    pub tickets: Arc<PerActor>,
}

/// Where handlers do their work: on the process's own runtime, not on the connection's thread, so that a client that
/// goes away cancels nothing (docs/settings.md, "HTTP"), and a stopping server waits for what it has begun. A task holds the
/// place of the request that began it.
#[derive(Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, tracker: TaskTracker::new() }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A panic in `work` costs its own caller a 500 and nobody else anything.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        use tracing::Instrument as _;
        let task = self.tracker.spawn_on(holding(Place::held(), work).in_current_span(), &self.runtime);
        task.await.unwrap_or_else(|error| Err(ApiError::internal(&error)))
    }

    /// For work that outlives the handler that began it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        use tracing::Instrument as _;
        self.tracker.spawn_on(holding(Place::held(), work).in_current_span(), &self.runtime);
    }

    /// Returns when everything that was begun is done.
    pub(crate) async fn finish(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
