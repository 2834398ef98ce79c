//! What each wallet held after each movement: so that a balance of any time or position, and an opening balance, is one
//! look at an index however long the wallet's history is (LED-16, LED-17, MNY-55).

use chrono::{DateTime, Utc};
use holdfast_domain::ledger::JournalLine;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::{LineIds, WalletPlace};
use crate::runtime::{ApplyError, Event, Series, Table};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletBalanceRow {
    pub wallet_id: Uuid,
    pub position: i64,
    pub recorded_at: DateTime<Utc>,
    pub available: Decimal,
    pub held: Decimal,
    pub pending: Decimal,
}

impl Series for WalletBalanceRow {
    const TABLE: Table = Table {
        name: "wallet_balances",
        key: &["wallet_id", "position"],
        columns: &["recorded_at", "available", "held", "pending"],
        exact: &["available", "held", "pending"],
    };

    fn ids(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        let mut ids: Vec<Uuid> = movements(event)?.into_iter().map(|(wallet_id, ..)| wallet_id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn id(&self) -> Uuid {
        self.wallet_id
    }

    fn next(previous: Option<&Self>, id: Uuid, event: &Event<'_>) -> Result<Self, ApplyError> {
        let (available, held, pending) =
            previous.map_or((Decimal::ZERO, Decimal::ZERO, Decimal::ZERO), |row| (row.available, row.held, row.pending));
        let mut row = Self { wallet_id: id, position: event.position, recorded_at: event.recorded_at, available, held, pending };
        for (_, place, credited) in movements(event)?.into_iter().filter(|(wallet_id, ..)| *wallet_id == id) {
            match place {
                WalletPlace::Available => row.available += credited,
                WalletPlace::Held => row.held += credited,
                WalletPlace::Pending => row.pending += credited,
            }
        }
        Ok(row)
    }
}

/// What each line credits to which place of which wallet; a debit is negative.
fn movements(event: &Event<'_>) -> Result<Vec<(Uuid, WalletPlace, Decimal)>, ApplyError> {
    let of_wallet = |(line, ids): (&JournalLine, &LineIds)| {
        let (wallet_id, place) = ids.wallet?;
        Some((wallet_id, place, -Decimal::from_i128_with_scale(line.signed_minor(), line.amount.currency().exponent())))
    };
    Ok(event.lines()?.filter_map(of_wallet).collect())
}
