//! The rules of `docs/domain/credits.md`, one sentence each.
