//! Read models when messages are lost and projectors stand still (invariant 5).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use futures::future::try_join_all;
use holdfast_tests::{Flow, NatsServer, System};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_nats_leaves_no_read_model_behind() -> anyhow::Result<()> {
    // Protocol test 5: what was written while NATS was away is read from the log, without a new command.
    let mut nats = NatsServer::start().await?;
    let system = System::start_with(Some(nats.url())).await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    try_join_all((0..20).map(|_| flow.create("1.00"))).await?;
    nats.kill()?;
    nats.wipe()?;
    let last = flow.parties.staff.post("/v1/escrows", &flow.create_body("2.00")).await?;
    try_join_all((0..20).map(|_| flow.create("1.00"))).await?;
    system.read_models_at_heads(Duration::from_secs(3)).await?;
    let escrow = flow.parties.staff.get_at(&format!("/v1/escrows/{}", last.id()), last.position.unwrap()).await?;
    assert_eq!((escrow.status, escrow.body["amount"].as_str()), (200, Some("2.00")), "{}", escrow.text);
    // Back again with nothing in it: the relay makes the stream anew and goes on.
    nats.run().await?;
    try_join_all((0..20).map(|_| flow.create("1.00"))).await?;
    system.read_models_at_heads(Duration::from_secs(3)).await?;
    for _ in 0..200 {
        if !system.verify().is_err_and(|error| error.to_string().contains("relay")) && published(&nats).await? >= 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(published(&nats).await? >= 20, "{}", system.log());
    system.verify()?;
    Ok(())
}

/// Messages in the stream; none when there is no stream.
async fn published(nats: &NatsServer) -> anyhow::Result<u64> {
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await?);
    match context.get_stream("EVENTS").await {
        Ok(mut stream) => Ok(stream.info().await?.state.messages),
        Err(_) => Ok(0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_cloud_events_by_position() -> anyhow::Result<()> {
    // NFR-30, architecture "From log to NATS".
    use futures::StreamExt as _;
    let nats = NatsServer::start().await?;
    let system = System::start_with(Some(nats.url())).await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let client = async_nats::connect(nats.url()).await?;
    let mut messages = client.subscribe(format!("events.{}.>", flow.parties.tenant_id)).await?;
    client.flush().await?;
    let id = flow.create("3.00").await?;
    let message = loop {
        let message = tokio::time::timeout(Duration::from_secs(5), messages.next()).await?.unwrap();
        if message.subject.ends_with("escrow.created") {
            break message;
        }
    };
    let event: serde_json::Value = serde_json::from_slice(&message.payload)?;
    assert_eq!((event["specversion"].as_str(), event["type"].as_str()), (Some("1.0"), Some("escrow.created")), "{event}");
    assert!(message.payload.windows(36).any(|bytes| bytes == id.to_string().as_bytes()));
    let id_header = message.headers.unwrap().get("Nats-Msg-Id").unwrap().to_string();
    assert_eq!(
        id_header,
        format!("{}:{}", flow.parties.tenant_id, event["position"].as_str().map_or_else(|| event["position"].to_string(), str::to_owned))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_one_of_them_stopped_again_and_again() -> anyhow::Result<()> {
    // Protocol test 6: a projector that wakes up in the middle of a batch must not write over the other's rows.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let mut second = system.also("projector")?;
    flow.fill("1000.00").await?;
    flow.wallet_has("1000.00").await?;
    let stopper = {
        let pid = second.id().to_string();
        tokio::spawn(async move {
            loop {
                for (signal, pause_ms) in [("-STOP", 130), ("-CONT", 35)] {
                    let _ = Command::new("kill").args([signal, &pid]).status();
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
            }
        })
    };
    for _ in 0..15 {
        let ids = try_join_all((0..8).map(|_| flow.create("1.00"))).await?;
        let from_wallet = json!({ "source": "wallet" });
        try_join_all(ids.iter().map(|id| flow.act(&flow.parties.payer, *id, "fund", &from_wallet))).await?;
    }
    stopper.abort();
    let _ = Command::new("kill").args(["-CONT", &second.id().to_string()]).status();
    system.read_models_at_heads(Duration::from_secs(20)).await?;
    flow.wait_for_wallet("880.00").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    second.kill()?;
    second.wait()?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn read_your_writes_waits_or_says_that_it_is_behind() -> anyhow::Result<()> {
    // CNF-52, protocols 7.5.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    for _ in 0..20 {
        let created = flow.parties.staff.post("/v1/escrows", &flow.create_body("1.00")).await?;
        let position = created.position.unwrap();
        let seen = flow.parties.staff.get_at(&format!("/v1/escrows/{}", created.id()), position).await?;
        assert_eq!(seen.status, 200, "{}", seen.text);
        assert!(seen.position.unwrap() >= position);
    }
    let behind = flow.parties.staff.get_at("/v1/escrows", 1_000_000).await?;
    assert_eq!((behind.status, behind.code()), (503, "PROJECTION_BEHIND"));
    assert!(behind.headers.contains_key("retry-after"));
    Ok(())
}
