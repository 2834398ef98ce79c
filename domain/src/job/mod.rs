//! Job: a brief, who applied for it, who made the shortlist (JOB-10..19, JOB-40..43).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::Job;
pub use command::JobCommand;
pub use error::JobError;
pub use event::JobEvent;

#[cfg(test)]
mod tests;
