//! kill -9 in the middle of a load, and what is left of it (invariants 1, 3, 4, 5).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_tests::{Flow, System};
use serde_json::json;
use uuid::Uuid;

/// Repeats one command with its key until it is answered.
async fn insist(
    flow: &Flow,
    client: &holdfast_tests::Client,
    path: &str,
    body: &serde_json::Value,
) -> anyhow::Result<holdfast_tests::Answer> {
    let key = Uuid::new_v4().to_string();
    for _ in 0..600 {
        match client.post_keyed(path, body, &key).await {
            Ok(answer) if answer.status == 503 || (answer.status == 409 && answer.code() == "IDEMPOTENCY_KEY_IN_FLIGHT") => {}
            Ok(answer) => return Ok(answer),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{} was never answered for {}", path, flow.parties.tenant_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_and_doubles_nothing() -> anyhow::Result<()> {
    // LED-65, LED-66: every key once, transition and posting together.
    let mut system = System::start().await?;
    let tenants = [system.tenant("")?, system.tenant("")?];
    let flows: Vec<Arc<Flow>> = tenants.iter().map(|tenant| Flow::new(&system, *tenant).map(Arc::new)).collect::<Result<_, _>>()?;
    for flow in &flows {
        flow.fill("10000.00").await?;
        flow.wallet_has("10000.00").await?;
    }
    let created = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..16_usize {
        let (flow, created) = (Arc::clone(&flows[n % 2]), Arc::clone(&created));
        clients.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..12 {
                let answer = insist(&flow, &flow.parties.staff, "/v1/escrows", &flow.create_body("3.00")).await?;
                anyhow::ensure!(answer.status == 201, "{}", answer.text);
                let id = answer.id();
                created.fetch_add(1, Ordering::Relaxed);
                let answer = insist(&flow, &flow.parties.payer, &format!("/v1/escrows/{id}/fund"), &json!({ "source": "wallet" })).await?;
                anyhow::ensure!(answer.status == 200, "{}", answer.text);
                ids.push(id);
            }
            Ok((n % 2, ids))
        });
    }
    for kill in 1..=3_usize {
        while created.load(Ordering::Relaxed) < kill * 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        system.kill()?;
        system.serve().await?;
    }
    let mut funded = 0;
    while let Some(done) = clients.join_next().await {
        let (which, ids) = done??;
        for id in ids {
            flows[which].wait_for(id, |escrow| escrow["status"] == "funded").await?;
            funded += 1;
        }
    }
    assert_eq!(funded, 16 * 12);
    let log = system.log_database().await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'escrow.created'").fetch_one(&log).await?;
    assert_eq!(events, 16 * 12, "every acknowledged create is stored once");
    let captured: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'wallet.hold_captured'").fetch_one(&log).await?;
    assert_eq!(captured, 16 * 12);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_can_be_a_process_of_its_own() -> anyhow::Result<()> {
    let mut system = System::start().await?;
    system.kill()?;
    let mut others = Vec::new();
    for role in ["relay", "projector", "reactor", "reactor"] {
        others.push(system.also(role)?);
    }
    system.serve_as("api").await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = flow.approved("20.00").await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    flow.wait_for(id, |escrow| escrow["status"] == "closed").await?;
    system.read_models_at_heads(Duration::from_secs(5)).await?;
    for other in &mut others {
        anyhow::ensure!(other.try_wait()?.is_none(), "a role has ended: {}", system.log());
        other.kill()?;
        other.wait()?;
    }
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_relay_is_replaced_by_its_standby() -> anyhow::Result<()> {
    // Its connections stay open while it is frozen: the lock must not stay with it.
    let mut system = System::start().await?;
    system.kill()?;
    let mut relays = vec![system.also("relay")?];
    system.serve_as("api,projector,reactor").await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    flow.fill("10.00").await?;
    let log = system.log_database().await?;
    let published = async || -> anyhow::Result<i64> {
        let sql = "SELECT coalesce(sum(position), 0)::bigint FROM subscription_checkpoints WHERE subscription = 'relay'";
        Ok(sqlx::query_scalar(sql).fetch_one(&log).await?)
    };
    let published_more_than = async |before: i64| -> anyhow::Result<bool> {
        for _ in 0..400 {
            if published().await? > before {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    };
    anyhow::ensure!(published_more_than(0).await?, "the first relay publishes nothing");
    let signal =
        |name: &str, relay: &std::process::Child| std::process::Command::new("kill").args([name, &relay.id().to_string()]).status();
    signal("-STOP", &relays[0])?;
    relays.push(system.also("relay")?);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = published().await?;
    flow.fill("10.00").await?;
    let replaced = published_more_than(before + 1).await?;
    signal("-CONT", &relays[0])?;
    for relay in &mut relays {
        relay.kill()?;
        relay.wait()?;
    }
    anyhow::ensure!(replaced, "nobody publishes while the leader is frozen");
    system.verify()?;
    Ok(())
}
