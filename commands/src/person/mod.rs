//! The erasure of a person: what stands against it, and what follows on it.

pub(crate) mod destroy_keys;
mod obstacle;

pub use obstacle::{Obstacle, ObstacleError, obstacle};
