//! NATS: the fast path to our own consumers and the way to outside ones. Never needed for correctness.

/// Plain subscription on `events.>`; whatever it loses is read from the log.
#[derive(Debug)]
pub struct Feed {}
