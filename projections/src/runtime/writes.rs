//! What a batch writes, into however many tables: one statement, with an array per column. The server works a quarter less on arrays than
//! on the same rows as a JSON text, and a round trip costs as much as a few rows (decision 0020).

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_domain::kernel::TenantId;
use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Encode, PgConnection, Postgres, Type};

use crate::runtime::columns::{Kind, Values, take_apart};
use crate::runtime::projection::FoldError;
use crate::runtime::reads::Reads;
use crate::runtime::{ApplyError, Table};

/// How rows get into one table.
pub(super) struct Write {
    table: Table,
    replaces: bool,
    /// Asked again after an error: a migration may have changed the table.
    shape: Mutex<Option<Arc<Shape>>>,
}

enum Shape {
    /// Names and types.
    Columns(Vec<(&'static str, String)>),
    /// For tables with a column of arrays, which `unnest` would take apart.
    Json,
}

impl Write {
    /// Rows that are not there yet.
    pub(super) fn insert(table: Table) -> Arc<Self> {
        Arc::new(Self { table, replaces: false, shape: Mutex::default() })
    }

    /// Those that are there are replaced.
    pub(super) fn upsert(table: Table) -> Arc<Self> {
        Arc::new(Self { table, replaces: true, shape: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<Shape>>> {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the database has the table; asked once.
    async fn shape(&self, reads: &mut dyn Reads) -> Result<Arc<Shape>, FoldError> {
        let known = self.known().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let stored: Vec<(String, String)> = sqlx::query_as(
            "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        )
        .bind(self.table.name)
        .fetch_all(reads.connection().await?)
        .await?;
        let of = |name: &'static str| {
            let found = stored.iter().find(|(stored, _)| stored == name);
            found.map(|(_, sql)| (name, sql.clone())).ok_or_else(|| sqlx::Error::ColumnNotFound(name.to_owned()))
        };
        let columns: Vec<(&'static str, String)> = self.table.all_columns().map(of).collect::<Result<_, _>>()?;
        let shape = Arc::new(if columns.iter().any(|(_, sql)| sql.ends_with("[]")) { Shape::Json } else { Shape::Columns(columns) });
        *self.known() = Some(Arc::clone(&shape));
        Ok(shape)
    }

    /// `$1` is the tenant; `first` the parameter that comes next.
    fn sql(&self, shape: &Shape, first: usize) -> String {
        let table = self.table;
        let insert = match shape {
            Shape::Columns(columns) => insert(table.name, columns, first),
            Shape::Json => table.insert_json(first),
        };
        if self.replaces { insert + &table.on_conflict() } else { insert }
    }
}

fn insert(table: &str, columns: &[(&str, String)], first: usize) -> String {
    let list = |part: &dyn Fn(usize, &str, &str) -> String| {
        columns.iter().enumerate().map(|(at, (name, sql))| part(at, name, sql)).collect::<Vec<_>>().join(", ")
    };
    let names = list(&|_, name, _| name.to_owned());
    let arrays = list(&|at, _, sql| format!("${}::{}[]", first + at, Kind::of(sql).sql()));
    let values = list(&|_, name, sql| if Kind::of(sql).sql() == sql { format!("r.{name}") } else { format!("r.{name}::{sql}") });
    format!("INSERT INTO {table} (tenant_id, {names}) SELECT $1, {values} FROM unnest({arrays}) AS r ({names})")
}

/// What a batch has to write, until it is sent.
#[derive(Default)]
pub(crate) struct Writes(Vec<Part>);

/// One table's rows.
struct Part {
    write: Arc<Write>,
    shape: Arc<Shape>,
    rows: Rows,
}

enum Rows {
    Columns(Vec<Values>),
    Json(String),
}

impl Writes {
    pub(super) async fn add<R: Serialize>(&mut self, write: &Arc<Write>, reads: &mut dyn Reads, rows: &[R]) -> Result<(), FoldError> {
        if rows.is_empty() {
            return Ok(());
        }
        let shape = write.shape(reads).await?;
        let rows = match &*shape {
            Shape::Columns(columns) => {
                let columns = columns.iter().map(|(name, sql)| (*name, Kind::of(sql)));
                Rows::Columns(take_apart(columns, rows).map_err(ApplyError::from)?)
            }
            Shape::Json => Rows::Json(serde_json::to_string(rows).map_err(ApplyError::from)?),
        };
        self.0.push(Part { write: Arc::clone(write), shape, rows });
        Ok(())
    }

    /// The beginning of the statement that writes it all.
    pub(super) fn statement(self, tenant_id: TenantId) -> Result<Statement, sqlx::Error> {
        let mut statement = Statement { parts: String::new(), arguments: PgArguments::default(), writes: Vec::new() };
        statement.bind(tenant_id.uuid())?;
        for (number, Part { write, shape, rows }) in self.0.into_iter().enumerate() {
            let sql = write.sql(&shape, statement.arguments.len() + 1);
            let _ = write!(statement.parts, "w{number} AS ({sql}), ");
            statement.writes.push(write);
            match rows {
                Rows::Columns(columns) => columns.into_iter().try_for_each(|column| column.add_to(&mut statement.arguments)),
                Rows::Json(rows) => statement.arguments.add(rows),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(statement)
    }

    /// Sends it all and nothing else.
    pub(crate) async fn run(self, connection: &mut PgConnection, tenant_id: TenantId) -> Result<(), sqlx::Error> {
        self.statement(tenant_id)?.run(connection, "done AS (SELECT 0::bigint AS n) SELECT n FROM done").await.map(drop)
    }
}

/// A statement that begins with writes; its end is still to come.
pub(super) struct Statement {
    parts: String,
    arguments: PgArguments,
    writes: Vec<Arc<Write>>,
}

impl Statement {
    /// Adds a parameter; gives its place, as `$n`.
    pub(super) fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(&mut self, value: T) -> Result<String, sqlx::Error> {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        Ok(format!("${}", self.arguments.len()))
    }

    /// `end`: at least one more part of `WITH`, and the `SELECT`, of one number.
    pub(super) async fn run(self, connection: &mut PgConnection, end: &str) -> Result<i64, sqlx::Error> {
        let sql = format!("WITH {}{end}", self.parts);
        // `fetch_all` waits for the commit, where the statement is its own transaction; `fetch_one` would not.
        let answer: Result<Vec<i64>, _> = sqlx::query_scalar_with(&sql, self.arguments).fetch_all(connection).await;
        if answer.is_err() {
            self.writes.iter().for_each(|write| *write.known() = None);
        }
        answer?.first().copied().ok_or(sqlx::Error::RowNotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_an_array_of_a_type_that_the_server_need_not_guess() {
        let columns = [("thing_id", "uuid"), ("amount", "numeric"), ("made_at", "timestamp with time zone"), ("change", "json")];
        assert_eq!(
            insert("things", &columns.map(|(name, sql)| (name, sql.to_owned())), 2),
            "INSERT INTO things (tenant_id, thing_id, amount, made_at, change) SELECT $1, r.thing_id, r.amount::numeric, r.made_at, r.change::json \
             FROM unnest($2::uuid[], $3::text[], $4::timestamp with time zone[], $5::text[]) AS r (thing_id, amount, made_at, change)"
        );
    }
}
