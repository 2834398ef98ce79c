//! docs/examples/consumer.py against a real server: killed in the middle, with repetitions and with a gap (NFR-30).
//!
//! Needs python3 with `nats-py[nkeys]` (another one: `HOLDFAST_TEST_PYTHON`); says so and passes where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::nats::access::Grant;
use holdfast_eventlog::nats::{encode, subject};
use nkeys::KeyPair;
use support::nats_server::NatsServer;
use support::{append_events, tenant, with};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

const EVENTS: i64 = 300;

fn python() -> Option<String> {
    let python = std::env::var("HOLDFAST_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut probe = std::process::Command::new(&python);
    let found = probe.args(["-c", "import nats, nkeys, sqlite3"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success()).then_some(python)
}

/// Answers like `GET /v1/audit/export?after=N`; counts who asked with the token.
async fn export(log: EventLog, asked: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/audit/export", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            if !request.contains("Authorization: Bearer a-token") {
                stream.write_all(b"HTTP/1.0 401 Unauthorized\r\n\r\n").await.unwrap();
                continue;
            }
            asked.fetch_add(1, Ordering::SeqCst);
            let after: i64 = request.split("after=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            let mut body = format!("{{\"holdfast\":\"export\",\"tenantId\":\"{}\",\"after\":{after}}}\n", tenant(1));
            for event in log.read(tenant(1), after, 1000).await.unwrap() {
                let line = serde_json::json!({
                    "position": event.position, "eventType": event.event_type, "payload": event.payload, "metadata": event.metadata,
                });
                body.push_str(&format!("{line}\n"));
            }
            body.push_str("{\"holdfast\":\"footer\"}\n");
            // The reader may have enough before the end.
            let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn the_example_consumer_misses_nothing_and_counts_nothing_twice() {
    let Some(python) = python() else {
        eprintln!("skipped: python3 with nats-py[nkeys] is not here (HOLDFAST_TEST_PYTHON names another python)");
        return;
    };
    with(move |database| async move {
        let server = NatsServer::start().await;
        let log = database.log().await;
        append_events(&log, tenant(1), 1, usize::try_from(EVENTS).unwrap()).await;
        let relay = server.nats(&server.relay).await;
        let stream = jetstream::stream::Config { name: "EVENTS".into(), subjects: vec!["events.>".into()], ..Default::default() };
        let jetstream = jetstream::new(relay.client().clone());
        jetstream.create_stream(stream).await.unwrap();
        relay.set_seals_stream().await.unwrap();
        // 101 to 150 never arrive; 1 to 20 arrive twice.
        let events = log.read(tenant(1), 0, EVENTS).await.unwrap();
        let arriving = events.iter().filter(|event| !(101..=150).contains(&event.position)).map(|event| ("first", event));
        for (time, event) in arriving.chain(events.iter().take(20).map(|event| ("again", event))) {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", format!("{}:{time}", event.position));
            let sent = jetstream.publish_with_headers(subject("events", event), headers, encode(event).unwrap().into()).await;
            sent.unwrap().await.unwrap();
        }
        let key = KeyPair::new_user();
        let grant = Grant { tenant_id: tenant(1), name: "example".parse().unwrap(), public_key: key.public_key() };
        server.grant(std::slice::from_ref(&grant)).await;
        server.nats(&server.admin).await.make_durable(&grant).await.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let refill = export(log.clone(), asked.clone()).await;
        let file = std::env::temp_dir().join(format!("holdfast-example-{}.db", uuid::Uuid::new_v4().simple()));
        let consumer = || {
            let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/consumer.py"));
            let mut command = Command::new(&python);
            command.arg(script).args(["--tenant", &tenant(1).to_string(), "--name", "example", "--nats", &server.url()]);
            command.args(["--refill", &refill, "--batch", "10", "--wait", "2", "--until-idle", "--database"]).arg(&file);
            command.env("HOLDFAST_SEED", key.seed().unwrap()).env("HOLDFAST_TOKEN", "a-token").kill_on_drop(true);
            command
        };
        // kill -9 in the middle.
        let mut killed = consumer().stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
        while lines.next_line().await.unwrap().expect("it goes on") != "position 50" {}
        killed.kill().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), consumer().output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        let ask = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); one = lambda sql: db.execute(sql).fetchone(); \
                   print(*one('SELECT position FROM positions'), *one('SELECT count(*), min(position), max(position) FROM events'), \
                   *one('SELECT type, events FROM counts'), *one('SELECT payload FROM events WHERE position = 120'))";
        let found = Command::new(&python).args(["-c", ask]).arg(&file).output().await.unwrap();
        let payload = &events[119].payload;
        assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), format!("300 300 1 300 wallet.credited 300 {payload}"), "{said}");
        assert!(said.contains("are read from the log") && asked.load(Ordering::SeqCst) >= 1, "{said}");
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
    })
    .await;
}
