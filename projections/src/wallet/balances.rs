//! What a wallet held at some time or position: one look at an index (LED-16, MNY-55).

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId, WalletId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger;
use crate::query::{QueryError, Read, Reading, shown};
use crate::wallet::PROJECTION;
use crate::wallet::queries::find;

/// LED-16.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletBalance {
    pub wallet_id: Uuid,
    pub currency: String,
    /// `active`, `frozen` or `closed`; none when another time was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[schema(value_type = String, example = "120.00")]
    pub available: Decimal,
    #[schema(value_type = String)]
    pub held: Decimal,
    #[schema(value_type = String)]
    pub pending: Decimal,
    /// The position of the tenant's log that these amounts show; of the wallet's last movement when a time was asked for.
    pub as_of_position: i64,
}

/// Which moment is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// With everything that was recorded until then.
    Time(DateTime<Utc>),
    /// With the event at this position.
    Position(i64),
}

/// A wallet's places after its last movement until some moment; zeros before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub(crate) struct Held {
    pub(crate) position: i64,
    pub(crate) available: Decimal,
    pub(crate) held: Decimal,
    pub(crate) pending: Decimal,
}

/// As the balance of now; at an earlier moment.
///
/// # Errors
/// When the database does not answer.
pub async fn balance_as_of(
    pool: &Pool,
    tenant_id: TenantId,
    wallet_id: WalletId,
    owner: Option<PartyId>,
    as_of: AsOf,
) -> Result<Read<Option<WalletBalance>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION, ledger::PROJECTION]).await?;
    let Some(wallet) = find(&mut reading, wallet_id, owner).await? else { return reading.end(None).await };
    let held = match as_of {
        AsOf::Position(position) => held_at(&mut reading, wallet_id, position).await?,
        AsOf::Time(time) => held_by(&mut reading, wallet_id, time, "<=").await?,
    };
    let as_of_position = match as_of {
        AsOf::Position(position) => position.min(reading.position()),
        AsOf::Time(_) => held.position,
    };
    let exact = |amount| shown(amount, &wallet.currency);
    let (available, held, pending) = (exact(held.available), exact(held.held), exact(held.pending));
    let balance = WalletBalance { wallet_id: wallet.id, status: None, available, held, pending, as_of_position, currency: wallet.currency };
    reading.end(Some(balance)).await
}

pub(crate) async fn held_at(reading: &mut Reading, wallet_id: WalletId, position: i64) -> Result<Held, QueryError> {
    let row: Option<Held> = sqlx::query_as(
        "SELECT position, available, held, pending FROM wallet_balances
         WHERE tenant_id = $1 AND wallet_id = $2 AND position <= $3 ORDER BY position DESC LIMIT 1",
    )
    .bind(reading.tenant_id.uuid())
    .bind(wallet_id.uuid())
    .bind(position)
    .fetch_optional(reading.connection())
    .await?;
    Ok(row.unwrap_or_default())
}

/// After the wallet's last movement that was recorded before `time`.
pub(crate) async fn held_before(reading: &mut Reading, wallet_id: WalletId, time: DateTime<Utc>) -> Result<Held, QueryError> {
    held_by(reading, wallet_id, time, "<").await
}

/// The position of that movement; 0 when there is none.
pub(crate) async fn position_before(reading: &mut Reading, wallet_id: WalletId, time: DateTime<Utc>) -> Result<i64, QueryError> {
    Ok(held_before(reading, wallet_id, time).await?.position)
}

async fn held_by(reading: &mut Reading, wallet_id: WalletId, time: DateTime<Utc>, compared: &str) -> Result<Held, QueryError> {
    let sql = format!(
        "SELECT position, available, held, pending FROM wallet_balances
         WHERE tenant_id = $1 AND wallet_id = $2 AND recorded_at {compared} $3 ORDER BY recorded_at DESC, position DESC LIMIT 1"
    );
    let tenant_id = reading.tenant_id.uuid();
    let row: Option<Held> =
        sqlx::query_as(&sql).bind(tenant_id).bind(wallet_id.uuid()).bind(time).fetch_optional(reading.connection()).await?;
    Ok(row.unwrap_or_default())
}
