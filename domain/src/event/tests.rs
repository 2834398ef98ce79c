//! The catalogue against the events themselves, and against what it said before.

mod example; // values for every shape that a schema allows
mod golden; // docs/events/
mod schemas;
