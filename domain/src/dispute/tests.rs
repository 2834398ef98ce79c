//! The rules of `docs/domain/dispute.md`, one sentence each.
