//! Asset: a file that somebody uploads, from the announced upload to the confirmed content (TAL-19, TAL-20, TAL-31).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::Asset;
pub use command::AssetCommand;
pub use error::AssetError;
pub use event::AssetEvent;

#[cfg(test)]
mod tests;
