//! The connections of clients. The server's own timers see to requests that have begun; who has none under way, and sends
//! nothing or only a piece of a head, may do so for a while and is then cut off without an answer.

use std::any::Any;
use std::cell::Cell;
use std::future::{Ready, ready};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::{Error, FromRequest, HttpRequest, rt};
use tokio::time::{Instant, sleep_until};

/// From the connecting, or the end of the last answer, to the whole head of the next request.
const SILENCE: Duration = Duration::from_secs(30);

/// Another handle of one client's socket, for tasks that look whether the client has gone, or end it: the server does not look
/// while there is nothing to write, and has no time limit on writing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Weak<TcpStream>);

/// What is kept with a connection, and goes with it.
struct Watched {
    state: Rc<State>,
    watcher: rt::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// Requests that are being answered; bodies of answers included.
    busy: Cell<usize>,
    quiet_since: Cell<Instant>,
}

/// Kept for as long as a request is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Rc<State>);

/// Called by the server for each connection.
pub(crate) fn remember(socket: &dyn Any, data: &mut Extensions) {
    let Some(socket) = socket.downcast_ref::<rt::net::TcpStream>() else { return };
    let Ok(handle) = socket.as_fd().try_clone_to_owned() else { return };
    let socket = Arc::new(TcpStream::from(handle));
    data.insert(Watched::new(Arc::clone(&socket), SILENCE));
    data.insert(socket);
}

impl Connection {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self(request.conn_data::<Arc<TcpStream>>().map(Arc::downgrade).unwrap_or_default())
    }

    /// The client has closed it. What else it may have sent is left where it is.
    pub(crate) fn has_gone(&self) -> bool {
        // Never waits: the server has made the socket non-blocking.
        self.0.upgrade().is_some_and(|socket| matches!(socket.peek(&mut [0]), Ok(0)))
    }

    /// The server notices and lets go of everything that it kept for it.
    pub(crate) fn end(&self) {
        if let Some(socket) = self.0.upgrade() {
            socket.shutdown(Shutdown::Both).ok();
        }
    }
}

impl FromRequest for Connection {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Watched {
    fn new(socket: Arc<TcpStream>, silence: Duration) -> Self {
        metrics::gauge!("holdfast_connections").increment(1.0);
        let state = Rc::new(State { busy: Cell::new(0), quiet_since: Cell::new(Instant::now()) });
        let watcher = rt::spawn(watch(Rc::clone(&state), socket, silence));
        Self { state, watcher }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        metrics::gauge!("holdfast_connections").decrement(1.0);
        self.watcher.abort();
    }
}

/// Looks again when the silence could have lasted long enough. The server notices the end and lets go of the rest.
async fn watch(state: Rc<State>, socket: Arc<TcpStream>, silence: Duration) {
    loop {
        let ends = state.ends(silence);
        if ends <= Instant::now() {
            socket.shutdown(Shutdown::Both).ok();
            return;
        }
        sleep_until(ends).await;
    }
}

impl State {
    fn ends(&self, silence: Duration) -> Instant {
        let since = if self.busy.get() > 0 { Instant::now() } else { self.quiet_since.get() };
        since + silence
    }
}

impl Busy {
    /// None for a request without a connection: inside a batch, in a test.
    pub(crate) fn with(request: &ServiceRequest) -> Option<Self> {
        let state = Rc::clone(&request.conn_data::<Watched>()?.state);
        state.busy.set(state.busy.get() + 1);
        Some(Self(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
        self.0.quiet_since.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn pair() -> (TcpStream, Watched) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let watched = Watched::new(Arc::new(listener.accept().unwrap().0), SHORT);
        (client, watched)
    }

    fn is_open(client: &TcpStream) -> bool {
        client.set_nonblocking(true).unwrap();
        let mut client = client;
        client.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    #[actix_web::test]
    async fn who_is_silent_is_cut_off_and_who_is_being_answered_is_not() {
        let (client, watched) = pair();
        watched.state.busy.set(1);
        let busy = Busy(Rc::clone(&watched.state));
        rt::time::sleep(SHORT * 4).await;
        assert!(is_open(&client));
        drop(busy);
        rt::time::sleep(SHORT * 6).await;
        assert!(!is_open(&client));
    }

    #[actix_web::test]
    async fn the_watch_ends_with_the_connection() {
        let (_client, watched) = pair();
        let state = Rc::clone(&watched.state);
        drop(watched);
        rt::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(Rc::strong_count(&state), 1);
    }
}
