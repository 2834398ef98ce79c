//! Questions about wallets (LED-15..17).

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId, WalletId};
use holdfast_domain::wallet::{OwnerType, WalletStatus};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::query::{ByKey, Keyed, List, Page, QueryError, Read, Reading, shown};
use crate::wallet::{PROJECTION, WalletBalance};

/// Who sees a wallet as its own, for `a`, an event of it.
pub(crate) const PARTIES: &str = "SELECT ARRAY[w.owner_id] FROM wallets w WHERE w.tenant_id = a.tenant_id AND w.wallet_id = a.entity_id";

/// Every field narrows the list; none shows all wallets of the tenant.
#[derive(Debug, Clone, Default)]
pub struct WalletFilter {
    pub owner_type: Option<OwnerType>,
    pub owner_id: Option<PartyId>,
    pub currency: Option<String>,
    pub status: Option<WalletStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct WalletSummary {
    #[sqlx(rename = "wallet_id")]
    pub id: Uuid,
    pub version: i64,
    /// `user`, `talent` or `tenant`.
    pub owner_type: String,
    pub owner_id: Uuid,
    pub currency: String,
    /// `active`, `frozen` or `closed`.
    pub status: String,
    #[schema(value_type = String, example = "120.00")]
    pub available: Decimal,
    #[schema(value_type = String)]
    pub held: Decimal,
    #[schema(value_type = String)]
    pub pending: Decimal,
    /// The part of `held` that the freeze holds.
    #[schema(value_type = String)]
    pub frozen: Decimal,
    pub opened_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

const WALLET_COLUMNS: &str =
    "wallet_id, version, owner_type, owner_id, currency, status, available, held, pending, frozen, opened_at, updated_at";

impl Keyed for WalletSummary {
    const PROJECTION: &'static str = PROJECTION;
    const TABLE: &'static str = "wallets";
    const KEY: &'static str = "wallet_id";
    const COLUMNS: &'static str = WALLET_COLUMNS;
}

/// Wallets with their balances, oldest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &WalletFilter, page: &Page) -> Result<Read<List<WalletSummary>>, QueryError> {
    const SORT: &str = "wallets";
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = QueryBuilder::<Postgres>::new(format!("SELECT {WALLET_COLUMNS} FROM wallets WHERE tenant_id = "));
    sql.push_bind(tenant_id.uuid());
    if let Some(owner_type) = filter.owner_type {
        sql.push(" AND owner_type = ").push_bind(owner_type.as_str());
    }
    if let Some(owner_id) = filter.owner_id {
        sql.push(" AND owner_id = ").push_bind(owner_id.uuid());
    }
    if let Some(currency) = &filter.currency {
        sql.push(" AND currency = ").push_bind(currency);
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some((opened_at, wallet_id)) = after {
        sql.push(" AND (opened_at, wallet_id) > (").push_bind(opened_at).push(", ").push_bind(wallet_id).push(")");
    }
    sql.push(" ORDER BY opened_at, wallet_id LIMIT ").push_bind(page.fetch());
    let rows: Vec<WalletSummary> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(WalletSummary::exact).collect();
    reading.end(page.list(SORT, rows, |row| (row.opened_at, row.id))?).await
}

/// None when the tenant has no such wallet, or `owner` is somebody else.
///
/// # Errors
/// When the database does not answer.
pub async fn balance(
    wallets: &ByKey<WalletSummary>,
    tenant_id: TenantId,
    wallet_id: WalletId,
    owner: Option<PartyId>,
) -> Result<Read<Option<WalletBalance>>, QueryError> {
    let Read { position, value } = wallets.find(tenant_id, wallet_id.uuid()).await?;
    let seen = |wallet: &WalletSummary| owner.is_none_or(|owner| owner.uuid() == wallet.owner_id);
    let balance = value.filter(seen).map(WalletSummary::exact).map(|wallet| WalletBalance {
        wallet_id: wallet.id,
        currency: wallet.currency,
        status: Some(wallet.status),
        available: wallet.available,
        held: wallet.held,
        pending: wallet.pending,
        as_of_position: position,
    });
    Ok(Read { position, value: balance })
}

pub(crate) async fn find(reading: &mut Reading, wallet_id: WalletId, owner: Option<PartyId>) -> Result<Option<WalletSummary>, QueryError> {
    let tenant_id = reading.tenant_id;
    let row: Option<WalletSummary> = sqlx::query_as(&format!(
        "SELECT {WALLET_COLUMNS} FROM wallets WHERE tenant_id = $1 AND wallet_id = $2 AND ($3::uuid IS NULL OR owner_id = $3)"
    ))
    .bind(tenant_id.uuid())
    .bind(wallet_id.uuid())
    .bind(owner.map(PartyId::uuid))
    .fetch_optional(reading.connection())
    .await?;
    Ok(row.map(WalletSummary::exact))
}

impl WalletSummary {
    fn exact(mut self) -> Self {
        for amount in [&mut self.available, &mut self.held, &mut self.pending, &mut self.frozen] {
            *amount = shown(*amount, &self.currency);
        }
        self
    }
}
