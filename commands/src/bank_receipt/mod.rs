//! What follows on the events of a bank receipt.

pub(crate) mod credit_payer;
