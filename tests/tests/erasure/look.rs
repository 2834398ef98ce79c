//! Everywhere that something could be left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use holdfast_domain::kernel::Sealed;
use holdfast_eventlog::db::{Pool, PoolSettings};
use holdfast_eventlog::keys::{self, KeyRef, KeyStore, LocalKms, SubjectKey};
use holdfast_tests::personal::sealed_in;
use holdfast_tests::{Flow, System};
use serde_json::Value;
use sqlx::PgPool;

/// Every row of every table, as one text per table.
pub(crate) async fn dump(database: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(database)
    .await
    .unwrap();
    let mut dumped = Vec::new();
    for table in tables {
        let rows: Option<String> = sqlx::query_scalar(&format!("SELECT string_agg(row_to_json(t)::text, E'\\n') FROM {table} t"))
            .fetch_one(database)
            .await
            .unwrap();
        dumped.push((table, rows.unwrap_or_default()));
    }
    dumped
}

/// Every message of the tenant that the stream keeps.
pub(crate) async fn messages(url: &str, flow: &Flow) -> String {
    let context = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    let stream = context.get_stream("EVENTS").await.unwrap();
    let config = async_nats::jetstream::consumer::pull::OrderedConfig {
        filter_subject: format!("events.{}.>", flow.parties.tenant_id),
        ..Default::default()
    };
    let mut all = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let mut text = String::new();
    while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_secs(2), all.next()).await {
        text.push_str(&String::from_utf8_lossy(&message.payload));
        text.push_str(&format!("{:?}\n", message.headers));
    }
    text
}

/// Which sealed fields the tenant's log has: all, and those in which a canary was sealed, by opening each with its person's key.
pub(crate) async fn sealed_fields_met(system: &System, flow: &Flow) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let settings: toml::Table = std::fs::read_to_string(system.settings_file())?.parse()?;
    let master = BASE64.decode(settings["secrets"]["personal_master_key"].as_str().unwrap())?;
    let pool = Pool::connect(&system.log_url(), PoolSettings::default()).await?;
    let store = KeyStore::new(pool, Arc::new(LocalKms::new(master.try_into().unwrap())));
    let tenant_id = flow.parties.tenant_id;
    let log = system.log_database().await?;
    let events: Vec<(String, String)> =
        sqlx::query_as("SELECT event_type, payload::text FROM events WHERE tenant_id = $1 ORDER BY position")
            .bind(tenant_id.uuid())
            .fetch_all(&log)
            .await?;
    log.close().await;
    let (mut met, mut with_canary) = (BTreeSet::new(), BTreeSet::new());
    for (event, payload) in events {
        let payload: Value = serde_json::from_str(&payload)?;
        for (field, value) in sealed_in(&event, &payload) {
            let sealed: Sealed = serde_json::from_value(value)?;
            let key = KeyRef::of(&sealed);
            let Some(SubjectKey::Live(secret)) = store.load(tenant_id, &[key]).await?.remove(&key) else { panic!("{field} has no key") };
            if String::from_utf8(keys::open(tenant_id, &sealed, &secret)?)?.contains("canary") {
                with_canary.insert(field.clone());
            }
            met.insert(field);
        }
    }
    Ok((met, with_canary))
}
