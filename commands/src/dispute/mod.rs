//! What follows on the events of a dispute: one file per reaction, named after what it does.

pub(crate) mod enforce_decision;
pub(crate) mod escalate;
pub(crate) mod keep_evidence;
