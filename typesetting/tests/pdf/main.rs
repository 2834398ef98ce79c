//! The documents, as a reader of PDF that shares no code with the renderer sees them.

#![allow(clippy::unwrap_used, reason = "the helpers of tests")]

mod bad_input;
mod call_sheet;
mod contract;
mod given;
mod read;
mod statement;
