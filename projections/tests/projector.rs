//! The runtime against a real database: protocols 7 and 10.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::escrow::{EscrowFact, EscrowStatus};
use holdfast_eventlog::subscription::{ConsumeError, Consumer};
use holdfast_projections::all_projections;
use holdfast_projections::positions::{Behind, Positions};
use support::{Database, History, eur, feed, tenant, with};
use tokio_util::sync::CancellationToken;

const TENANT: u128 = 0x11;

/// Number of lines, and every balance of ledger and wallets.
async fn totals(database: &Database) -> (i64, Vec<String>) {
    let lines = database.count("SELECT count(*) FROM journal_lines").await;
    let balances = sqlx::query_scalar(
        "SELECT account_id || '=' || balance FROM accounts UNION ALL
         SELECT wallet_id || '=' || available || ' ' || held || ' ' || pending || ' v' || version FROM wallets ORDER BY 1",
    );
    (lines, balances.fetch_all(&database.admin).await.unwrap())
}

#[tokio::test]
async fn a_batch_is_given_up_when_its_checkpoint_has_moved() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let all = history.feed();
        let (one, two) = (database.projector("ledger", &history.keys).await, database.projector("ledger", &history.keys).await);
        one.consume(history.tenant, 0, &all[..8]).await.unwrap();
        let after_one = totals(&database).await;
        let late = two.consume(history.tenant, 0, &all[..8]).await;
        assert!(matches!(late, Err(ConsumeError::Moved)));
        let gap = two.consume(history.tenant, 10, &all[10..]).await;
        assert!(matches!(gap, Err(ConsumeError::Moved)));
        assert_eq!(totals(&database).await, after_one);
        assert_eq!(two.checkpoints().await.unwrap()[&history.tenant], 8);
    })
    .await;
}

#[tokio::test]
async fn rows_that_were_written_last_are_remembered_only_while_nobody_else_writes() {
    // Decision 0020. Two processes take turns, and one batch is undone half-way: the rows are those that one process reads and writes.
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        for name in ["ledger", "wallet"] {
            feed(&*database.projector(name, &history.keys).await, &history, 100).await.unwrap();
        }
        let expected = totals(&database).await;
        // The second of a turn: there is something to remember.
        let refused =
            database.count("SELECT position FROM journal_entries WHERE position % 2 = 0 ORDER BY position OFFSET 2 LIMIT 1").await;
        let tables = "accounts, journal_entries, journal_lines, wallet_balances, wallets, wallet_transfers, projection_checkpoints";
        sqlx::query(&format!("TRUNCATE {tables}")).execute(&database.admin).await.unwrap();

        let refuse = format!("ALTER TABLE journal_entries ADD CONSTRAINT refused CHECK (position <> {refused})");
        sqlx::query(&refuse).execute(&database.admin).await.unwrap();
        for name in ["ledger", "wallet"] {
            let turns = [database.projector(name, &history.keys).await, database.projector(name, &history.keys).await];
            let mut refusals = 0;
            for (at, event) in (0..).zip(history.feed()) {
                // Two for the one, then two for the other: with and without something to remember.
                let projector = &turns[usize::from(at % 4 > 1)];
                if projector.consume(history.tenant, at, std::slice::from_ref(&event)).await.is_err() {
                    assert_eq!((name, event.position), ("ledger", refused));
                    refusals += 1;
                    sqlx::raw_sql("ALTER TABLE journal_entries DROP CONSTRAINT refused; DELETE FROM projection_failures")
                        .execute(&database.admin)
                        .await
                        .unwrap();
                    projector.consume(history.tenant, at, &[event]).await.unwrap();
                }
            }
            assert_eq!(refusals, i32::from(name == "ledger"));
        }
        assert_eq!(totals(&database).await, expected);
    })
    .await;
}

#[tokio::test]
async fn two_projectors_on_one_tenant_never_count_twice() {
    with(|database| async move {
        let mut history = History::typical(tenant(TENANT));
        for n in 0..40 {
            history.deposit(0xBB00 + n, eur("3.33"));
        }
        let history = Arc::new(history);
        let racers = (0..6).map(|n| {
            let (database, history) = (Arc::clone(&database), Arc::clone(&history));
            tokio::spawn(async move {
                // The ledger's entries have keys that would notice; a wallet's row would just be wrong.
                let projector = database.projector(if n % 2 == 0 { "ledger" } else { "wallet" }, &history.keys).await;
                // Batches of other sizes, so that they begin at other places.
                while let Err(error) = feed(&projector, &history, 3 + n / 2).await {
                    assert!(matches!(error, ConsumeError::Moved), "{error:?}");
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        let raced = totals(&database).await;
        let fresh = Database::create().await;
        fresh.project(&history, 1000).await;
        let expected = totals(&fresh).await;
        fresh.admin.close().await;
        sqlx::query(&format!("DROP DATABASE {} WITH (FORCE)", fresh.name)).execute(&database.admin).await.unwrap();
        assert_eq!(raced, expected);
    })
    .await;
}

#[tokio::test]
async fn rows_are_loaded_only_behind_the_checkpoints_lock() {
    with(|database| async move {
        let mut history = History::new(tenant(TENANT));
        history.deposit(0xBA1, eur("10.00"));
        let first_ends = history.head();
        history.deposit(0xBA2, eur("5.00"));
        let all = history.feed();
        // The first projector gets as far as writing its row, and no further while this lock is held.
        let mut blocker = database.admin.begin().await.unwrap();
        sqlx::query("LOCK TABLE wallets IN EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
        let batch = |after: i64, events: Vec<_>| {
            let (database, tenant, keys) = (Arc::clone(&database), history.tenant, history.keys.clone());
            tokio::spawn(async move { database.projector("wallet", &keys).await.consume(tenant, after, &events).await })
        };
        let (first, second) = all.split_at(usize::try_from(first_ends).unwrap());
        let one = batch(0, first.to_vec());
        tokio::time::sleep(Duration::from_millis(300)).await;
        // The second begins where the first will end: had it loaded the row by now, it would write over the first.
        let two = batch(first_ends, second.to_vec());
        tokio::time::sleep(Duration::from_millis(300)).await;
        blocker.rollback().await.unwrap();
        one.await.unwrap().unwrap();
        two.await.unwrap().unwrap();
        let available: String = sqlx::query_scalar("SELECT available::text FROM wallets").fetch_one(&database.admin).await.unwrap();
        assert_eq!(available, "15.00");
    })
    .await;
}

#[tokio::test]
async fn rows_are_the_same_whatever_the_batches_were() {
    with(|database| async move {
        let history = History::of_everything(tenant(TENANT));
        let again = Database::create().await;
        database.project(&history, 3).await;
        again.project(&history, 1000).await;
        for table in database.tables().await {
            let (first, second) = (database.dump(&table).await, again.dump(&table).await);
            assert_eq!(first, second, "{table}");
            assert_eq!(first.is_empty(), table == "projection_failures", "{table}");
        }
        again.admin.close().await;
        sqlx::query(&format!("DROP DATABASE {} WITH (FORCE)", again.name)).execute(&database.admin).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_projection_that_fails_stops_for_that_tenant_alone_until_it_is_cleared() {
    with(|database| async move {
        let mut bad = History::new(tenant(TENANT));
        bad.deposit(0xBA1, eur("10.00"));
        bad.create(0xE1, eur("10.00"));
        let funded_by_nobody = EscrowFact::Funded { amount: eur("10.00"), parts: Vec::new() };
        let guilty = bad.escrow(0xE1, EscrowStatus::FundingPending, EscrowStatus::Funded, None, funded_by_nobody);
        let stops_at = bad.head();
        bad.deposit(0xBA2, eur("5.00"));
        let good = History::typical(tenant(TENANT + 1));

        let ledger = database.projector("ledger", &bad.keys).await;
        let outcome = feed(&ledger, &bad, 100).await;
        assert!(matches!(outcome, Err(ConsumeError::Moved)), "{outcome:?}");
        assert!(!ledger.owns(bad.tenant));
        // What came before stands; nothing after it.
        assert_eq!(ledger.checkpoints().await.unwrap()[&bad.tenant], stops_at - 1);
        assert_eq!(database.count("SELECT count(*) FROM journal_entries").await, 2);
        let (position, event_id, error): (i64, uuid::Uuid, String) =
            sqlx::query_as("SELECT position, event_id, error FROM projection_failures").fetch_one(&database.admin).await.unwrap();
        assert_eq!((position, event_id), (stops_at, guilty.uuid()));
        assert!(error.contains("does not balance"), "{error}");
        // Asked again, also by a projector that has not looked, it stays where it is.
        let other = database.projector("ledger", &bad.keys).await;
        let again = other.consume(bad.tenant, stops_at - 1, &bad.feed()[usize::try_from(stops_at).unwrap() - 1..]).await;
        assert!(matches!(again, Err(ConsumeError::Moved)));
        assert_eq!(database.count("SELECT count(*) FROM projection_failures").await, 1);

        // Other projections of the tenant and other tenants go on.
        feed(database.projector("audit", &bad.keys).await.as_ref(), &bad, 100).await.unwrap();
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, bad.head());
        let ledger_of_good = database.projector("ledger", &good.keys).await;
        feed(&ledger_of_good, &good, 100).await.unwrap();
        assert!(ledger_of_good.owns(good.tenant));

        // Cleared, it goes on (and here stops again at the same event).
        sqlx::query("DELETE FROM projection_failures").execute(&database.admin).await.unwrap();
        assert!(ledger.checkpoints().await.is_ok());
        assert!(ledger.owns(bad.tenant));
        assert!(feed(&ledger, &bad, 100).await.is_err());
        assert_eq!(database.count("SELECT position FROM projection_failures").await, stops_at);
    })
    .await;
}

#[tokio::test]
async fn what_the_database_refuses_is_found_by_halving_and_put_on_record_without_its_values() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        sqlx::query("ALTER TABLE audit_log ADD CONSTRAINT no_dispute CHECK (action <> 'escrow.disputed')")
            .execute(&database.admin)
            .await
            .unwrap();
        let audit = database.projector("audit", &history.keys).await;
        assert!(feed(&audit, &history, 100).await.is_err());
        let disputed = history.events.iter().find(|event| event.event_type == "escrow.disputed").unwrap().position;
        assert_eq!(audit.checkpoints().await.unwrap()[&history.tenant], disputed - 1);
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, disputed - 1);
        let error: String = sqlx::query_scalar("SELECT error FROM projection_failures").fetch_one(&database.admin).await.unwrap();
        assert_eq!(error, "refused by the database: SQLSTATE 23514, constraint no_dispute");
    })
    .await;
}

#[tokio::test]
async fn trouble_that_passes_stops_nothing() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let audit = database.projector("audit", &history.keys).await;
        sqlx::query("ALTER TABLE audit_log RENAME TO moved_away").execute(&database.admin).await.unwrap();
        assert!(matches!(feed(&audit, &history, 100).await, Err(ConsumeError::Failed(_))));
        assert_eq!(database.count("SELECT count(*) FROM projection_failures").await, 0);
        sqlx::query("ALTER TABLE moved_away RENAME TO audit_log").execute(&database.admin).await.unwrap();
        feed(&audit, &history, 100).await.unwrap();
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());
    })
    .await;
}

#[tokio::test]
async fn an_outage_of_keys_is_waited_for_and_never_looks_like_an_erasure() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let escrow = database.projector("escrow", &history.keys).await;
        history.keys.set_down(true);
        assert!(matches!(feed(&escrow, &history, 100).await, Err(ConsumeError::Failed(_))));
        assert_eq!(database.count("SELECT count(*) FROM projection_failures").await, 0);
        history.keys.set_down(false);
        let lost = History::typical(tenant(TENANT + 1));
        lost.keys.lose(support::party(support::PAYEE));
        let of_lost = database.projector("escrow", &lost.keys).await;
        assert!(matches!(feed(&of_lost, &lost, 100).await, Err(ConsumeError::Failed(_))));
        assert_eq!(database.count("SELECT count(*) FROM projection_failures").await, 0);
        feed(&escrow, &history, 100).await.unwrap();
        let notes = "SELECT count(*) FROM escrow_events WHERE personal #>> '{note,value}' = 'all done'";
        assert_eq!(database.count(notes).await, 2);
        assert_eq!(database.count("SELECT count(*) FROM escrow_events WHERE details::text LIKE '%ciphertext%'").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_erased_persons_values_are_blank_after_a_rebuild() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        history.keys.destroy(support::party(support::PAYEE));
        feed(database.projector("escrow", &history.keys).await.as_ref(), &history, 100).await.unwrap();
        let blank = "SELECT count(*) FROM escrow_events WHERE personal -> 'note' IS NOT NULL AND personal #>> '{note,value}' IS NULL";
        assert_eq!(database.count(blank).await, 2);
        assert_eq!(
            database.count("SELECT count(*) FROM escrow_events WHERE personal #>> '{reason,value}' = 'not what we agreed'").await,
            1
        );
    })
    .await;
}

#[tokio::test]
async fn rows_of_another_version_of_the_projection_are_not_gone_on_with() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let audit = database.projector("audit", &history.keys).await;
        audit.consume(history.tenant, 0, &history.feed()[..2]).await.unwrap();
        sqlx::query("UPDATE projection_checkpoints SET version = 99").execute(&database.admin).await.unwrap();
        // Not an error without end: it is nobody's work until the rows are rebuilt.
        assert!(matches!(audit.consume(history.tenant, 2, &history.feed()[2..]).await, Err(ConsumeError::Moved)));
        assert!(!audit.owns(history.tenant));
        assert!(audit.checkpoints().await.is_ok());
        assert!(!audit.owns(history.tenant));
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_waits_for_a_position_is_told_when_it_is_reached() {
    with(|database| async move {
        let history = History::typical(tenant(TENANT));
        let shutdown = CancellationToken::new();
        let positions = Positions::start(database.reader().await, Some(database.url_as("holdfast_reader")), 10, shutdown.clone());
        let names: Vec<&str> = all_projections().iter().map(holdfast_projections::runtime::Projection::name).collect();
        let early = positions.wait_for(&names, history.tenant, 1, Duration::from_millis(50)).await;
        assert_eq!(early, Err(Behind { wanted: 1, position: 0 }));
        let head = history.head();
        let waiter = tokio::spawn({
            let (positions, names, tenant) = (positions.clone(), names.clone(), history.tenant);
            async move { positions.wait_for(&names, tenant, head, Duration::from_secs(20)).await }
        });
        database.project(&history, 10).await;
        assert_eq!(waiter.await.unwrap(), Ok(head));
        // A process that was not there to hear it asks.
        let late = Positions::start(database.reader().await, None, 10, shutdown.clone());
        assert_eq!(late.wait_for(&names, history.tenant, head, Duration::from_secs(5)).await, Ok(head));
        // With the sweep's database away, notifications alone tell.
        let deaf = database.reader().await;
        let hearing = Positions::start(deaf.clone(), Some(database.url_as("holdfast_reader")), 10, shutdown.clone());
        deaf.close().await;
        tokio::time::sleep(Duration::from_millis(300)).await; // until it listens
        let next = History::typical(tenant(TENANT + 1));
        database.project(&next, 1000).await;
        assert_eq!(hearing.wait_for(&names, next.tenant, next.head(), Duration::from_secs(5)).await, Ok(next.head()));
        shutdown.cancel();
    })
    .await;
}
