//! What follows on the events of a wallet.

pub(crate) mod credit_transfer;
pub(crate) mod sell_credits;
