//! One thing that one role tries with its session set to one tenant; undone afterwards.

use sqlx::postgres::PgQueryResult;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::Tenants;
use super::catalogue::{Kind, Object, STRANGER};

/// What `app.tenant_id` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    None,
    A,
    B,
    Garbage,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// Insufficient privilege, or against a policy.
    Refused,
    /// Permitted, and no row of A or B was seen or changed.
    Nothing,
    /// Rows of A alone.
    A,
    B,
    Both,
    /// Permitted; there is no tenant in it.
    Yes,
    /// Permitted by rights; a trigger refuses.
    Guarded,
    /// The tenant that the session is set to is none.
    Error,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::A, Self::B, Self::Garbage];

    fn value(self, tenants: &Tenants) -> Option<String> {
        match self {
            Self::None => None,
            Self::A => Some(tenants.a.to_string()),
            Self::B => Some(tenants.b.to_string()),
            Self::Garbage => Some("' OR true --".to_owned()),
        }
    }
}

impl Answer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Nothing => "nothing",
            Self::A => "A",
            Self::B => "B",
            Self::Both => "A+B",
            Self::Yes => "yes",
            Self::Guarded => "guarded",
            Self::Error => "error",
        }
    }

    fn of(a: bool, b: bool) -> Self {
        match (a, b) {
            (false, false) => Self::Nothing,
            (true, false) => Self::A,
            (false, true) => Self::B,
            (true, true) => Self::Both,
        }
    }

    fn of_error(error: &sqlx::Error) -> Self {
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42501") => Self::Refused,
            Some("23001") => Self::Guarded,
            Some("22P02") => Self::Error,
            // Rights were no obstacle: what stood in the way is what the row says.
            Some("23502" | "23503" | "23505" | "23514" | "23P01") => Self::Yes,
            // A function that was let in and did not like its arguments.
            Some("22004" | "42601" | "P0001" | "0A000" | "39P03" | "42704" | "22023" | "55P03") => Self::Yes,
            _ => panic!("{error}"),
        }
    }
}

pub(crate) async fn run(
    connection: &mut PgConnection,
    object: &Object,
    operation: &str,
    role: &str,
    state: State,
    tenants: &Tenants,
) -> Answer {
    let rows = object.has_tenant() && operation != "truncate";
    match object.kind {
        Kind::Database | Kind::Schema => privilege(connection, object, operation, role).await,
        Kind::Table | Kind::View if rows => {
            let a = statement(connection, object, operation, role, state, Some(tenants.a), tenants).await;
            let b = statement(connection, object, operation, role, state, Some(tenants.b), tenants).await;
            match (a, b) {
                (Answer::Yes | Answer::Nothing, Answer::Yes | Answer::Nothing) => Answer::of(a == Answer::Yes, b == Answer::Yes),
                (Answer::Yes, Answer::Refused) => Answer::A,
                (Answer::Refused, Answer::Yes) => Answer::B,
                (a, b) if a == b => a,
                (Answer::Guarded, other) | (other, Answer::Guarded) => panic!("guarded for one tenant, {other:?} for the other"),
                (a, b) => panic!("{} {operation} {role} {state:?}: {a:?} for A, {b:?} for B", object.path()),
            }
        }
        Kind::Table | Kind::View | Kind::Sequence | Kind::Function => {
            statement(connection, object, operation, role, state, None, tenants).await
        }
    }
}

/// Databases and schemas: what the catalogue says of the role, and of everybody.
async fn privilege(connection: &mut PgConnection, object: &Object, operation: &str, role: &str) -> Answer {
    let what = if object.kind == Kind::Database {
        "has_database_privilege($1, current_database(), $2)"
    } else {
        "has_schema_privilege($1, $3, $2)"
    };
    let sql = format!("SELECT {what} WHERE $3 <> ''");
    let has: bool = sqlx::query_scalar(&sql).bind(role).bind(operation).bind(&object.schema).fetch_one(connection).await.unwrap();
    if has { Answer::Yes } else { Answer::Refused }
}

/// `Yes` when rows of the tenant were seen or changed, or when there is no tenant in it; `Nothing` when none were.
async fn statement(
    connection: &mut PgConnection,
    object: &Object,
    operation: &str,
    role: &str,
    state: State,
    of: Option<uuid::Uuid>,
    tenants: &Tenants,
) -> Answer {
    let path = object.path();
    let of_tenant = of.map(|tenant| format!(" WHERE tenant_id = '{tenant}'")).unwrap_or_default();
    let sql = match operation {
        "select" => format!("SELECT 1 FROM {path}{of_tenant}"),
        "insert" => match of {
            Some(tenant) => format!("INSERT INTO {path} (tenant_id) VALUES ('{tenant}')"),
            None => format!("INSERT INTO {path} DEFAULT VALUES"),
        },
        "update" => {
            let column = updatable(connection, object, role).await;
            format!("UPDATE {path} SET \"{column}\" = \"{column}\"{of_tenant}")
        }
        "delete" => format!("DELETE FROM {path}{of_tenant}"),
        "truncate" => format!("TRUNCATE {path}"),
        "nextval" => format!("SELECT nextval('{path}')"),
        "execute" => call(object),
        other => panic!("how is {other} tried?"),
    };
    let stranger: String =
        sqlx::query_scalar("SELECT coalesce(current_setting('app.stranger', true), '')").fetch_one(&mut *connection).await.unwrap();
    let role = if role == STRANGER { &stranger } else { role };
    let mut tx = connection.begin().await.unwrap();
    tx.execute(format!("SET LOCAL ROLE {role}").as_str()).await.unwrap();
    if let Some(tenant) = state.value(tenants) {
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant).execute(&mut *tx).await.unwrap();
    }
    let result: Result<PgQueryResult, sqlx::Error> = tx.execute(sql.as_str()).await;
    tx.rollback().await.unwrap();
    match result {
        Ok(_) if of.is_none() => Answer::Yes,
        Ok(done) if done.rows_affected() > 0 => Answer::Yes,
        Ok(_) => Answer::Nothing,
        Err(error) => Answer::of_error(&error),
    }
}

/// The first column that the role may update; any one, to be refused, when there is none.
async fn updatable(connection: &mut PgConnection, object: &Object, role: &str) -> String {
    let sql =
        "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
               ORDER BY has_column_privilege($2, attrelid, attnum, 'UPDATE') DESC, attnum LIMIT 1";
    sqlx::query(sql).bind(object.path()).bind(role).fetch_one(connection).await.unwrap().get(0)
}

/// With a null for every argument. Trigger functions refuse to be called, after the rights were looked at.
fn call(object: &Object) -> String {
    let name = object.name.split('(').next().unwrap_or_default();
    let nulls = vec!["NULL"; object.arguments].join(", ");
    format!("SELECT \"{}\".\"{name}\"({nulls})", object.schema)
}
