//! The proxies in front of a real Postgres and a real NATS (`scripts/with-test-servers`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use holdfast_torture::environment::nats_shim::{Chances, messages};
use holdfast_torture::environment::nats_wire::next_frame;
use holdfast_torture::environment::proxy::{Direction, Link};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_millis(300);

fn postgres() -> PgConnectOptions {
    let url = std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned());
    url.parse().unwrap()
}

fn nats() -> SocketAddr {
    let url = std::env::var("HOLDFAST_TEST_NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:54222".to_owned());
    url.trim_start_matches("nats://").parse().unwrap()
}

async fn link_to_postgres() -> Link {
    Link::open(SocketAddr::from(([127, 0, 0, 1], postgres().get_port())), None).await.unwrap()
}

async fn connect(link: &Link) -> PgConnection {
    PgConnection::connect_with(&postgres().host("127.0.0.1").port(link.address().port())).await.unwrap()
}

#[tokio::test]
async fn a_session_of_postgres_survives_a_short_partition_and_no_reset() {
    let link = link_to_postgres().await;
    let mut session = connect(&link).await;
    session.execute("SELECT 1").await.unwrap();
    link.partition();
    let asking = tokio::spawn(async move { session.execute("SELECT 2").await.map(drop) });
    tokio::time::sleep(SOON).await;
    assert!(!asking.is_finished(), "nothing arrives");
    link.heal();
    asking.await.unwrap().unwrap();
    let mut session = connect(&link).await;
    session.execute("SELECT 3").await.unwrap();
    link.reset();
    assert!(session.execute("SELECT 4").await.is_err());
}

#[tokio::test]
async fn an_answer_of_postgres_is_cut_in_the_middle_after_the_statement_was_executed() {
    let link = link_to_postgres().await;
    let (mut session, mut other) = (connect(&link).await, PgConnection::connect_with(&postgres()).await.unwrap());
    let table = format!("cut_{}", std::process::id());
    other.execute(format!("CREATE TABLE {table} (n integer)").as_str()).await.unwrap();
    session.execute("SELECT 1").await.unwrap();
    link.cut(Direction::ToClient);
    let insert = format!("INSERT INTO {table} VALUES (1) RETURNING repeat('x', 5000)");
    assert!(session.execute(insert.as_str()).await.is_err(), "half an answer");
    let stored: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(&mut other).await.unwrap();
    assert_eq!(stored, 1, "the outcome was unknown, and it was done");
    other.execute(format!("DROP TABLE {table}").as_str()).await.unwrap();
}

/// A client of NATS, as little as a test needs.
struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false}\r\n").await.unwrap();
        Self { stream, buffer: BytesMut::new() }
    }

    /// Everything that has arrived when the server answers a ping.
    async fn frames(&mut self) -> Vec<String> {
        self.stream.write_all(b"PING\r\n").await.unwrap();
        let mut frames = Vec::new();
        loop {
            while let Some(frame) = next_frame(&mut self.buffer).unwrap() {
                let text = String::from_utf8_lossy(&frame.bytes).into_owned();
                if text == "PONG\r\n" {
                    return frames;
                }
                frames.push(text);
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the server has gone");
        }
    }
}

#[tokio::test]
async fn a_subscriber_behind_the_shim_loses_and_repeats_what_the_seed_says() {
    let chances = Chances { drop: 30, duplicate: 20, delay: 0, delay_ms: 1 };
    let (make, done) = messages(11, "test", chances);
    let link = Link::open(nats(), Some(make)).await.unwrap();
    let (mut subscriber, mut publisher) = (Client::connect(link.address()).await, Client::connect(nats()).await);
    let subject = format!("events.torture-{}", std::process::id());
    subscriber.stream.write_all(format!("SUB {subject} 1\r\nSUB other.{subject} 2\r\n").as_bytes()).await.unwrap();
    subscriber.frames().await;
    for n in 0..200 {
        let text = format!("PUB {subject} 3\r\n{n:03}\r\nPUB other.{subject} 3\r\n{n:03}\r\n");
        publisher.stream.write_all(text.as_bytes()).await.unwrap();
    }
    publisher.frames().await;
    let frames = subscriber.frames().await;
    let count = |subject: &str| frames.iter().filter(|frame| frame.starts_with(&format!("MSG {subject} "))).count() as u64;
    let (dropped, doubled) = (done.dropped.load(Ordering::Relaxed), done.duplicated.load(Ordering::Relaxed));
    assert!(dropped > 20 && doubled > 10, "{done:?}");
    assert_eq!(count(&subject), 200 - dropped + doubled);
    assert_eq!(count(&format!("other.{subject}")), 200, "other subjects are left alone");
}
