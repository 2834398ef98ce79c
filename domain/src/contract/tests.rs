//! The rules of `docs/domain/contract.md`, one sentence each.
