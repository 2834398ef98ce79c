//! cqrs-es with postgres-es in event-store mode, as they come, with 16 connections: the same wallet, the same command, the same events.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use chrono::Utc;
use cqrs_es::AggregateError;
use holdfast_api::settings::{DatabaseRole, Settings, Side};
use holdfast_domain::kernel::{Actor, Context, TenantId};
use holdfast_domain::tenant::TenantSettings;
use holdfast_domain::wallet::{Wallet, WalletCommand, WalletEvent, WalletOwner};
use postgres_es::{PostgresCqrs, postgres_cqrs};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::workload::{Cast, Payment};

const CONNECTIONS: u32 = 16;

/// postgres-es' own table, beside ours.
const TABLE: &str = "CREATE SCHEMA IF NOT EXISTS stock;
CREATE TABLE IF NOT EXISTS stock.events (
    aggregate_type text                         NOT NULL,
    aggregate_id   text                         NOT NULL,
    sequence       bigint CHECK (sequence >= 0) NOT NULL,
    event_type     text                         NOT NULL,
    event_version  text                         NOT NULL,
    payload        json                         NOT NULL,
    metadata       json                         NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";

/// Every wallet opened and credited, as in our own log: the shortest streams that can pay.
const RESET: &str = "TRUNCATE stock.events;
INSERT INTO stock.events SELECT aggregate_type, aggregate_id::text, sequence, event_type, event_version, payload,
    json_build_object('actor', metadata->>'actor', 'requestId', metadata->>'requestId', 'correlationId', metadata->>'correlationId',
                      'occurredAt', metadata->>'occurredAt') -- the library knows texts only
FROM public.events WHERE aggregate_type = 'wallet' AND sequence <= 2 AND event_type IN ('wallet.opened', 'wallet.credited')";

pub(crate) struct Stock {
    frameworks: HashMap<TenantId, PostgresCqrs<Wallet>>,
    pool: PgPool,
    actor: Actor,
    /// Tries that lost against another caller.
    conflicts: AtomicU64,
}

impl Stock {
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn open(settings: &Settings, tenants: &[TenantId], actor: &Actor) -> anyhow::Result<Self> {
        let options = settings.database.connect_options(Side::Write, DatabaseRole::Admin)?.options([("search_path", "stock")]);
        let pool =
            PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.context("the stock library's connections")?;
        sqlx::raw_sql(TABLE).execute(&pool).await?;
        let framework = |tenant_id: &TenantId| {
            let services =
                Context { tenant_id: *tenant_id, actor: actor.clone(), now: Utc::now(), settings: Arc::new(TenantSettings::default()) };
            (*tenant_id, postgres_cqrs::<Wallet>(pool.clone(), Vec::new(), services))
        };
        let frameworks = tenants.iter().map(framework).collect();
        Ok(Self { frameworks, pool, actor: actor.clone(), conflicts: AtomicU64::new(0) })
    }

    /// Takes all wallets back to their beginning, so that its streams stay short whatever it did before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        sqlx::raw_sql(RESET).execute(&self.pool).await?;
        sqlx::raw_sql("VACUUM (ANALYZE) stock.events").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn pay(&self, cast: &Cast, payment: Payment) -> Result<(), String> {
        let tenant_id = cast.tenants[payment.tenant].id;
        self.execute(tenant_id, cast.payer(&payment).uuid(), &cast.command(&payment)?).await
    }

    /// Tried until it succeeds or is refused: the caller's own loop, as the library leaves it to him.
    pub(crate) async fn execute(&self, tenant_id: TenantId, wallet_id: Uuid, command: &WalletCommand) -> Result<(), String> {
        let framework = self.frameworks.get(&tenant_id).ok_or("no such tenant")?;
        let id = wallet_id.to_string();
        loop {
            match framework.execute_with_metadata(&id, command.clone(), self.metadata()).await {
                Ok(()) => return Ok(()),
                Err(AggregateError::AggregateConflict) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// What our events carry as well.
    fn metadata(&self) -> HashMap<String, String> {
        let request_id = Uuid::now_v7().to_string();
        let actor = serde_json::to_string(&self.actor).unwrap_or_default();
        let facts =
            [("actor", actor), ("requestId", request_id.clone()), ("correlationId", request_id), ("occurredAt", Utc::now().to_rfc3339())];
        facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect()
    }

    /// Owner of a wallet, from its first event: what our API looks up for a transfer as well.
    ///
    /// # Errors
    /// When there is no such wallet.
    pub(crate) async fn owner_of(&self, wallet_id: Uuid) -> anyhow::Result<WalletOwner> {
        let sql = "SELECT payload FROM events WHERE aggregate_type = 'wallet' AND aggregate_id = $1 AND sequence = 1";
        let payload: serde_json::Value =
            sqlx::query_scalar(sql).bind(wallet_id.to_string()).fetch_optional(&self.pool).await?.context("no such wallet")?;
        let event: WalletEvent = serde_json::from_value(payload)?;
        Ok(event.owner)
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.swap(0, Ordering::Relaxed)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
