//! What the catalogue of a database says is there.

use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Database,
    Schema,
    Table,
    View,
    Sequence,
    Function,
}

/// Something that has rights of its own.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) schema: String,
    /// Of functions with the types of their arguments.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Only tables and views have them; in the order of the table.
    pub(crate) columns: Vec<String>,
    /// Only functions; how many.
    pub(crate) arguments: usize,
}

/// Who has been granted nothing: what PUBLIC may.
pub(crate) const STRANGER: &str = "public";

const OURS: &str = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::View => "view",
            Self::Sequence => "sequence",
            Self::Function => "function",
        }
    }
}

impl Object {
    pub(crate) fn operations(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Database => &["connect", "create", "temporary"],
            Kind::Schema => &["usage", "create"],
            Kind::Table => &["select", "insert", "update", "delete", "truncate"],
            Kind::View => &["select", "insert", "update", "delete"],
            Kind::Sequence => &["nextval"],
            Kind::Function => &["execute"],
        }
    }

    pub(crate) fn has_tenant(&self) -> bool {
        self.columns.iter().any(|column| column == "tenant_id")
    }

    /// Quoted, for statements.
    pub(crate) fn path(&self) -> String {
        if self.kind == Kind::Function {
            format!("\"{}\".{}", self.schema, self.name)
        } else {
            format!("\"{}\".\"{}\"", self.schema, self.name)
        }
    }
}

/// Everything but Postgres' own, sorted.
pub(crate) async fn objects(connection: &mut PgConnection) -> Vec<Object> {
    let mut found = vec![Object { schema: "*".into(), name: "*".into(), kind: Kind::Database, columns: Vec::new(), arguments: 0 }];
    let schemas = format!("SELECT n.nspname::text FROM pg_namespace n WHERE {OURS} ORDER BY 1");
    for schema in sqlx::query_scalar::<_, String>(&schemas).fetch_all(&mut *connection).await.unwrap() {
        found.push(Object { schema, name: "*".into(), kind: Kind::Schema, columns: Vec::new(), arguments: 0 });
    }
    let relations = format!(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text,
                ARRAY (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {OURS} AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') ORDER BY 1, 2"
    );
    for row in connection.fetch_all(relations.as_str()).await.unwrap() {
        let kind = match row.get::<String, _>(2).as_str() {
            "v" | "m" => Kind::View,
            "S" => Kind::Sequence,
            _ => Kind::Table,
        };
        found.push(Object { schema: row.get(0), name: row.get(1), kind, columns: row.get(3), arguments: 0 });
    }
    let functions = format!(
        "SELECT n.nspname::text, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.pronargs::int
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OURS} ORDER BY 1, 2"
    );
    for row in connection.fetch_all(functions.as_str()).await.unwrap() {
        let arguments = usize::try_from(row.get::<i32, _>(2)).unwrap();
        found.push(Object { schema: row.get(0), name: row.get(1), kind: Kind::Function, columns: Vec::new(), arguments });
    }
    found
}

/// Ours, who log in and who do not, and whoever has been granted nothing.
pub(crate) async fn roles(connection: &mut PgConnection) -> Vec<String> {
    let mut roles = strings(connection, "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'holdfast\\_%' ORDER BY 1").await;
    roles.push(STRANGER.to_owned());
    roles
}

/// A role without a grant; `attempt` plays [`STRANGER`] as it.
pub(crate) async fn make_stranger(connection: &mut PgConnection) -> String {
    let name = format!("stranger_{}", Uuid::new_v4().simple());
    connection.execute(format!("CREATE ROLE {name}; SET app.stranger = '{name}'").as_str()).await.unwrap();
    name
}

pub(crate) async fn drop_stranger(connection: &mut PgConnection, name: &str) {
    connection.execute(format!("DROP ROLE {name}").as_str()).await.unwrap();
}

pub(crate) async fn strong_roles(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'holdfast\\_%'
               AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit)";
    strings(connection, sql).await
}

/// `member is holdfast_owner`: none of our roles may be able to become another one.
pub(crate) async fn memberships(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT format('%s is %s', m.rolname, r.rolname) FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member
               JOIN pg_roles r ON r.oid = a.roleid WHERE m.rolname LIKE 'holdfast\\_%' ORDER BY 1";
    strings(connection, sql).await
}

pub(crate) async fn without_forced_policies(connection: &mut PgConnection) -> Vec<String> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {OURS} AND c.relkind IN ('r', 'p', 'f') AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
    );
    strings(connection, &sql).await
}

/// Views must ask with the rights of whoever asks (`security_invoker`); materialised ones cannot, so there are none.
pub(crate) async fn views_with_their_owners_rights(connection: &mut PgConnection) -> Vec<String> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {OURS} AND (c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(c.reloptions @> '{{security_invoker=true}}', false)) ORDER BY 1"
    );
    strings(connection, &sql).await
}

/// Functions with their owner's rights, and whether they look names up in no schema.
pub(crate) async fn definers(connection: &mut PgConnection) -> Vec<(String, bool)> {
    let sql = format!(
        "SELECT n.nspname || '.' || p.proname, coalesce(p.proconfig @> ARRAY['search_path=\"\"'], false)
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OURS} AND p.prosecdef ORDER BY 1"
    );
    sqlx::query_as(&sql).fetch_all(connection).await.unwrap()
}

async fn strings(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}
