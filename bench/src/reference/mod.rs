//! What the figures are compared with, all on the same Postgres and in the same run.

pub(crate) mod cala; // a double-entry ledger on Postgres
pub(crate) mod endpoints; // HTTP that does nothing, and the stock library behind HTTP
pub(crate) mod multi_row; // many rows per statement
pub(crate) mod row_at_a_time; // a ledger projection
pub(crate) mod single_row; // pgbench
pub(crate) mod stock; // cqrs-es with postgres-es
