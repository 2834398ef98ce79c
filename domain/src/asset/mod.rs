//! Asset: a file that somebody uploads, from the announced upload to the confirmed content (TAL-06, TAL-19, TAL-20, TAL-31).
//! The rules are in docs/domain/asset.md; the bytes are in the file storage (docs/files.md), never here.

mod aggregate;
mod command;
mod error;
mod event;
mod owner;
mod status;

pub use aggregate::{About, Asset};
pub use command::{Announce, AssetCommand};
pub use error::AssetError;
pub use event::{AssetEvent, UPLOAD_DEADLINE};
pub use owner::{AssetKind, AssetOwner, NoAssetKind, OwnerType};
pub use status::{AssetAction, AssetStatus, TRANSITIONS};

#[cfg(test)]
mod tests;
