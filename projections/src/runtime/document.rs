//! Read models that hold their aggregate: one row per stream with the aggregate's own state, folded by the aggregate
//! itself, beside the columns that help to find and sort it. So a rule that the domain folds is never written twice.
//!
//! Personal values stay sealed in the state; the projector opens them into `texts`, and answers put them in their place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use holdfast_domain::event::EventOf;
use holdfast_domain::kernel::{Personal, Sealed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::query::{Direction, List, Page, QueryError, Reading};
use crate::runtime::{ApplyError, Event, Table, View};

/// An aggregate that is its own read model.
pub trait Documented: EventOf + Default + Clone + Serialize + DeserializeOwned {
    /// Made with [`document_table`](crate::document_table).
    const TABLE: Table;

    /// Values of the table's own columns, by name: what lists filter and sort by.
    fn columns(&self) -> Map<String, Value>;
}

/// The table of a [`Documented`] aggregate: its name and its own columns; those that every document has come first.
#[macro_export]
macro_rules! document_table {
    ($name:literal $(, $column:literal)* $(,)?) => {
        $crate::runtime::Table {
            name: $name,
            key: &["id"],
            columns: &["version", "position", "status", "created_at", "updated_at", "state", "texts" $(, $column)*],
            exact: &[],
        }
    };
}

/// Rows are of another version when `shape` says so or when the aggregate folds anew.
#[must_use]
pub const fn document_version<A: EventOf>(shape: u32) -> i32 {
    (shape + 100 * A::FOLD_VERSION).cast_signed()
}

/// One row.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "A: Serialize + DeserializeOwned")]
pub struct Document<A> {
    id: Uuid,
    version: i64,
    position: i64,
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    state: A,
    texts: Texts,
    #[serde(flatten)]
    columns: Map<String, Value>,
}

/// The plain values of what is sealed in a state, by the nonce that sealed it; null when its person was erased.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Texts(BTreeMap<String, Text>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Text {
    subject: Uuid,
    value: Option<Value>,
}

impl<A: Documented> View for Document<A> {
    const TABLE: Table = A::TABLE;
    const PERSONAL: &'static [&'static str] = &["texts"];

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        Ok(event.event.of::<A>().map(|_| event.origin.aggregate_id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            id,
            version: 0,
            position: 0,
            status: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            state: A::default(),
            texts: Texts::default(),
            columns: Map::new(),
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(own) = event.event.of::<A>() else { return Ok(()) };
        if self.version == 0 {
            self.created_at = event.metadata.occurred_at;
        }
        self.version = event.origin.sequence;
        self.position = event.position;
        self.updated_at = event.metadata.occurred_at;
        self.state.apply(own.clone());
        self.state.status().clone_into(&mut self.status);
        self.columns = self.state.columns();
        for sealed in event.event.personal() {
            let text = Text { subject: sealed.subject.uuid(), value: event.open_value(sealed)? };
            self.texts.0.insert(sealed.nonce.clone(), text);
        }
        self.texts.keep_those_in(&serde_json::to_value(&self.state)?);
        Ok(())
    }
}

impl Texts {
    /// The plain value; none when its person was erased.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, personal: &Personal<T>) -> Option<T> {
        let value = self.0.get(&personal.sealed().nonce)?.value.clone()?;
        serde_json::from_value(value).ok()
    }

    /// As [`Texts::open`].
    #[must_use]
    pub fn open_some<T: DeserializeOwned>(&self, personal: Option<&Personal<T>>) -> Option<T> {
        personal.and_then(|personal| self.open(personal))
    }

    /// What the state has let go of is not kept either.
    fn keep_those_in(&mut self, state: &Value) {
        if self.0.is_empty() {
            return;
        }
        let mut nonces = BTreeSet::new();
        collect_nonces(state, &mut nonces);
        self.0.retain(|nonce, _| nonces.contains(nonce));
    }
}

fn collect_nonces(value: &Value, nonces: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => match Sealed::deserialize(value) {
            Ok(sealed) => drop(nonces.insert(sealed.nonce)),
            Err(_) => fields.values().for_each(|field| collect_nonces(field, nonces)),
        },
        Value::Array(items) => items.iter().for_each(|item| collect_nonces(item, nonces)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A row as queries read it.
#[derive(Debug, Clone)]
pub struct Stored<A> {
    pub id: Uuid,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub state: A,
    pub texts: Texts,
}

#[derive(FromRow)]
struct StoredRow {
    id: Uuid,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    state: String,
    texts: String,
}

const COLUMNS: &str = "id, version, created_at, updated_at, state::text AS state, texts::text AS texts";

impl StoredRow {
    fn read<A: Documented>(self) -> Result<Stored<A>, QueryError> {
        let Self { id, version, created_at, updated_at, state, texts } = self;
        Ok(Stored { id, version, created_at, updated_at, state: serde_json::from_str(&state)?, texts: serde_json::from_str(&texts)? })
    }
}

/// The tenant's row; none when it has no such stream.
pub(crate) async fn find<A: Documented>(reading: &mut Reading, id: Uuid) -> Result<Option<Stored<A>>, QueryError> {
    let sql = format!("SELECT {COLUMNS} FROM {} WHERE tenant_id = $1 AND id = $2", A::TABLE.name);
    let tenant_id = reading.tenant_id.uuid();
    let row: Option<StoredRow> = sqlx::query_as(&sql).bind(tenant_id).bind(id).fetch_optional(reading.connection()).await?;
    row.map(StoredRow::read).transpose()
}

/// One page of the tenant's rows by time of creation. `narrow` adds ` AND …` conditions on the table's columns.
pub(crate) async fn list<A: Documented>(
    reading: &mut Reading,
    page: &Page,
    direction: Direction,
    narrow: impl FnOnce(&mut QueryBuilder<'_, Postgres>),
) -> Result<List<Stored<A>>, QueryError> {
    let sort = format!("{}:created_at:{}", A::TABLE.name, direction.sql());
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(&sort)?;
    let mut sql = QueryBuilder::<Postgres>::new(format!("SELECT {COLUMNS} FROM {} WHERE tenant_id = ", A::TABLE.name));
    sql.push_bind(reading.tenant_id.uuid());
    narrow(&mut sql);
    if let Some((created_at, id)) = after {
        sql.push(format!(" AND (created_at, id) {} (", direction.beyond())).push_bind(created_at).push(", ").push_bind(id).push(")");
    }
    let order = direction.sql();
    sql.push(format!(" ORDER BY created_at {order}, id {order} LIMIT ")).push_bind(page.fetch());
    let rows: Vec<StoredRow> = sql.build_query_as().fetch_all(reading.connection()).await?;
    page.list(&sort, rows, |row| (row.created_at, row.id))?.try_map(StoredRow::read)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_the_state_has_let_go_of_is_not_kept() {
        let sealed = |nonce: &str| json!({"subject": Uuid::nil(), "keyId": Uuid::nil(), "nonce": nonce, "ciphertext": ""});
        let text = || Text { subject: Uuid::nil(), value: Some(json!("Ada")) };
        let mut texts = Texts([("kept".to_owned(), text()), ("gone".to_owned(), text())].into());
        texts.keep_those_in(&json!({"signers": [{"name": sealed("kept")}], "note": null}));
        let personal = |nonce| serde_json::from_value::<Personal<String>>(sealed(nonce)).unwrap();
        assert_eq!(texts.open(&personal("kept")), Some("Ada".to_owned()));
        assert_eq!(texts.open(&personal("gone")), None);
    }
}
