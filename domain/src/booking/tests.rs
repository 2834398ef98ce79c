//! The rules of `docs/domain/booking.md`, one sentence each.
