//! What follows on the events of an asset.

pub(crate) mod delete_file;
