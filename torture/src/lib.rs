//! `make torture`: the real binary, Postgres and NATS as separate processes, broken on purpose while a recorded load runs.
//!
//! A [`scenario`] breaks one thing again and again, as its seed says; the [`world`] holds the processes. Afterwards everything is healed,
//! every request of unknown outcome is repeated with its key, and checkers that share no code with Holdfast look at what is stored.

pub mod environment;
pub mod history;
pub mod load;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod verdict;
pub mod world;
