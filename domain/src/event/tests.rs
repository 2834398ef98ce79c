//! The catalogue against the events themselves, and against what it said before.

mod example; // values for every shape that a schema allows
mod fuzz; // rows of the log that nobody wrote
mod golden; // docs/events/
mod schemas;
mod states; // written down and read again
