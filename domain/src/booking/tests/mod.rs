//! The rules of `docs/domain/booking.md`, one sentence each.

mod case;
mod histories;
mod holds;
mod offers;
mod reports;
mod stored;
mod tables;
mod work;
