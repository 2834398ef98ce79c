//! More at once than the process has places for (docs/settings.md, "Queues and bounds").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::{join_all, try_join_all};
use holdfast_tests::{Answer, Client, Flow, System, expect};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

/// A request that has a place and does not come to its end: its body does not arrive.
async fn unfinished(system: &System, client: &Client, method: &str, path: &str) -> anyhow::Result<TcpStream> {
    let mut connection = TcpStream::connect(system.base_url.trim_start_matches("http://")).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{",
        client.token,
        Uuid::new_v4()
    );
    connection.write_all(head.as_bytes()).await?;
    Ok(connection)
}

/// One line of `/metrics`.
async fn metric(system: &System, name: &str) -> anyhow::Result<f64> {
    let text = reqwest::get(format!("{}/metrics", system.base_url)).await?.error_for_status()?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no metric {name}"))?;
    Ok(line.trim().parse()?)
}

/// Waits until so many places are taken.
async fn taken(system: &System, kind: &str, count: f64) -> anyhow::Result<()> {
    let name = format!("holdfast_in_flight{{kind=\"{kind}\"}}");
    let begun = Instant::now();
    while metric(system, &name).await? != count {
        ensure!(begun.elapsed() < Duration::from_secs(20), "{name} is {}, not {count}", metric(system, &name).await?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn is_shed(answer: &Answer) -> bool {
    let retry = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    answer.status == 503 && answer.code() == "OVERLOADED" && retry == Some(1) && answer.body["error"]["requestId"].is_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_is_told_at_once_and_others_are_served() -> anyhow::Result<()> {
    // NFR-08, NFR-106, NFR-108
    let system = System::start_set("[limits]\ncommands = 2\nbatches = 1\n").await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let staff = &flow.parties.staff;
    let held = try_join_all((0..2).map(|_| unfinished(&system, staff, "POST", "/v1/escrows"))).await?;
    taken(&system, "commands", 2.0).await?;
    // Neither token nor body is looked at, and nobody waits for the requests that have the places.
    for client in [staff.clone(), Client::new(&system.base_url, flow.parties.tenant_id, "x")] {
        let answer = timeout(Duration::from_secs(5), client.post("/v1/escrows", &flow.create_body("9.00"))).await??;
        assert!(is_shed(&answer), "{}", answer.text);
    }
    assert_eq!(metric(&system, "holdfast_shed_total{kind=\"commands\"}").await?, 2.0);
    // Other kinds have places of their own, and health needs none.
    assert_eq!(staff.get("/v1/escrows").await?.status, 200);
    assert_eq!(reqwest::get(format!("{}/healthz", system.base_url)).await?.status(), 200);
    assert_eq!(reqwest::get(format!("{}/readyz", system.base_url)).await?.status(), 200);
    let batch = json!({ "commands": [{ "path": "/v1/escrows", "idempotencyKey": Uuid::new_v4(), "body": flow.create_body("9.00") }] });
    let answer = expect(staff.post("/v1/commands", &batch).await?, &[200])?;
    assert_eq!(answer.body["answers"][0]["status"], 201, "a batch has its place already: {}", answer.text);
    let waiting = unfinished(&system, staff, "POST", "/v1/commands").await?;
    taken(&system, "batches", 1.0).await?;
    assert!(is_shed(&staff.post("/v1/commands", &batch).await?));
    // They hang up, and the places are free.
    drop((held, waiting));
    taken(&system, "commands", 0.0).await?;
    taken(&system, "batches", 0.0).await?;
    expect(staff.post("/v1/escrows", &flow.create_body("9.00")).await?, &[201])?;
    Ok(())
}

#[test]
fn every_bound_of_the_settings_page_has_a_size_a_metric_and_a_policy() {
    // NFR-106
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/settings.md")).unwrap();
    let (_, bounds) = page.split_once("## Queues and bounds").unwrap();
    let sources: String =
        ["api", "commands", "eventlog", "projections"].iter().map(|room| all_text(&root.join(room).join("src"))).collect();
    let rows: Vec<Vec<&str>> = bounds
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what ") && !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 30, "{}", rows.len());
    let mut kind = String::new();
    for row in &rows {
        let [what, place, size, metric, full] = row[..] else { panic!("{row:?}") };
        assert!(!what.is_empty() && !size.is_empty() && !full.is_empty(), "{row:?}");
        // "the same": as in the row before.
        for file in place.split('`').filter(|part| part.ends_with(".rs")) {
            assert!(root.join(file).is_file(), "{file} of {what:?} is not there");
        }
        let metrics: Vec<_> = metric.split('`').filter(|part| part.contains("holdfast_") || part.starts_with('…')).collect();
        assert!(!metrics.is_empty() || metric == "the same", "{what:?} has no metric");
        for metric in metrics {
            let name = metric.split('{').next().unwrap_or_default();
            kind = if name.starts_with('…') { kind } else { name.to_owned() };
            assert!(sources.contains(&format!("\"{kind}\"")), "{kind} of {what:?} is not measured");
        }
    }
}

fn all_text(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                return all_text(&path);
            }
            std::fs::read_to_string(&path).unwrap_or_default()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_need_no_place_of_queries() -> anyhow::Result<()> {
    // ANA-57
    let system = System::start_set("[limits]\nqueries = 1\n").await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let mut streams = try_join_all((0..5).map(|_| flow.parties.staff.stream("", None))).await?;
    assert_eq!(flow.parties.staff.get("/v1/escrows").await?.status, 200);
    let escrow = flow.create("9.00").await?;
    for stream in &mut streams {
        stream.until(|pushed| pushed.data["aggregateId"] == escrow.to_string()).await?;
    }
    Ok(())
}

/// Creates escrows until `wanted` are there, each under one key, as often as it takes. Returns what was answered 201.
async fn create_all(clients: usize, wanted: usize, flow: &Arc<Flow>, shed: &Arc<AtomicUsize>) -> anyhow::Result<Vec<Uuid>> {
    let next = Arc::new(AtomicUsize::new(0));
    let client = || {
        let (flow, next, shed) = (Arc::clone(flow), Arc::clone(&next), Arc::clone(shed));
        tokio::spawn(async move {
            let mut created = Vec::new();
            while next.fetch_add(1, Ordering::SeqCst) < wanted {
                let (key, body) = (Uuid::new_v4().to_string(), flow.create_body("9.00"));
                loop {
                    let answer = flow.parties.staff.post_keyed("/v1/escrows", &body, &key).await?;
                    if !is_shed(&answer) {
                        created.push(expect(answer, &[201])?.id());
                        break;
                    }
                    shed.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(created)
        })
    };
    let created = join_all((0..clients).map(|_| client())).await;
    created.into_iter().map(|created| created?).collect::<anyhow::Result<Vec<_>>>().map(|created| created.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_maximum_what_is_accepted_is_stored_once_and_throughput_stays() -> anyhow::Result<()> {
    // NFR-15, NFR-106
    const PLACES: usize = 4;
    const COMMANDS: usize = 300;
    let system = System::start_set(&format!("[limits]\ncommands = {PLACES}\n")).await?;
    let flow = Arc::new(Flow::new(&system, system.tenant("")?)?);
    let shed = Arc::default();
    create_all(PLACES, 20, &flow, &shed).await?; // warm
    let begun = Instant::now();
    let mut created = create_all(PLACES, COMMANDS, &flow, &shed).await?;
    let alone = begun.elapsed();
    shed.store(0, Ordering::SeqCst);
    let begun = Instant::now();
    created.extend(create_all(PLACES * 16, COMMANDS, &flow, &shed).await?);
    let crowded = begun.elapsed();
    assert!(shed.load(Ordering::SeqCst) > 0, "there was no overload");
    // Refusals cost something, here on the same machine; they do not eat up what the others get.
    assert!(crowded < alone * 8 + Duration::from_secs(2), "{alone:?} alone, {crowded:?} in the crowd");
    let distinct: BTreeSet<_> = created.iter().copied().collect();
    assert_eq!((distinct.len(), created.len()), (COMMANDS * 2, COMMANDS * 2));
    let log = system.log_database().await?;
    let stored: Vec<Uuid> = sqlx::query_scalar("SELECT aggregate_id FROM events WHERE event_type = 'escrow.created' AND tenant_id = $1")
        .bind(flow.parties.tenant_id.uuid())
        .fetch_all(&log)
        .await?;
    assert_eq!(stored.len(), COMMANDS * 2 + 20);
    assert!(distinct.is_subset(&stored.into_iter().collect()));
    taken(&system, "commands", 0.0).await?;
    assert_eq!(metric(&system, "holdfast_keys_in_flight").await?, 0.0);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_leave_room_for_single_commands() -> anyhow::Result<()> {
    // Both writers have a queue of 8, of which all batches together take 4.
    let system = System::start_set("[limits]\nwriter_queue = 8\ncommands = 4\n").await?;
    let flow = Arc::new(Flow::new(&system, system.tenant("")?)?);
    let batches = (0..4).map(|_| {
        let flow = Arc::clone(&flow);
        tokio::spawn(async move {
            let commands: Vec<Value> = (0..200)
                .map(|_| json!({ "path": "/v1/escrows", "idempotencyKey": Uuid::new_v4(), "body": flow.create_body("9.00") }))
                .collect();
            flow.parties.staff.post("/v1/commands", &json!({ "commands": commands })).await
        })
    });
    let batches: Vec<_> = batches.collect();
    let mut alone = 0;
    while !batches.iter().all(tokio::task::JoinHandle::is_finished) {
        expect(flow.parties.staff.post("/v1/escrows", &flow.create_body("9.00")).await?, &[201])?;
        alone += 1;
    }
    for batch in batches {
        let answer = expect(batch.await??, &[200])?;
        let refused: Vec<_> = answer.body["answers"].as_array().unwrap().iter().filter(|answer| answer["status"] != 201).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
    assert!(alone > 0);
    taken(&system, "batched_commands", 0.0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_may_be_silent_for_a_while_and_a_slow_head_is_cut_off() -> anyhow::Result<()> {
    let system = System::start().await?;
    let address = system.base_url.trim_start_matches("http://").to_owned();
    let ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let (mut silent, mut slow) = (TcpStream::connect(&address).await?, TcpStream::connect(&address).await?);
    // The second head on a connection, too: the first one is answered.
    slow.write_all(ask).await?;
    let mut buffer = vec![0; 4096];
    assert!(slow.read(&mut buffer).await? > 0);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").await?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    silent.write_all(ask).await?;
    let read = silent.read(&mut buffer).await?;
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
    let begun = Instant::now();
    while timeout(Duration::from_millis(500), slow.read(&mut buffer)).await.is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(60), "a slow head is never cut off");
        if slow.write_all(b"x").await.is_err() {
            break;
        }
    }
    Ok(())
}
