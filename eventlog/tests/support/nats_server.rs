//! A nats-server of a test's own, with the accounts that the product writes, to be stopped, wiped and reloaded.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_eventlog::nats::access::{Grant, Identities, accounts, consumers_file};
use holdfast_eventlog::nats::{Nats, NatsSettings};
use nkeys::KeyPair;
use uuid::Uuid;

/// One that the kernel gives to no client: those that wait for the server to start would sooner or later be given its port.
fn free_port() -> u16 {
    let drawn = std::iter::repeat_with(|| 10_000 + u16::try_from(Uuid::new_v4().as_u128() % 20_000).unwrap());
    drawn.take(1_000).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Killed and deleted when dropped.
pub(crate) struct NatsServer {
    folder: PathBuf,
    port: u16,
    pub(crate) relay: KeyPair,
    pub(crate) subscriber: KeyPair,
    pub(crate) admin: KeyPair,
    process: Option<Child>,
}

impl NatsServer {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("holdfast-nats-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let [relay, subscriber, admin] = [(); 3].map(|()| KeyPair::new_user());
        let mut server = Self { folder, port, relay, subscriber, admin, process: None };
        server.write_consumers(&[]);
        let [relay, subscriber, admin] = [&server.relay, &server.subscriber, &server.admin].map(KeyPair::public_key);
        let identities = Identities { relay: &relay, subscriber: &subscriber, admin: &admin };
        let folder = server.folder.display();
        let configuration = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{folder}/store\" }}\n{}",
            accounts(&identities, "nats-consumers.conf")
        );
        std::fs::write(server.folder.join("nats.conf"), configuration).unwrap();
        server.run().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn run(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let child = Command::new(binary())
            .arg("-c")
            .arg(self.folder.join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nats-server does not listen: {}", std::fs::read_to_string(self.folder.join("log")).unwrap());
    }

    fn write_consumers(&self, grants: &[Grant]) {
        std::fs::write(self.folder.join("nats-consumers.conf"), consumers_file(grants)).unwrap();
    }

    /// As the product does it: the file, then the signal, twice.
    pub(crate) async fn grant(&self, grants: &[Grant]) {
        self.write_consumers(grants);
        self.reload().await;
        self.reload().await;
    }

    async fn reload(&self) {
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap();
        let reloads = || log().matches("Reloaded server configuration").count();
        let before = reloads();
        let pid = self.process.as_ref().unwrap().id();
        let reloaded = Command::new(binary()).arg("--signal").arg(format!("reload={pid}")).status().unwrap();
        assert!(reloaded.success());
        for _ in 0..200 {
            if reloads() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nats-server does not take its configuration: {}", log());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Deletes what it has stored; it must not be running.
    pub(crate) fn wipe(&self) {
        std::fs::remove_dir_all(self.folder.join("store")).unwrap();
    }

    /// Keeps a copy of what it has stored; it must not be running.
    pub(crate) fn save(&self) {
        self.copy("store", "saved");
    }

    /// What was saved is what it has stored; it must not be running.
    pub(crate) fn put_back(&self) {
        self.wipe();
        self.copy("saved", "store");
    }

    fn copy(&self, from: &str, to: &str) {
        let copied = Command::new("cp").arg("-a").arg(self.folder.join(from)).arg(self.folder.join(to)).status().unwrap();
        assert!(copied.success());
    }

    pub(crate) async fn nats(&self, key: &KeyPair) -> Nats {
        let settings = NatsSettings { nkey_seed: Some(key.seed().unwrap()), max_bytes: 64 << 20, ..NatsSettings::new(self.url()) };
        let nats = Nats::connect(settings).await.unwrap();
        while !nats.is_connected() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        nats
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn binary() -> PathBuf {
    let named = std::env::var_os("HOLDFAST_NATS_SERVER").map(PathBuf::from);
    let local = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.holdfast/bin/nats-server"));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|folder| folder.join("nats-server"));
    named
        .into_iter()
        .chain([local])
        .chain(on_path)
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no nats-server: run scripts/setup"))
}
