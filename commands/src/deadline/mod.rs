//! Deadlines: rows derived from events, and a worker that asks the aggregate when one has come. A deadline that fires
//! twice or late is harmless, because the aggregate compares the instant with its own state.

mod tracker;
mod worker;

pub use tracker::DeadlineTracker;
pub use worker::DeadlineWorker;
