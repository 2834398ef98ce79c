//! Who may do what on NATS, on a real server with the accounts that the product writes (NFR-30, protocols 5, settings "NATS").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use async_nats::Client;
use futures::StreamExt as _;
use holdfast_eventlog::StoredEvent;
use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::nats::access::{CONSUMER_API, Grant};
use holdfast_eventlog::nats::{Nats, SEALS, decode, encode};
use holdfast_eventlog::seal::{Seal, SealKeys, Sealer, SealerSettings, SealingKey};
use nkeys::KeyPair;
use support::nats_server::NatsServer;
use support::relay::{Running, checkpoints_reach};
use support::{append_events, tenant, with};

/// The server says no to the client alone; the next answered ping says that it has.
#[derive(Clone)]
struct Identity {
    client: Client,
    refusals: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Identity {
    async fn connect(server: &NatsServer, key: &KeyPair, inbox: &str) -> Self {
        let refusals = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = refusals.clone();
        let client = async_nats::ConnectOptions::with_nkey(key.seed().unwrap())
            .custom_inbox_prefix(inbox)
            .request_timeout(Some(Duration::from_millis(500)))
            .event_callback(move |event| {
                let counter = counter.clone();
                async move {
                    if event.to_string().to_lowercase().contains("permissions violation") {
                        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                }
            })
            .connect(server.url())
            .await
            .unwrap();
        Self { client, refusals }
    }

    fn refused(&self) -> usize {
        self.refusals.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Whether the server lets it.
    async fn may(&self, verb: Verb, subject: &str) -> bool {
        let before = self.refused();
        match verb {
            Verb::Publish => self.client.publish(subject.to_owned(), "{}".into()).await.unwrap(),
            Verb::Subscribe => {
                let mut messages = self.client.subscribe(subject.to_owned()).await.unwrap();
                self.client.flush().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
                messages.unsubscribe().await.unwrap();
            }
        }
        self.client.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.refused() == before
    }
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Publish,
    Subscribe,
}
use Verb::{Publish, Subscribe};

struct Scene {
    server: NatsServer,
    grants: [Grant; 2],
    keys: [KeyPair; 2],
}

/// A stream with events of two tenants, and a consumer of each.
async fn scene(database: &support::Database) -> Scene {
    let server = NatsServer::start().await;
    let nats = server.nats(&server.relay).await;
    nats.set_seals_stream().await.unwrap();
    let log = database.log().await;
    for n in [1, 2] {
        append_events(&log, tenant(n), 1, 20).await;
    }
    let running = Running::start(database, &nats).await;
    checkpoints_reach(database, 40).await;
    running.stop().await;
    let keys = [KeyPair::new_user(), KeyPair::new_user()];
    let grant = |n: usize| Grant { tenant_id: tenant(n as u128 + 1), name: "warehouse".parse().unwrap(), public_key: keys[n].public_key() };
    let grants = [grant(0), grant(1)];
    server.grant(&grants).await;
    let admin = server.nats(&server.admin).await;
    for grant in &grants {
        admin.make_durable(grant).await.unwrap();
    }
    assert_eq!(admin.durables().await.unwrap().len(), 2);
    Scene { server, grants, keys }
}

/// Up to `batch` messages of a durable, as an outside consumer asks for them; none where the server gives none.
async fn pull(identity: &Identity, api: &str, durable: &str, batch: usize) -> Vec<async_nats::Message> {
    pull_of("EVENTS", identity, api, durable, batch).await
}

async fn pull_of(stream: &str, identity: &Identity, api: &str, durable: &str, batch: usize) -> Vec<async_nats::Message> {
    let inbox = identity.client.new_inbox();
    let Ok(mut messages) = identity.client.subscribe(inbox.clone()).await else { return Vec::new() };
    let ask = format!(r#"{{"batch":{batch},"expires":300000000}}"#);
    identity.client.publish_with_reply(format!("{api}.CONSUMER.MSG.NEXT.{stream}.{durable}"), inbox, ask.into()).await.unwrap();
    let mut taken = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(600), messages.next()).await {
        if message.status.is_some() {
            break;
        }
        taken.push(message);
        if taken.len() == batch {
            break;
        }
    }
    taken
}

async fn held(server: &NatsServer) -> u64 {
    let nats = server.nats(&server.relay).await;
    let mut stream = async_nats::jetstream::new(nats.client().clone()).get_stream("EVENTS").await.expect("the stream is there");
    stream.info().await.unwrap().state.messages
}

// NFR-30: a tenant's consumer reads events.<tenant>.> and nothing else.
#[tokio::test]
async fn everybody_may_what_the_table_says_and_nothing_else() {
    with(|database| async move {
        let Scene { server, grants, keys } = scene(&database).await;
        let (a, b) = (tenant(1), tenant(2));
        let [da, db] = [grants[0].durable(), grants[1].durable()];
        let relay = Identity::connect(&server, &server.relay, "_INBOX").await;
        let subscriber = Identity::connect(&server, &server.subscriber, "_INBOX").await;
        let admin = Identity::connect(&server, &server.admin, "_INBOX").await;
        let consumer_a = Identity::connect(&server, &keys[0], "_INBOX_warehouse").await;
        let consumer_b = Identity::connect(&server, &keys[1], "_INBOX_warehouse").await;
        let (ra, rb, rel, sub, adm) = ("A", "B", "relay", "subscriber", "admin");
        // Who may, in this order: relay, subscriber, admin, consumer of A, consumer of B. The others may not.
        let table: Vec<(Verb, String, Vec<&str>)> = vec![
            (Publish, format!("events.{a}.wallet.credited"), vec![rel]),
            (Publish, format!("events.{b}.wallet.credited"), vec![rel]),
            (Publish, "seals.x".into(), vec![rel]),
            (Publish, format!("seals.{a}"), vec![rel]),
            (Publish, "anything".into(), vec![]),
            (Publish, "_INBOX.x".into(), vec![]),
            (Publish, format!("_INBOX_warehouse.{b}"), vec![]),
            (Subscribe, ">".into(), vec![]),
            (Subscribe, "events.>".into(), vec![sub]),
            (Subscribe, format!("events.{a}.>"), vec![sub, ra]),
            (Subscribe, format!("events.{a}.escrow.*"), vec![sub, ra]),
            (Subscribe, format!("events.{b}.>"), vec![sub, rb]),
            (Subscribe, "events.*.escrow.funded".into(), vec![sub]),
            (Subscribe, "seals.>".into(), vec![]),
            (Subscribe, "seals.*".into(), vec![]),
            (Subscribe, format!("seals.{a}"), vec![ra]),
            (Subscribe, format!("seals.{b}"), vec![rb]),
            (Subscribe, "$JS.>".into(), vec![]),
            (Subscribe, "$SYS.>".into(), vec![]),
            (Subscribe, "_INBOX.>".into(), vec![rel, adm]),
            (Subscribe, "_INBOX_warehouse.>".into(), vec![ra, rb]),
            (Subscribe, "_INBOX_other.>".into(), vec![]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.INFO.EVENTS.{da}"), vec![ra]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.INFO.EVENTS.{db}"), vec![rb]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.MSG.NEXT.EVENTS.{da}"), vec![ra]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.MSG.NEXT.EVENTS.{db}"), vec![rb]),
            (Publish, format!("$JS.ACK.EVENTS.{da}.1.1.1.1.0"), vec![ra]),
            (Publish, format!("$JS.ACK.EVENTS.{db}.1.1.1.1.0"), vec![rb]),
            (Publish, format!("$JS.API.CONSUMER.MSG.NEXT.EVENTS.{da}"), vec![]),
            (Publish, format!("$JS.API.CONSUMER.MSG.NEXT.EVENTS.{db}"), vec![]),
            (Publish, format!("$JS.API.CONSUMER.CREATE.EVENTS.x.events.{b}.>"), vec![adm]),
            (Publish, "$JS.API.CONSUMER.CREATE.EVENTS".into(), vec![]),
            (Publish, "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.x".into(), vec![]),
            (Publish, "$JS.API.CONSUMER.DELETE.EVENTS.x".into(), vec![adm]),
            (Publish, "$JS.API.CONSUMER.LIST.EVENTS".into(), vec![adm]),
            (Publish, "$JS.API.STREAM.INFO.EVENTS".into(), vec![rel, adm]),
            (Publish, "$JS.API.STREAM.MSG.GET.EVENTS".into(), vec![rel]),
            (Publish, "$JS.API.DIRECT.GET.EVENTS".into(), vec![]),
            (Publish, format!("$JS.API.DIRECT.GET.EVENTS.events.{b}.wallet.credited"), vec![]),
            (Publish, "$JS.API.STREAM.UPDATE.EVENTS".into(), vec![rel]),
            (Publish, "$JS.API.STREAM.CREATE.OTHER".into(), vec![]),
            (Publish, "$JS.API.STREAM.PURGE.EVENTS".into(), vec![]),
            (Publish, "$JS.API.STREAM.DELETE.EVENTS".into(), vec![]),
            (Publish, "$JS.API.STREAM.MSG.DELETE.EVENTS".into(), vec![]),
            (Publish, "$JS.API.STREAM.SNAPSHOT.EVENTS".into(), vec![]),
            (Publish, "$JS.API.STREAM.LIST".into(), vec![]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.INFO.SEALS.{da}"), vec![ra]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.MSG.NEXT.SEALS.{da}"), vec![ra]),
            (Publish, format!("{CONSUMER_API}.CONSUMER.MSG.NEXT.SEALS.{db}"), vec![rb]),
            (Publish, format!("$JS.ACK.SEALS.{da}.1.1.1.1.0"), vec![ra]),
            (Publish, format!("$JS.ACK.SEALS.{db}.1.1.1.1.0"), vec![rb]),
            (Publish, format!("$JS.API.CONSUMER.CREATE.SEALS.x.seals.{b}"), vec![adm]),
            (Publish, "$JS.API.CONSUMER.DELETE.SEALS.x".into(), vec![adm]),
            (Publish, "$JS.API.STREAM.INFO.SEALS".into(), vec![rel, adm]),
            (Publish, "$JS.API.STREAM.UPDATE.SEALS".into(), vec![rel]),
            (Publish, "$JS.API.STREAM.MSG.GET.SEALS".into(), vec![]),
            (Publish, "$JS.API.DIRECT.GET.SEALS".into(), vec![]),
            (Publish, "$JS.API.STREAM.PURGE.SEALS".into(), vec![]),
            (Publish, "$JS.API.STREAM.DELETE.SEALS".into(), vec![]),
            (Publish, "$JS.API.STREAM.MSG.DELETE.SEALS".into(), vec![]),
        ];
        let identities = [(rel, &relay), (sub, &subscriber), (adm, &admin), (ra, &consumer_a), (rb, &consumer_b)];
        let mut wrong = Vec::new();
        for (verb, subject, who) in &table {
            for (name, identity) in identities {
                let (may, should) = (identity.may(*verb, subject).await, who.contains(&name));
                if may != should {
                    wrong.push(format!("{name} {verb:?} {subject}: may {may}, should {should}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(async_nats::connect(server.url()).await.is_err(), "without credentials there is no connection");
        let stranger = async_nats::ConnectOptions::with_nkey(KeyPair::new_user().seed().unwrap());
        assert!(stranger.connect(server.url()).await.is_err());
    })
    .await;
}

// NFR-30
#[tokio::test]
async fn a_consumer_gets_all_of_its_tenant_and_nothing_of_another() {
    with(|database| async move {
        let Scene { server, grants, keys } = scene(&database).await;
        let consumer = Identity::connect(&server, &keys[0], "_INBOX_warehouse").await;
        let taken = pull(&consumer, CONSUMER_API, &grants[0].durable(), 100).await;
        let events: Vec<StoredEvent> = taken.iter().map(|message| decode(&message.payload).unwrap()).collect();
        assert_eq!(events, database.log().await.read(tenant(1), 0, 100).await.unwrap());
        for message in &taken {
            consumer.client.publish(message.reply.clone().unwrap(), "+ACK".into()).await.unwrap();
        }
        consumer.client.flush().await.unwrap();
        let admin = server.nats(&server.admin).await;
        let durable = || async { admin.durables().await.unwrap().into_iter().find(|durable| durable.name == grants[0].durable()).unwrap() };
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = durable().await;
        assert_eq!((after.pending, after.unacknowledged), (0, 0), "{after:?}");
        assert!(Nats::consumer_reaches(&server.url(), &keys[0].seed().unwrap(), &grants[0]).await);
        assert!(!Nats::consumer_reaches(&server.url(), &keys[0].seed().unwrap(), &grants[1]).await);
        // What comes now, at once.
        let mut live = consumer.client.subscribe(format!("events.{}.>", tenant(1))).await.unwrap();
        consumer.client.flush().await.unwrap();
        let relay = server.nats(&server.relay).await;
        for n in [2, 1] {
            let event = StoredEvent { tenant_id: tenant(n), ..events[0].clone() };
            relay.client().publish(format!("events.{}.wallet.credited", tenant(n)), encode(&event).unwrap().into()).await.unwrap();
        }
        let message = tokio::time::timeout(Duration::from_secs(2), live.next()).await.unwrap().unwrap();
        assert_eq!(decode(&message.payload).unwrap().tenant_id, tenant(1));
        // Another tenant's durable, by its own address and by the name in the consumer's API.
        for api in [CONSUMER_API, "$JS.API"] {
            assert!(pull(&consumer, api, &grants[1].durable(), 5).await.is_empty());
        }
        // Where answers go is chosen by who asks: not into another tenant's subjects and not to the stream's own addresses.
        let other = Identity::connect(&server, &keys[1], "_INBOX_warehouse").await;
        let mut theirs = other.client.subscribe(format!("events.{}.>", tenant(2))).await.unwrap();
        other.client.flush().await.unwrap();
        let before = held(&server).await;
        let next = format!("{CONSUMER_API}.CONSUMER.MSG.NEXT.EVENTS.{}", grants[0].durable());
        let targets = [
            format!("events.{}.wallet.credited", tenant(2)),
            format!("events.{}.wallet.credited", tenant(1)),
            "$JS.API.STREAM.DELETE.EVENTS".to_owned(),
            "$JS.API.STREAM.PURGE.EVENTS".to_owned(),
            format!("$JS.API.CONSUMER.DELETE.EVENTS.{}", grants[1].durable()),
            "$JS.API.STREAM.UPDATE.EVENTS".to_owned(),
        ];
        for target in targets {
            for ask in [r#"{"batch":1,"expires":100000000}"#, r#"{"batch":9,"no_wait":true}"#] {
                consumer.client.publish_with_reply(next.clone(), target.clone(), ask.into()).await.unwrap();
            }
        }
        consumer.client.flush().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(1), theirs.next()).await.is_err(), "a message of A among those of B");
        assert_eq!(held(&server).await, before);
        assert_eq!(admin.durables().await.unwrap().len(), 2);
        // Taken back.
        server.grant(&grants[1..]).await;
        assert!(admin.delete_durable(&grants[0]).await.unwrap());
        assert!(!admin.delete_durable(&grants[0]).await.unwrap());
        assert!(async_nats::ConnectOptions::with_nkey(keys[0].seed().unwrap()).connect(server.url()).await.is_err());
        assert_eq!(pull(&other, CONSUMER_API, &grants[1].durable(), 3).await.len(), 3, "the other consumer goes on");
    })
    .await;
}

// NFR-30: an auditor who was away reads what was sealed meanwhile, of its own tenant alone.
#[tokio::test]
async fn seals_wait_for_whoever_was_away() {
    with(|database| async move {
        let Scene { server, grants, keys } = scene(&database).await;
        let pool = database.pool_as("holdfast_relay", PoolSettings::default()).await;
        let nats = server.nats(&server.relay).await;
        let accepted = SealKeys::try_new(&[SealingKey::new(&[7; 32]).public()]).unwrap();
        let mut sealer = Sealer::new(pool, Some(nats), SealingKey::new(&[7; 32]), accepted.clone(), SealerSettings::default());
        let mut made = sealer.round().await.unwrap();
        append_events(&database.log().await, tenant(1), 21, 5).await;
        made.extend(sealer.round().await.unwrap());
        assert_eq!(made.len(), 3);
        let consumer = Identity::connect(&server, &keys[0], "_INBOX_warehouse").await;
        let taken = pull_of(SEALS, &consumer, CONSUMER_API, &grants[0].durable(), 10).await;
        let taken: Vec<Seal> = taken.iter().map(|message| serde_json::from_slice(&message.payload).unwrap()).collect();
        let mine: Vec<Seal> = made.into_iter().filter(|seal| seal.tenant_id == tenant(1)).collect();
        assert_eq!(taken, mine);
        assert!(taken.iter().all(|seal| accepted.accept(seal)) && taken.iter().map(|seal| seal.size).eq([20, 25]));
        for api in [CONSUMER_API, "$JS.API"] {
            assert!(pull_of(SEALS, &consumer, api, &grants[1].durable(), 5).await.is_empty(), "another tenant's");
        }
    })
    .await;
}
