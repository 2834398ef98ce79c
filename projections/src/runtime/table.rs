//! A table as a projection describes it, and the two ways in which events become its rows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event};

/// Its columns, without `tenant_id`, which comes first in every key and which the runtime fills in.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    /// The rest of the primary key after `tenant_id`.
    pub key: &'static [&'static str],
    /// Every other column.
    pub columns: &'static [&'static str],
    /// Those of type numeric: read as text, so that no amount ever passes through a float.
    pub exact: &'static [&'static str],
}

/// A table whose rows change: loaded, folded in memory, written back. Its key is one id; what is known by several
/// values has an id derived from them.
pub trait View: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    const TABLE: Table;
    /// JSON columns with opened values, each as `{"subject": .., "value": ..}` at any depth: the runtime makes the values
    /// null when their person is erased. No opened value may stand anywhere else.
    const PERSONAL: &'static [&'static str] = &[];
    /// Written rows are kept in memory and not read again: for rows that change often, are small and hold no opened values.
    const REMEMBERED: bool = false;

    /// The rows that the event touches, known from the event alone.
    ///
    /// # Errors
    /// As [`View::apply`].
    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError>;

    /// True: no event before this one can have touched the row, so that it need not be looked for.
    ///
    /// # Errors
    /// As [`View::apply`].
    fn begins(_event: &Event<'_>, _id: Uuid) -> Result<bool, ApplyError> {
        Ok(false)
    }

    /// The row before its first event.
    fn new(id: Uuid) -> Self;

    fn id(&self) -> Uuid;

    /// Pure: no clock, no random, nothing read. Sees each event once for each of its keys.
    ///
    /// # Errors
    /// When the event cannot follow on this row.
    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError>;
}

/// A table whose rows are only added.
pub trait Facts: Serialize + Send + Sync + 'static {
    const TABLE: Table;
    /// As [`View::PERSONAL`]; the projector needs the right to update these columns.
    const PERSONAL: &'static [&'static str] = &[];

    /// # Errors
    /// When the event cannot be told as rows.
    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError>
    where
        Self: Sized;
}

impl Table {
    pub(super) fn all_columns(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().chain(self.columns).copied()
    }

    /// `$1` tenant, `$2` ids; gives one JSON text per row.
    pub(super) fn select(&self) -> String {
        let column = |name| if self.exact.contains(&name) { format!("{name}::text AS {name}") } else { name.to_owned() };
        let columns = self.all_columns().map(column).collect::<Vec<_>>().join(", ");
        let (table, key) = (self.name, self.key.join(", "));
        format!("SELECT row_to_json(r)::text FROM (SELECT {columns} FROM {table} WHERE tenant_id = $1 AND {key} = ANY($2)) r")
    }

    /// `$1` tenant, `$2` an id; gives key and `personal` columns of the rows that name it there, as JSON texts.
    pub(super) fn select_about(&self, side: &str, personal: &[&str]) -> String {
        let columns = self.key.iter().chain(personal).copied().collect::<Vec<_>>().join(", ");
        let named = personal.iter().map(|name| format!("position($2 in {name}::text) > 0")).collect::<Vec<_>>().join(" OR ");
        format!("SELECT row_to_json(r)::text FROM (SELECT {columns} FROM {side}{} WHERE tenant_id = $1 AND ({named})) r", self.name)
    }

    /// `$1` tenant, `$2` rows of key and `personal` columns as a JSON array.
    pub(super) fn update_personal(&self, side: &str, personal: &[&str]) -> String {
        let set = personal.iter().map(|name| format!("{name} = n.{name}")).collect::<Vec<_>>().join(", ");
        let same = self.key.iter().map(|name| format!("t.{name} = n.{name}")).collect::<Vec<_>>().join(" AND ");
        let table = self.name;
        format!(
            "UPDATE {side}{table} t SET {set} FROM json_populate_recordset(NULL::{table}, $2::json) n WHERE t.tenant_id = $1 AND {same}"
        )
    }

    /// `$1` tenant, `$2` ids of series; gives the last row of each as JSON text. The key is id and position.
    pub(super) fn select_latest(&self) -> String {
        let column = |name| if self.exact.contains(&name) { format!("{name}::text AS {name}") } else { name.to_owned() };
        let columns = self.all_columns().map(column).collect::<Vec<_>>().join(", ");
        let (table, id) = (self.name, self.key.first().copied().unwrap_or_default());
        format!(
            "SELECT row_to_json(r)::text FROM unnest($2::uuid[]) AS wanted (id)
             CROSS JOIN LATERAL (SELECT {columns} FROM {table} WHERE tenant_id = $1 AND {id} = wanted.id ORDER BY position DESC LIMIT 1) r"
        )
    }

    /// `$1` tenant, `$2` rows as a JSON array, `$3` how many to name: keys of rows that are not the same, and how many.
    pub(super) fn compare(&self) -> String {
        let (table, key) = (self.name, self.key.join(", "));
        let columns = self.all_columns().collect::<Vec<_>>().join(", ");
        format!(
            "WITH stored AS (SELECT ROW({key})::text AS key, ROW({columns})::text AS row FROM {table} WHERE tenant_id = $1),
                  rebuilt AS (SELECT ROW({key})::text AS key, ROW({columns})::text AS row FROM json_populate_recordset(NULL::{table}, $2::json)),
                  different AS (SELECT key FROM stored FULL JOIN rebuilt USING (key) WHERE stored.row IS DISTINCT FROM rebuilt.row)
             SELECT (SELECT count(*) FROM rebuilt), (SELECT count(*) FROM different), ARRAY (SELECT key FROM different ORDER BY key LIMIT $3)"
        )
    }

    /// `$1` tenant, `$2` how many to name: rows on both sides, how many came, went and changed, keys and what happened to them.
    pub(crate) fn compare_sides(&self) -> String {
        let (table, key) = (self.name, self.key.join(", "));
        let columns = self.all_columns().collect::<Vec<_>>().join(", ");
        let side =
            |schema| format!("SELECT ROW({key})::text AS key, ROW({columns})::text AS row FROM {schema}.{table} WHERE tenant_id = $1");
        format!(
            "WITH live AS ({}), rebuilt AS ({}),
                  different AS (
                      SELECT key, CASE WHEN live.row IS NULL THEN 'added' WHEN rebuilt.row IS NULL THEN 'gone' ELSE 'changed' END AS what
                      FROM live FULL JOIN rebuilt USING (key) WHERE live.row IS DISTINCT FROM rebuilt.row),
                  named AS (SELECT key, what FROM different ORDER BY key LIMIT $2)
             SELECT (SELECT count(*) FROM live), (SELECT count(*) FROM rebuilt), (SELECT count(*) FROM different WHERE what = 'added'),
                    (SELECT count(*) FROM different WHERE what = 'gone'), (SELECT count(*) FROM different WHERE what = 'changed'),
                    ARRAY (SELECT key FROM named ORDER BY key), ARRAY (SELECT what FROM named ORDER BY key)",
            side("public"),
            side("shadow")
        )
    }

    /// `$1` tenant: what the column adds up to on both sides, per currency where the table has one.
    pub(crate) fn sum_sides(&self, column: &str) -> String {
        let table = self.name;
        let currency = if self.all_columns().any(|name| name == "currency") { "currency" } else { "NULL::text" };
        format!(
            "SELECT currency, coalesce(sum(amount) FILTER (WHERE NOT rebuilt), 0), coalesce(sum(amount) FILTER (WHERE rebuilt), 0) FROM (
                 SELECT {currency} AS currency, {column} AS amount, false AS rebuilt FROM public.{table} WHERE tenant_id = $1
                 UNION ALL
                 SELECT {currency}, {column}, true FROM shadow.{table} WHERE tenant_id = $1
             ) both_sides GROUP BY currency ORDER BY currency"
        )
    }

    /// `$1` tenant: the rows that this transaction has written, one JSON text each.
    pub(crate) fn select_written(&self) -> String {
        format!(
            "SELECT row_to_json(r)::text FROM (SELECT {} FROM {} WHERE tenant_id = $1 AND xmin = pg_current_xact_id()::xid) r",
            self.readable(),
            self.name
        )
    }

    /// `$1` tenant, `$2` rows as a JSON array: those of the same keys as they are stored, one JSON text each.
    pub(crate) fn select_same_keys(&self) -> String {
        let (table, readable, key) = (self.name, self.readable(), self.key.join(", "));
        format!(
            "SELECT row_to_json(r)::text FROM (SELECT {readable} FROM {table} WHERE tenant_id = $1
                 AND ({key}) IN (SELECT {key} FROM json_populate_recordset(NULL::{table}, $2::json))) r"
        )
    }

    /// All columns, exact ones as text.
    fn readable(&self) -> String {
        let column = |name| if self.exact.contains(&name) { format!("{name}::text AS {name}") } else { name.to_owned() };
        self.all_columns().map(column).collect::<Vec<_>>().join(", ")
    }

    /// `$1` tenant, parameter `rows` a JSON array.
    pub(super) fn insert_json(&self, rows: usize) -> String {
        let columns = self.all_columns().collect::<Vec<_>>().join(", ");
        let table = self.name;
        format!(
            "INSERT INTO {table} (tenant_id, {columns}) SELECT $1, {columns} FROM json_populate_recordset(NULL::{table}, ${rows}::json)"
        )
    }

    /// After an insert: rows that exist are replaced.
    pub(super) fn on_conflict(&self) -> String {
        let replaced = self.columns.iter().map(|name| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ");
        format!(" ON CONFLICT (tenant_id, {}) DO UPDATE SET {replaced}", self.key.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table { name: "things", key: &["thing_id"], columns: &["name", "amount"], exact: &["amount"] };

    #[test]
    fn every_statement_has_the_tenant_in_its_keys_and_lists_its_columns() {
        assert_eq!(
            TABLE.select(),
            "SELECT row_to_json(r)::text FROM (SELECT thing_id, name, amount::text AS amount FROM things WHERE tenant_id = $1 AND thing_id = ANY($2)) r"
        );
        assert_eq!(
            TABLE.insert_json(2) + &TABLE.on_conflict(),
            "INSERT INTO things (tenant_id, thing_id, name, amount) SELECT $1, thing_id, name, amount FROM \
             json_populate_recordset(NULL::things, $2::json) ON CONFLICT (tenant_id, thing_id) DO UPDATE SET name = excluded.name, \
             amount = excluded.amount"
        );
    }
}
