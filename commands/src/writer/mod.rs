//! Writers: take what queued, load what is not cached in one round trip, decide in memory, append everything in one
//! statement, answer after commit. The rules: docs/ARCHITECTURE.md, "A writer's batch".

mod answer;
mod batch;
mod cache;
mod in_flight;
mod load;
mod locked;
mod measure;
mod order;
mod queue;
mod snapshot;
mod stream;
mod writers;

pub use writers::{WriterSettings, Writers};
