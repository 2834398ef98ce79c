//! What follows on the events of credits.

pub(crate) mod credit_legs;
