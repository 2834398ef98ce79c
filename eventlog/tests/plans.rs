//! No statement of the hot path reads a table from end to end, also when it was prepared while the tables were empty.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::statements::{APPEND, APPEND_WITHOUT_CLAIMS, DISCARD, LOAD, TAKEN, WRITE};
use sqlx::Executor;
use support::{UnitExt, batch, snapshot, tenant, unit, wallet, with};

#[tokio::test]
async fn append_check_load_and_snapshots_use_indexes_whether_the_tables_are_empty_or_full() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_writer", PoolSettings::for_log(1)).await;
        let mut connection = pool.acquire().await.unwrap();
        for full in [false, true] {
            if full {
                let units = (0..300)
                    .map(|n| unit(wallet(tenant(n % 30), n), 1, 3).with_receipt(&n.to_string(), 1).with_claim(&n.to_string(), true))
                    .collect();
                database.log().await.append(&batch(&[], units)).await.unwrap();
                let snapshots: Vec<_> = (0..300).map(|n| snapshot(wallet(tenant(n % 30), n), 3)).collect();
                database.log().await.write_snapshots(&snapshots).await.unwrap();
                database.admin.execute("ANALYZE").await.unwrap();
            }
            let statements = [
                ("append", APPEND),
                ("append without claims", APPEND_WITHOUT_CLAIMS),
                ("taken", TAKEN),
                ("load", LOAD),
                ("write", WRITE),
                ("discard", DISCARD),
            ];
            for (name, statement) in statements {
                let parameters = (1..).take_while(|n| statement.contains(&format!("${n}::"))).count();
                connection.execute(sqlx::raw_sql(&format!("DEALLOCATE ALL; PREPARE statement AS {statement}"))).await.unwrap();
                let nulls = vec!["NULL"; parameters].join(", ");
                let rows = connection.fetch_all(sqlx::raw_sql(&format!("EXPLAIN EXECUTE statement ({nulls})"))).await.unwrap();
                let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
                let plan = plan.join("\n");
                assert!(!plan.contains("Seq Scan"), "{name} reads a whole table:\n{plan}");
                assert!(!plan.contains("Hash Join") && !plan.contains("Merge Join"), "{name} joins whole tables:\n{plan}");
                for line in plan
                    .lines()
                    .zip(plan.lines().skip(1))
                    .filter(|(line, _)| line.contains("Index Scan") || line.contains("Index Only Scan"))
                {
                    assert!(line.1.contains("Index Cond"), "{name} reads a whole index:\n{plan}");
                }
            }
        }
    })
    .await;
}
