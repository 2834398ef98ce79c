//! Projections that move together, and those that cannot for a while (decision 0018).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use holdfast_domain::escrow::{EscrowFact, EscrowStatus};
use holdfast_eventlog::subscription::{ConsumeError, Consumer};
use holdfast_projections::personal::Keys;
use holdfast_projections::projectors;
use sqlx::Executor;
use support::{Database, History, eur, tenant, with};

const TENANT: u128 = 0x11;

async fn consumers(database: &Database, history: &History) -> Vec<Arc<dyn Consumer>> {
    projectors(&database.pool_as("holdfast_projector").await, &(Arc::new(history.keys.clone()) as Arc<dyn Keys>))
}

/// Lets each consumer that has something to do go on to the end of the history, as a subscription would. Those that did not get there.
async fn go_on(consumers: &[Arc<dyn Consumer>], history: &History, size: usize) -> Vec<String> {
    let mut stuck = Vec::new();
    for consumer in consumers {
        if !consumer.owns(history.tenant) {
            continue;
        }
        if let Err(error) = to_the_end(&**consumer, history, size).await {
            assert!(matches!(error, ConsumeError::Moved | ConsumeError::Failed(_)), "{error}");
            stuck.push(consumer.name().to_owned());
        }
    }
    stuck
}

async fn to_the_end(consumer: &dyn Consumer, history: &History, size: usize) -> Result<(), ConsumeError> {
    let mut at = consumer.checkpoints().await?.get(&history.tenant).copied().unwrap_or_default();
    for batch in history.feed()[usize::try_from(at).unwrap()..].chunks(size) {
        consumer.consume(history.tenant, at, batch).await?;
        at = batch.last().unwrap().position;
    }
    Ok(())
}

/// Where each projection stands.
async fn positions(database: &Database) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT projection, position FROM projection_checkpoints").fetch_all(&database.admin).await.unwrap();
    rows.into_iter().collect()
}

/// Where `audit` stands, after all the others were found at `head`.
async fn audit_behind(database: &Database, head: i64) -> i64 {
    let mut positions = positions(database).await;
    let audit = positions.remove("audit").unwrap();
    assert!(!positions.is_empty() && positions.values().all(|position| *position == head), "{positions:?}");
    audit
}

#[tokio::test]
async fn rows_are_the_same_together_and_alone() {
    with(|database| async move {
        let history = History::of_everything(tenant(TENANT));
        let tables = database.tables().await;
        let mut dumps = Vec::new();
        for size in [1, 7, 500] {
            assert!(go_on(&consumers(&database, &history).await, &history, size).await.is_empty());
            assert!(positions(&database).await.values().all(|position| *position == history.head()));
            dumps.push(join_all(tables.iter().map(|table| database.dump(table))).await);
            empty(&database, &tables).await;
        }
        database.project(&history, 11).await;
        let alone = join_all(tables.iter().map(|table| database.dump(table))).await;
        for together in dumps {
            for (table, (together, alone)) in tables.iter().zip(together.iter().zip(&alone)) {
                assert_eq!(together, alone, "{table}");
            }
        }
    })
    .await;
}

async fn empty(database: &Database, tables: &[String]) {
    let owned: Vec<String> = sqlx::query_scalar("SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relname = ANY($1)")
        .bind(tables)
        .fetch_all(&database.admin)
        .await
        .unwrap();
    database.admin.execute(format!("TRUNCATE {}", owned.join(", ")).as_str()).await.unwrap();
}

#[tokio::test]
async fn one_that_stops_keeps_the_others_from_nothing() {
    with(|database| async move {
        let mut history = History::new(tenant(TENANT));
        history.deposit(0xBA1, eur("10.00"));
        history.create(0xE1, eur("10.00"));
        let funded_by_nobody = EscrowFact::Funded { amount: eur("10.00"), parts: Vec::new() };
        history.escrow(0xE1, EscrowStatus::FundingPending, EscrowStatus::Funded, None, funded_by_nobody);
        let guilty = history.head();
        history.deposit(0xBA2, eur("5.00"));
        let consumers = consumers(&database, &history).await;
        go_on(&consumers, &history, 100).await;
        let mut positions = positions(&database).await;
        assert_eq!(positions.remove("ledger"), Some(guilty - 1));
        assert!(positions.values().all(|position| *position == history.head()), "{positions:?}");
        let stopped: Vec<(String, i64)> =
            sqlx::query_as("SELECT projection, position FROM projection_failures").fetch_all(&database.admin).await.unwrap();
        assert_eq!(stopped, [("ledger".to_owned(), guilty)]);
        // Nor later.
        history.deposit(0xBA3, eur("5.00"));
        assert!(go_on(&consumers, &history, 100).await.is_empty());
        assert_eq!(database.count("SELECT min(position) FROM projection_checkpoints WHERE projection <> 'ledger'").await, history.head());
    })
    .await;
}

#[tokio::test]
async fn one_that_was_paused_goes_on_alone_and_joins_the_others_again() {
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        let consumers = consumers(&database, &history).await;
        let pause = format!(
            "INSERT INTO rebuild.projection_pauses (projection, tenant_id, paused_by) VALUES ('audit', '{}', 'a test')",
            history.tenant
        );
        database.admin.execute(pause.as_str()).await.unwrap();
        go_on(&consumers, &history, 100).await;
        assert_eq!(audit_behind(&database, history.head()).await, 0);

        database.admin.execute("DELETE FROM rebuild.projection_pauses").await.unwrap();
        history.deposit(0xBB1, eur("1.00"));
        assert!(go_on(&consumers, &history, 100).await.is_empty());
        assert_eq!(audit_behind(&database, history.head()).await, history.head(), "seen by the others' next batch");
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());

        // Without a new event the others' look at the checkpoints tells.
        database.admin.execute("UPDATE projection_checkpoints SET position = 3 WHERE projection = 'audit'").await.unwrap();
        database.admin.execute("DELETE FROM audit_log WHERE position > 3").await.unwrap();
        let together = consumers.first().unwrap();
        together.checkpoints().await.unwrap();
        assert!(go_on(&consumers, &history, 100).await.is_empty());
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());

        history.deposit(0xBB2, eur("1.00"));
        to_the_end(&**together, &history, 100).await.unwrap();
        assert_eq!(audit_behind(&database, history.head()).await, history.head());
        assert!(consumers[1..].iter().all(|alone| !alone.owns(history.tenant)), "nobody has anything to do alone");
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_one_that_somebody_else_works_on() {
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        let consumers = consumers(&database, &history).await;
        go_on(&consumers, &history, 100).await;
        for lock in [
            "SELECT FROM projection_checkpoints WHERE projection = 'audit' FOR UPDATE",
            "LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE", // until the lock timeout
        ] {
            let before = history.head();
            let mut other = database.admin.begin().await.unwrap();
            other.execute(lock).await.unwrap();
            history.deposit(0xBC00 + u128::try_from(before).unwrap(), eur("1.00"));
            to_the_end(&**consumers.first().unwrap(), &history, 100).await.unwrap();
            assert_eq!(audit_behind(&database, history.head()).await, before, "{lock}");
            other.rollback().await.unwrap();
            history.deposit(0xBD00 + u128::try_from(before).unwrap(), eur("1.00"));
            assert!(go_on(&consumers, &history, 100).await.is_empty());
            assert_eq!(audit_behind(&database, history.head()).await, history.head());
        }
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());
    })
    .await;
}

#[tokio::test]
async fn two_processes_at_the_same_tenant_count_nothing_twice() {
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        for n in 0..60 {
            history.deposit(0xBB00 + n, eur("3.33"));
        }
        let history = Arc::new(history);
        let racers = (0..4).map(|n| {
            let (database, history) = (Arc::clone(&database), Arc::clone(&history));
            tokio::spawn(async move {
                let consumers = consumers(&database, &history).await;
                for _ in 0..200 {
                    go_on(&consumers, &history, 3 + n).await;
                    if positions(&database).await.values().all(|position| *position == history.head()) {
                        return;
                    }
                }
            })
        });
        join_all(racers).await.into_iter().for_each(|racer| racer.unwrap());
        let raced = join_all(["wallets", "journal_lines", "accounts", "audit_log"].map(|table| database.dump(table))).await;
        empty(&database, &database.tables().await).await;
        database.project(&history, 11).await;
        let alone = join_all(["wallets", "journal_lines", "accounts", "audit_log"].map(|table| database.dump(table))).await;
        assert_eq!(raced, alone);
    })
    .await;
}

#[tokio::test]
async fn rows_and_checkpoints_are_written_together_or_not_at_all() {
    // NFR-19
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let consumers = consumers(&database, &history).await;
        let refuse =
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now' USING ERRCODE = '55P03'; END $$;
                      CREATE TRIGGER refuse BEFORE UPDATE ON projection_checkpoints FOR EACH ROW EXECUTE FUNCTION refuse()";
        database.admin.execute(refuse).await.unwrap();
        let outcome = to_the_end(&**consumers.first().unwrap(), &history, 100).await;
        assert!(matches!(outcome, Err(ConsumeError::Failed(_))), "{outcome:?}");
        for table in ["audit_log", "journal_lines", "wallets", "escrows"] {
            assert_eq!(database.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        database.admin.execute("DROP TRIGGER refuse ON projection_checkpoints").await.unwrap();
        go_on(&consumers, &history, 100).await;
        go_on(&consumers, &history, 100).await;
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());
        assert!(positions(&database).await.values().all(|position| *position == history.head()));
    })
    .await;
}

#[tokio::test]
async fn they_go_on_in_one_statement_only_from_where_this_process_left_them() {
    // Decision 0024: no lock before the fold, and yet nothing is written from anywhere else.
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        let consumers = consumers(&database, &history).await;
        let together = consumers.first().unwrap();
        history.deposit(0xBE0, eur("1.00"));
        go_on(&consumers, &history, 100).await;
        let told = "CREATE TABLE public.told (by text); GRANT INSERT ON public.told TO PUBLIC;
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.told VALUES (current_query()); RETURN NULL; END $$;
            CREATE TRIGGER tell AFTER UPDATE ON projection_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION tell()";
        database.admin.execute(told).await.unwrap();
        let in_one_statement = || database.count("SELECT count(*) FROM public.told WHERE by LIKE '%held AS MATERIALIZED%'");

        history.deposit(0xBE1, eur("1.00"));
        to_the_end(&**together, &history, 100).await.unwrap();
        assert_eq!(in_one_statement().await, 1);

        // Somebody else has written: even where the position is the same, what is remembered does not count.
        database.admin.execute("UPDATE projection_checkpoints SET position = position WHERE projection = 'wallet'").await.unwrap();
        history.deposit(0xBE2, eur("1.00"));
        to_the_end(&**together, &history, 100).await.unwrap();
        assert_eq!(in_one_statement().await, 1);
        history.deposit(0xBE3, eur("1.00"));
        to_the_end(&**together, &history, 100).await.unwrap();
        assert_eq!(in_one_statement().await, 2, "and from there again");

        // One that is told to wait keeps them from it, and stays where it is.
        let before = history.head();
        let pause = "INSERT INTO rebuild.projection_pauses (projection, tenant_id, paused_by) VALUES ('audit', '00000000-0000-0000-0000-000000000000', 'a test')";
        database.admin.execute(pause).await.unwrap();
        history.deposit(0xBE4, eur("1.00"));
        to_the_end(&**together, &history, 100).await.unwrap();
        assert_eq!((in_one_statement().await, audit_behind(&database, history.head()).await), (2, before));
        database.admin.execute("DELETE FROM rebuild.projection_pauses").await.unwrap();
        go_on(&consumers, &history, 100).await;
        go_on(&consumers, &history, 100).await;

        database.admin.execute("DROP TRIGGER tell ON projection_checkpoints; DROP TABLE public.told").await.unwrap();
        let tables = ["wallets", "journal_lines", "accounts", "audit_log"];
        let went_on = join_all(tables.map(|table| database.dump(table))).await;
        empty(&database, &database.tables().await).await;
        database.project(&history, 11).await;
        assert_eq!(went_on, join_all(tables.map(|table| database.dump(table))).await);
    })
    .await;
}
