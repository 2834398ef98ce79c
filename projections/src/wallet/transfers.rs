//! Transfers that needed a second person, with their answers (LED-18).

use std::str::FromStr;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{TenantId, WalletId, derived_uuid};
use holdfast_domain::wallet::{Wallet, WalletFact};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::query::{List, Page, QueryError, Read, Reading, shown};
use crate::runtime::{ApplyError, Event, Table, View};
use crate::wallet::PROJECTION;

/// Names a requested transfer: `<wallet>.<number>`. It tells the stream, so that nothing must be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferId {
    pub wallet_id: WalletId,
    pub number: i64,
}

impl std::fmt::Display for TransferId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.wallet_id, self.number)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a transfer")]
pub struct NoTransferId;

impl FromStr for TransferId {
    type Err = NoTransferId;

    fn from_str(text: &str) -> Result<Self, NoTransferId> {
        let digits = |(_, number): &(&str, &str)| number.bytes().all(|byte| byte.is_ascii_digit());
        let (wallet_id, number) = text.split_once('.').filter(digits).ok_or(NoTransferId)?;
        Ok(Self { wallet_id: wallet_id.parse().map_err(|_| NoTransferId)?, number: number.parse().map_err(|_| NoTransferId)? })
    }
}

holdfast_domain::named! {
    /// Where a requested transfer stands.
    TransferStatus {
        Requested = "requested",
        Approved = "approved",
        Rejected = "rejected",
        /// Nobody answered within seven days.
        Expired = "expired",
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferRow {
    pub id: Uuid,
    pub wallet_id: Uuid,
    pub number: i64,
    pub position: i64,
    pub status: TransferStatus,
    pub to_wallet_id: Uuid,
    pub amount: Decimal,
    pub currency: String,
    pub reason: String,
    pub requested_by: Uuid,
    pub requested_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub answered_by: Option<Uuid>,
    pub answered_at: Option<DateTime<Utc>>,
    pub answer: Option<String>,
}

impl View for TransferRow {
    const TABLE: Table = Table {
        name: "wallet_transfers",
        key: &["id"],
        columns: &[
            "wallet_id",
            "number",
            "position",
            "status",
            "to_wallet_id",
            "amount",
            "currency",
            "reason",
            "requested_by",
            "requested_at",
            "expires_at",
            "answered_by",
            "answered_at",
            "answer",
        ],
        exact: &["amount"],
    };

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        let number = event.event.of::<Wallet>().and_then(|wallet| number(&wallet.fact));
        let id = |number: i64| derived_uuid(event.origin.tenant_id, event.origin.aggregate_id, "transfer", number.unsigned_abs());
        Ok(number.map(id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            id,
            wallet_id: Uuid::nil(),
            number: 0,
            position: 0,
            status: TransferStatus::Requested,
            to_wallet_id: Uuid::nil(),
            amount: Decimal::ZERO,
            currency: String::new(),
            reason: String::new(),
            requested_by: Uuid::nil(),
            requested_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            answered_by: None,
            answered_at: None,
            answer: None,
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(wallet) = event.event.of::<Wallet>() else { return Ok(()) };
        self.position = event.position;
        let answered_by = Some(event.metadata.actor.id.uuid());
        let mut answered = |status, by| (self.status, self.answered_by, self.answered_at) = (status, by, Some(wallet.at));
        if let WalletFact::TransferRequested { transfer, amount, to_wallet_id, reason, requested_by, expires_at, .. } = &wallet.fact {
            self.wallet_id = event.origin.aggregate_id;
            self.number = *transfer;
            self.to_wallet_id = to_wallet_id.uuid();
            self.amount = amount.amount();
            amount.currency().code().clone_into(&mut self.currency);
            self.reason.clone_from(reason);
            self.requested_by = requested_by.uuid();
            self.requested_at = wallet.at;
            self.expires_at = *expires_at;
        } else if let WalletFact::TransferApproved { .. } = &wallet.fact {
            answered(TransferStatus::Approved, answered_by);
        } else if let WalletFact::TransferRejected { reason, .. } = &wallet.fact {
            answered(TransferStatus::Rejected, answered_by);
            self.answer = Some(reason.clone());
        } else if let WalletFact::TransferExpired { .. } = &wallet.fact {
            answered(TransferStatus::Expired, None);
        }
        Ok(())
    }
}

fn number(fact: &WalletFact) -> Option<i64> {
    match fact {
        WalletFact::TransferRequested { transfer, .. }
        | WalletFact::TransferApproved { transfer }
        | WalletFact::TransferRejected { transfer, .. }
        | WalletFact::TransferExpired { transfer } => Some(*transfer),
        WalletFact::Opened
        | WalletFact::Credited { .. }
        | WalletFact::Cleared { .. }
        | WalletFact::Debited { .. }
        | WalletFact::HoldPlaced { .. }
        | WalletFact::HoldDeclined { .. }
        | WalletFact::HoldCaptured { .. }
        | WalletFact::HoldLifted { .. }
        | WalletFact::CaseFrozen { .. }
        | WalletFact::Frozen { .. }
        | WalletFact::Unfrozen { .. }
        | WalletFact::Closed => None,
    }
}

/// A transfer that needed a second person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedTransfer {
    /// What approve and reject take.
    pub id: String,
    pub from_wallet_id: Uuid,
    pub to_wallet_id: Uuid,
    /// `requested`, `approved`, `rejected` or `expired`.
    pub status: String,
    #[schema(value_type = String, example = "12000.00")]
    pub amount: Decimal,
    pub currency: String,
    pub reason: String,
    pub requested_by: Uuid,
    pub requested_at: DateTime<Utc>,
    /// Unanswered until then, it is over.
    pub expires_at: DateTime<Utc>,
    pub answered_by: Option<Uuid>,
    pub answered_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub answer: Option<String>,
}

#[derive(FromRow)]
struct StoredTransfer {
    id: Uuid,
    wallet_id: Uuid,
    number: i64,
    status: String,
    to_wallet_id: Uuid,
    amount: Decimal,
    currency: String,
    reason: String,
    requested_by: Uuid,
    requested_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    answered_by: Option<Uuid>,
    answered_at: Option<DateTime<Utc>>,
    answer: Option<String>,
}

/// Requested transfers, newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn transfers(
    pool: &Pool,
    tenant_id: TenantId,
    status: Option<TransferStatus>,
    page: &Page,
) -> Result<Read<List<RequestedTransfer>>, QueryError> {
    const SORT: &str = "wallet_transfers";
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT id, wallet_id, number, status, to_wallet_id, amount, currency, reason, requested_by, requested_at, expires_at,
                answered_by, answered_at, answer
         FROM wallet_transfers WHERE tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid());
    if let Some(status) = status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some((requested_at, id)) = after {
        sql.push(" AND (requested_at, id) < (").push_bind(requested_at).push(", ").push_bind(id).push(")");
    }
    sql.push(" ORDER BY requested_at DESC, id DESC LIMIT ").push_bind(page.fetch());
    let rows: Vec<StoredTransfer> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let list = page.list(SORT, rows, |row| (row.requested_at, row.id))?.try_map(|row| Ok(row.shown()))?;
    reading.end(list).await
}

impl StoredTransfer {
    fn shown(self) -> RequestedTransfer {
        RequestedTransfer {
            id: format!("{}.{}", self.wallet_id, self.number),
            from_wallet_id: self.wallet_id,
            to_wallet_id: self.to_wallet_id,
            status: self.status,
            amount: shown(self.amount, &self.currency),
            currency: self.currency,
            reason: self.reason,
            requested_by: self.requested_by,
            requested_at: self.requested_at,
            expires_at: self.expires_at,
            answered_by: self.answered_by,
            answered_at: self.answered_at,
            answer: self.answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfers_id_tells_its_wallet_and_number() {
        let id = TransferId { wallet_id: WalletId(Uuid::from_u128(7)), number: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "x",
            "00000000-0000-0000-0000-000000000007",
            "00000000-0000-0000-0000-000000000007.",
            "x.3",
            "00000000-0000-0000-0000-000000000007.-1",
        ] {
            assert_eq!(text.parse::<TransferId>(), Err(NoTransferId), "{text}");
        }
    }
}
