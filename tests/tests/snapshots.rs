//! Snapshots in a running system: used after a restart, looked at by `verify`, missed by nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use holdfast_tests::{Flow, System};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_system_goes_on_from_its_snapshots_and_without_them() -> anyhow::Result<()> {
    // NFR-17. Here every stream gets one after three events (`System::command`).
    let mut system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = flow.approved("100.00").await?;
    let log = system.log_database().await?;
    let mut streams = 0_i64;
    for _ in 0..100 {
        streams = sqlx::query_scalar("SELECT count(*) FROM snapshots").fetch_one(&log).await?;
        if streams >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(streams >= 2, "wallet and escrow have more than three events: {streams}");
    assert!(system.verify()?.contains("a snapshot is what the events up to it fold to"));
    system.kill()?;
    system.serve().await?;
    flow.act(&flow.parties.platform, id, "release-partial", &json!({ "amount": "40.00", "currency": "EUR" })).await?;
    system.kill()?;
    sqlx::raw_sql("DELETE FROM snapshots").execute(&log).await?;
    system.serve().await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    flow.wait_for(id, |escrow| escrow["status"] == "closed" && escrow["inTransit"] == "0.00").await?;
    system.verify()?;
    // One that says something else than the log is found.
    system.kill()?;
    let wrong = "UPDATE snapshots SET state = jsonb_set(state::jsonb, '{version}', '7777')::json WHERE aggregate_type = 'escrow'";
    assert_eq!(sqlx::query(wrong).execute(&log).await?.rows_affected(), 1);
    system.serve().await?;
    let said = format!("{:#}", system.verify().unwrap_err());
    assert!(said.contains("a snapshot is what the events up to it fold to") && said.contains(&id.to_string()), "{said}");
    log.close().await;
    Ok(())
}
