//! The socket under a stream. The server does not look at it while there is nothing to write, and has no time limit on writing: so
//! the stream's task looks whether the client has gone, and ends the connection of one that has stopped reading.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Weak};

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

/// Another handle of one client's socket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Weak<TcpStream>);

/// Called by the server for each connection, which owns what is remembered.
pub(crate) fn remember(socket: &dyn Any, data: &mut Extensions) {
    let Some(socket) = socket.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    if let Ok(handle) = socket.as_fd().try_clone_to_owned() {
        data.insert(Arc::new(TcpStream::from(handle)));
    }
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
