//! What follows on the events of a wallet.

pub(crate) mod credit_transfer;
