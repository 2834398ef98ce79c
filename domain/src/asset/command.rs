//! What can be asked of a asset.

#[derive(Debug, Clone, PartialEq)]
pub enum AssetCommand {}
