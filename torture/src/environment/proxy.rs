//! A network link that can be slow, one-way, cut or pointed elsewhere: a TCP proxy on loopback.
//!
//! Bytes that a broken link holds back are delivered when it is healed, as TCP would by sending them again. While a link lets
//! nothing through, connections are still accepted (by the kernel, on our side) and then hear nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which way bytes go. The client is whoever has connected to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// How a link is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    server: SocketAddr,
    delay: Duration,
    blocked_to_server: bool,
    blocked_to_client: bool,
    /// Connections of an earlier number are reset.
    generation: u64,
    /// Connections of an earlier number are reset in the middle of the next bytes that go this way.
    cut: Option<(u64, Direction)>,
}

impl State {
    fn blocked(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.blocked_to_server,
            Direction::ToClient => self.blocked_to_client,
        }
    }
}

/// Looks at what passes; made anew for each connection.
pub trait Filter: Send {
    /// Takes bytes from the server, and gives what the client is to get now.
    fn pass(&mut self, bytes: &[u8]) -> Bytes;

    /// What was held back and is due, and after how long to ask again.
    fn due(&mut self) -> (Bytes, Option<Duration>);
}

/// Makes a filter for the n-th connection of a link.
pub type MakeFilter = Arc<dyn Fn(u64) -> Box<dyn Filter> + Send + Sync>;

/// One link. It ends, with its connections, when dropped.
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    connections: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// Listens on a free port and passes everything on to `server`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn open(server: SocketAddr, filter: Option<MakeFilter>) -> anyhow::Result<Self> {
        Self::open_at(0, server, filter).await
    }

    /// The same on that port.
    ///
    /// # Errors
    /// When somebody else listens there.
    pub async fn open_at(port: u16, server: SocketAddr, filter: Option<MakeFilter>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.context("no port for a proxy")?;
        let address = listener.local_addr()?;
        let nothing = Duration::ZERO;
        let (state, _) =
            watch::channel(State { server, delay: nothing, blocked_to_server: false, blocked_to_client: false, generation: 0, cut: None });
        let connections = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, state.clone(), connections.clone(), filter));
        Ok(Self { address, state, connections, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Both ways take so much longer.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Nothing arrives any more in this direction; nobody is told.
    pub fn block(&self, direction: Direction) {
        self.state.send_modify(|state| match direction {
            Direction::ToServer => state.blocked_to_server = true,
            Direction::ToClient => state.blocked_to_client = true,
        });
    }

    /// A partition: nothing arrives in either direction.
    pub fn partition(&self) {
        self.block(Direction::ToServer);
        self.block(Direction::ToClient);
    }

    /// All connections end now with a reset.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// All connections end with a reset, each after half of the next bytes that go this way.
    pub fn cut(&self, direction: Direction) {
        let before = self.connections();
        self.state.send_modify(|state| state.cut = Some((before, direction)));
    }

    /// New connections go to another server; the present ones are reset.
    pub fn redirect(&self, server: SocketAddr) {
        self.state.send_modify(|state| {
            state.server = server;
            state.generation += 1;
        });
    }

    /// Everything passes again. What was reset stays reset.
    pub fn heal(&self) {
        self.state.send_modify(|state| {
            *state = State {
                delay: Duration::ZERO,
                blocked_to_server: false,
                blocked_to_client: false,
                cut: None,
                server: state.server,
                generation: state.generation,
            };
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("address", &self.address).field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, state: watch::Sender<State>, connections: Arc<AtomicU64>, filter: Option<MakeFilter>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let filter = filter.as_ref().map(|make| make(number));
        tokio::spawn(connection(client, number, state.subscribe(), filter));
    }
}

async fn connection(mut client: TcpStream, number: u64, mut state: watch::Receiver<State>, mut filter: Option<Box<dyn Filter>>) {
    let now = *state.borrow();
    // A server that is not there looks like one that ends every connection.
    let Ok(mut server) = TcpStream::connect(now.server).await else { return reset(&client) };
    for stream in [&client, &server] {
        if let Err(error) = stream.set_nodelay(true) {
            return eprintln!("a proxied connection ends: {error}");
        }
    }
    let pump = |direction| Pump { number, direction, state: state.clone() };
    let (mut there, mut back) = (pump(Direction::ToServer), pump(Direction::ToClient));
    let ended = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            ended = async {
                tokio::try_join!(there.run(&mut from_client, &mut to_server, None), back.run(&mut from_server, &mut to_client, filter.as_deref_mut()))
            } => ended.map(drop),
            _ = state.wait_for(|state| state.generation != now.generation) => Err(Broken),
        }
    };
    if ended.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// Whoever reads or writes it is told "connection reset".
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        eprintln!("a connection ends without a reset: {error}");
    }
}

/// Both ends of the connection are to be reset.
struct Broken;

/// One direction of one connection.
struct Pump {
    number: u64,
    direction: Direction,
    state: watch::Receiver<State>,
}

impl Pump {
    /// Until the sender has said its last.
    async fn run(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        mut filter: Option<&mut (dyn Filter + 'static)>,
    ) -> Result<(), Broken> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        loop {
            let (held, again) = filter.as_mut().map(|filter| filter.due()).unwrap_or_default();
            self.deliver(to, &held).await?;
            let read = tokio::select! {
                read = from.read_buf(&mut buffer) => read,
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => continue,
            };
            if read.map_err(|_| Broken)? == 0 {
                return to.shutdown().await.map_err(|_| Broken);
            }
            let bytes = buffer.split().freeze();
            let bytes = filter.as_mut().map_or(bytes.clone(), |filter| filter.pass(&bytes));
            self.deliver(to, &bytes).await?;
        }
    }

    async fn deliver(&mut self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> Result<(), Broken> {
        if bytes.is_empty() {
            return Ok(());
        }
        let delay = self.state.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let direction = self.direction;
        let state = *self.state.wait_for(|state| !state.blocked(direction)).await.map_err(|_| Broken)?;
        if state.cut.is_some_and(|(before, way)| way == direction && self.number < before) {
            _ = to.write_all(&bytes[..bytes.len() / 2]).await;
            return Err(Broken);
        }
        to.write_all(bytes).await.map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers what it hears; and the link to it.
    async fn echo() -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Link::open(address, None).await.unwrap()
    }

    async fn said(client: &mut TcpStream, text: &str) -> std::io::Result<String> {
        client.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        client.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    const SOON: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_partition_holds_everything_back_until_it_heals() {
        for block in [Direction::ToServer, Direction::ToClient] {
            let link = echo().await;
            let mut client = TcpStream::connect(link.address()).await.unwrap();
            assert_eq!(said(&mut client, "one").await.unwrap(), "one");
            link.block(block);
            assert!(tokio::time::timeout(SOON, said(&mut client, "two")).await.is_err());
            link.heal();
            let mut late = [0; 3];
            client.read_exact(&mut late).await.unwrap();
            assert_eq!(&late, b"two");
        }
    }

    #[tokio::test]
    async fn a_reset_ends_the_present_connections_only() {
        let link = echo().await;
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(said(&mut client, "one").await.unwrap(), "one");
        link.reset();
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(said(&mut client, "two").await.unwrap(), "two");
    }

    #[tokio::test]
    async fn a_cut_ends_a_connection_in_the_middle_of_a_message() {
        let link = echo().await;
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(said(&mut client, "one").await.unwrap(), "one");
        link.cut(Direction::ToClient);
        client.write_all(b"12345678").await.unwrap();
        let mut got = Vec::new();
        let error = loop {
            match client.read_buf(&mut got).await {
                Ok(0) => panic!("ended in peace"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(got.len() <= 4, "{got:?}");
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(said(&mut client, "two").await.unwrap(), "two", "a later connection is not cut");
    }

    #[tokio::test]
    async fn a_redirected_link_leads_to_another_server() {
        let (link, other) = (echo().await, TcpListener::bind(("127.0.0.1", 0)).await.unwrap());
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(said(&mut client, "one").await.unwrap(), "one");
        link.redirect(other.local_addr().unwrap());
        assert!(client.read_u8().await.is_err());
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        client.write_all(b"x").await.unwrap();
        let (mut there, _) = other.accept().await.unwrap();
        assert_eq!(there.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_server_that_is_gone_resets() {
        let link = echo().await;
        let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        link.redirect(nobody);
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert!(client.read_u8().await.is_err());
    }
}
