//! Logs, traces and metrics of this process (NFR-105..107).

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `tracing` filter, e.g. `info,holdfast=debug`.
    pub filter: String,
    /// One JSON object per line; else text for people.
    pub json: bool,
    /// OTLP over gRPC; none: no traces leave the process.
    pub otlp_endpoint: Option<String>,
}

/// Keeps the exporter alive; what it still holds is sent when it is dropped.
#[derive(Debug)]
#[must_use = "traces stop when this is dropped"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Starts logging, and tracing where an endpoint is named. Needs a running tokio runtime when it is.
///
/// # Errors
/// When the filter cannot be read, the endpoint is no URL, or logging was started before.
pub fn start(config: &TelemetryConfig) -> anyhow::Result<TelemetryGuard> {
    // By target and level alone, unless the filter names spans: those are looked up whenever one is entered.
    let simple: Option<Targets> = config.filter.parse().ok();
    let spans = if simple.is_none() { Some(EnvFilter::try_new(&config.filter).context("the log filter cannot be read")?) } else { None };
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let lines = if config.json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        lines.compact().boxed()
    };
    let provider = config.otlp_endpoint.as_deref().map(exporter).transpose()?;
    let traces = provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("holdfast")));
    tracing_subscriber::registry().with(simple).with(spans).with(lines).with(traces).try_init().context("logging was started before")?;
    Ok(TelemetryGuard { provider })
}

fn exporter(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("traces cannot be sent to {endpoint}"))?;
    let resource = Resource::builder().with_service_name("holdfast").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Upper bounds of latency buckets in seconds: the objectives 0.3 and 0.6 of NFR-91 are among them.
const BUCKETS_S: &[f64] = &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.6, 1.0, 2.0, 5.0, 10.0];

/// Collects this process's metrics from now on; hand the handle to the server, which serves `/metrics`.
///
/// # Errors
/// When metrics are collected already.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, BUCKETS_S)?;
    builder.install_recorder().context("metrics are collected already")
}
