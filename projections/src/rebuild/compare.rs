//! Both sides of a tenant at the same position: rows that came, went or changed, and what all amounts add up to.

use std::collections::BTreeMap;

use holdfast_domain::kernel::TenantId;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::rebuild::RebuildError;
use crate::runtime::Table;

/// Keys that are named per table.
const SAMPLES: usize = 10;

/// What a rebuild would change. All numbers are over all tenants of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    pub tenants: u64,
    pub tables: Vec<TableDiff>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDiff {
    pub table: String,
    pub rows_before: i64,
    pub rows_after: i64,
    /// In the rebuild only.
    pub added: i64,
    /// On the side that is read only.
    pub gone: i64,
    pub changed: i64,
    /// The first of them.
    pub samples: Vec<Sample>,
    /// Every column of amounts, per currency where the table has one.
    pub totals: Vec<Total>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub tenant_id: TenantId,
    /// The primary key without the tenant, as the database writes a row.
    pub key: String,
    /// `added`, `gone` or `changed`.
    pub what: String,
}

/// Major units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    pub column: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    pub before: Decimal,
    pub after: Decimal,
}

impl Diff {
    /// No row differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.added == 0 && table.gone == 0 && table.changed == 0)
    }
}

/// Sums up over tenants.
#[derive(Debug)]
pub(super) struct Comparison {
    tenants: u64,
    tables: Vec<(Table, TableDiff, Sums)>,
}

/// By column and currency: before, after.
type Sums = BTreeMap<(&'static str, Option<String>), (Decimal, Decimal)>;

impl Comparison {
    pub(super) fn of(tables: Vec<Table>) -> Self {
        let empty = |table: Table| (table, TableDiff { table: table.name.to_owned(), ..TableDiff::default() }, Sums::new());
        Self { tenants: 0, tables: tables.into_iter().map(empty).collect() }
    }

    /// `snapshot`: sees both sides at the same position.
    pub(super) async fn add(&mut self, snapshot: &mut PgConnection, tenant_id: TenantId) -> Result<(), RebuildError> {
        self.tenants += 1;
        for (table, diff, sums) in &mut self.tables {
            rows(snapshot, table, tenant_id, diff).await?;
            totals(snapshot, table, tenant_id, sums).await?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Diff {
        let total = |((column, currency), (before, after)): ((&str, Option<String>), (Decimal, Decimal))| Total {
            column: column.to_owned(),
            currency,
            before,
            after,
        };
        let tables =
            self.tables.into_iter().map(|(_, diff, sums)| TableDiff { totals: sums.into_iter().map(total).collect(), ..diff }).collect();
        Diff { tenants: self.tenants, tables }
    }
}

async fn rows(snapshot: &mut PgConnection, table: &Table, tenant_id: TenantId, diff: &mut TableDiff) -> Result<(), RebuildError> {
    let wanted = i64::try_from(SAMPLES.saturating_sub(diff.samples.len())).unwrap_or_default();
    let (before, after, added, gone, changed, keys, whats): (i64, i64, i64, i64, i64, Vec<String>, Vec<String>) =
        sqlx::query_as(&table.compare_sides()).bind(tenant_id.uuid()).bind(wanted).fetch_one(snapshot).await?;
    diff.rows_before += before;
    diff.rows_after += after;
    diff.added += added;
    diff.gone += gone;
    diff.changed += changed;
    diff.samples.extend(keys.into_iter().zip(whats).map(|(key, what)| Sample { tenant_id, key, what }));
    Ok(())
}

async fn totals(snapshot: &mut PgConnection, table: &Table, tenant_id: TenantId, sums: &mut Sums) -> Result<(), RebuildError> {
    for column in table.exact {
        let found: Vec<(Option<String>, Decimal, Decimal)> =
            sqlx::query_as(&table.sum_sides(column)).bind(tenant_id.uuid()).fetch_all(&mut *snapshot).await?;
        for (currency, before, after) in found {
            let sum = sums.entry((column, currency)).or_default();
            sum.0 = sum.0.checked_add(before).ok_or(RebuildError::Total)?;
            sum.1 = sum.1.checked_add(after).ok_or(RebuildError::Total)?;
        }
    }
    Ok(())
}
