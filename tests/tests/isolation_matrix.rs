//! Everything in both databases × everything that can be done to it × every role × every tenant that a session can be set to,
//! tried, and compared with `docs/isolation/database.csv` (invariant 6, protocols 11). The catalogue says what there is: a table,
//! view or function without lines of its own fails. `UPDATE_DOCS=1` writes the file anew; read what changed, line by line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "matrix/attempt.rs"]
mod attempt; // one statement, tried and undone
#[path = "matrix/canary.rs"]
mod canary; // two tenants' rows in every table
#[path = "matrix/catalogue.rs"]
mod catalogue; // what there is, and who

use std::collections::BTreeSet;

use attempt::{Answer, State};
use catalogue::{Kind, Object, STRANGER};
use holdfast_tests::System;
use sqlx::PgConnection;
use uuid::Uuid;

/// The tenants whose rows are in every table.
pub(crate) struct Tenants {
    pub(crate) a: Uuid,
    pub(crate) b: Uuid,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    database: &'static str,
    schema: String,
    object: String,
    kind: &'static str,
    role: String,
    operation: &'static str,
    /// In the order of [`State::ALL`].
    answers: [Answer; 4],
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/isolation/database.csv");
const HEAD: &str = "database,schema,object,kind,role,operation,no tenant,tenant A,tenant B,garbage\n";

/// Roles that answer tenants: they see one tenant at a time, and write nothing.
const ONE_TENANT: [&str; 2] = ["holdfast_reader", "holdfast_auditor"];
/// Without rows of tenants, so without a tenant to be kept apart by.
const TENANTLESS: [&str; 3] = ["public._sqlx_migrations", "public.leases", "shadow._sqlx_migrations"];
/// Functions that act with their owner's rights: who may call them is in the file, what they touch is in their own text.
const DEFINERS: [&str; 7] = [
    "rebuild.drop_shadow_indexes",
    "rebuild.empty_shadow",
    "rebuild.exchange_checkpoints",
    "rebuild.make_shadow_index",
    "rebuild.refuse_older_side",
    "rebuild.swap_sides",
    "rebuild.swap_tenant",
];

async fn lines_of(database: &'static str, connection: &mut PgConnection, tenants: &Tenants) -> Vec<Line> {
    let roles = catalogue::roles(connection).await;
    let mut lines = Vec::new();
    for object in catalogue::objects(connection).await {
        for role in &roles {
            let mut of_role = Vec::new();
            for operation in object.operations() {
                let mut answers = [Answer::Refused; 4];
                for (state, answer) in State::ALL.into_iter().zip(&mut answers) {
                    *answer = attempt::run(connection, &object, operation, role, state, tenants).await;
                }
                of_role.push((*operation, answers));
            }
            // A role that may do nothing at all to it has one line that says so.
            if of_role.iter().all(|(_, answers)| *answers == [Answer::Refused; 4]) {
                of_role = vec![("anything", [Answer::Refused; 4])];
            }
            lines.extend(of_role.into_iter().map(|(operation, answers)| Line {
                database,
                schema: object.schema.clone(),
                object: object.name.clone(),
                kind: object.kind.name(),
                role: role.clone(),
                operation,
                answers,
            }));
        }
    }
    lines
}

impl Line {
    fn text(&self) -> String {
        let answers = self.answers.map(Answer::name).join(",");
        let Self { database, schema, object, kind, role, operation, .. } = self;
        let object = if object.contains(',') { format!("\"{object}\"") } else { object.clone() };
        format!("{database},{schema},{object},{kind},{role},{operation},{answers}\n")
    }

    /// What no reviewed file may allow.
    fn is_wrong(&self) -> Option<&'static str> {
        let [none, a, b, garbage] = self.answers;
        let everything_refused = self.answers == [Answer::Refused; 4];
        if self.role == STRANGER && !everything_refused {
            return Some("a role without rights can do something");
        }
        if self.object == "events" && matches!(self.operation, "update" | "delete" | "truncate") && !everything_refused {
            return Some("the log can be changed");
        }
        if !ONE_TENANT.contains(&self.role.as_str()) || everything_refused {
            return None;
        }
        if self.kind == "database" || self.kind == "schema" {
            return (!matches!(self.operation, "connect" | "usage")).then_some("a role that answers tenants makes things");
        }
        if self.operation != "select" {
            return Some("a role that answers tenants writes");
        }
        let apart = none == Answer::Nothing && a == Answer::A && b == Answer::B && matches!(garbage, Answer::Nothing | Answer::Error);
        (!apart).then_some("a role that answers tenants sees more, or less, than its tenant")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_do_what_in_both_databases_is_what_the_file_says() -> anyhow::Result<()> {
    let mut system = System::start().await?;
    system.kill()?;
    let tenants = Tenants { a: Uuid::new_v4(), b: Uuid::new_v4() };
    let mut lines = Vec::new();
    for (name, pool) in [("write", system.log_database().await?), ("read", system.read_database().await?)] {
        let mut connection = pool.acquire().await?.detach();
        canary::plant(&mut connection, &tenants).await;
        let stranger = catalogue::make_stranger(&mut connection).await;
        let found = lines_of(name, &mut connection, &tenants).await;
        catalogue::drop_stranger(&mut connection, &stranger).await;
        assert!(found.iter().any(|line| line.kind == Kind::Table.name()), "no table was found in the {name} database");
        lines.extend(found);
    }
    let wrong: Vec<_> = lines.iter().filter_map(|line| Some((line.is_wrong()?, line.text()))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let text = HEAD.to_owned() + &lines.iter().map(Line::text).collect::<String>();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, &text)?;
    }
    let expected = std::fs::read_to_string(FILE).unwrap_or_default();
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) = (text.lines().collect(), expected.lines().collect());
    let (new, gone): (Vec<_>, Vec<_>) = (found.difference(&expected).collect(), expected.difference(&found).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "docs/isolation/database.csv says otherwise.\nfound and not written there: {new:#?}\nwritten there and not found: {gone:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_catalogue_goes_round_the_policies() -> anyhow::Result<()> {
    let mut system = System::start().await?;
    system.kill()?;
    for pool in [system.log_database().await?, system.read_database().await?] {
        let mut connection = pool.acquire().await?.detach();
        assert_eq!(catalogue::strong_roles(&mut connection).await, Vec::<String>::new(), "superusers, or roles above the policies");
        assert_eq!(catalogue::memberships(&mut connection).await, Vec::<String>::new(), "roles that can become another one");
        let open: Vec<_> = catalogue::without_forced_policies(&mut connection).await;
        assert!(open.iter().all(|table| TENANTLESS.contains(&table.as_str())), "{open:?}");
        assert_eq!(catalogue::views_with_their_owners_rights(&mut connection).await, Vec::<String>::new());
        let definers = catalogue::definers(&mut connection).await;
        for (name, has_empty_path) in &definers {
            assert!(DEFINERS.contains(&name.as_str()) && *has_empty_path, "{name}: not in the list, or found by a path");
        }
        let objects: Vec<Object> = catalogue::objects(&mut connection).await;
        assert!(!objects.iter().any(|object| matches!(object.kind, Kind::Sequence)), "positions come from the heads, ids from hashes");
    }
    Ok(())
}
