//! Targets on what comes in by HTTP and stays inside this crate (docs/abuse.md). Filters and headers are tried on a whole system.

mod amounts;
mod cursors;
mod tokens;
