//! A month of a wallet. Amounts and positions come formatted; nothing is calculated here.

use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Clone, Serialize)]
pub struct StatementDocument {
    /// The tenant's name; the author of the PDF.
    pub tenant: String,
    pub owner_id: String,
    pub wallet_id: String,
    /// ISO 4217.
    pub currency: String,
    /// The month, "2026-03".
    pub period: String,
    /// Log positions of the first and the last event covered.
    pub from_position: u64,
    pub to_position: u64,
    /// The end of what is covered; the date of the PDF.
    pub dated: DateTime<Utc>,
    pub opening_balance: String,
    pub lines: Vec<StatementLine>,
    pub total_in: String,
    pub total_out: String,
    pub closing_balance: String,
}

#[derive(Clone, Serialize)]
pub struct StatementLine {
    pub recorded_at: DateTime<Utc>,
    /// When the amount counts from.
    pub value_at: DateTime<Utc>,
    pub what: String,
    pub reference: String,
    /// Decimal string; the one of the two that does not apply is absent.
    pub amount_in: Option<String>,
    pub amount_out: Option<String>,
    pub balance_after: String,
}
