//! The documents, as a reader of PDF that shares no code with the renderer sees them.

mod bad_input;
mod call_sheet;
mod contract;
mod given;
mod read;
mod statement;
