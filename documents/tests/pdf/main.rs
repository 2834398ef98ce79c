//! The documents, as a reader of PDF that shares no code with the renderer sees them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod given;
mod look;
