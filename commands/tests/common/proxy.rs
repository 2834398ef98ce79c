//! Stands between a process and Postgres and loses an answer when told to: what was sent has been done, and nobody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub struct Proxy {
    pub port: u16,
    /// The n-th chunk that the server sends from now on is lost with its connection; 0 or less: none.
    lose: Arc<AtomicI64>,
}

impl Proxy {
    pub async fn to(server: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lose = Arc::new(AtomicI64::new(0));
        let shared = lose.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, lose) = (TcpStream::connect(server.clone()).await, shared.clone());
                tokio::spawn(async move {
                    if let Ok(server) = server {
                        forward(client, server, &lose).await;
                    }
                });
            }
        });
        Self { port, lose }
    }

    pub fn lose_answer(&self, nth: i64) {
        self.lose.store(nth, Ordering::SeqCst);
    }
}

async fn forward(client: TcpStream, server: TcpStream, lose: &AtomicI64) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            // Both ends see a closed connection; the server has already done what it was asked.
            if read == 0 || lose.fetch_sub(1, Ordering::SeqCst) == 1 {
                return std::io::Result::Ok(());
            }
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = answers => {}
    }
}
