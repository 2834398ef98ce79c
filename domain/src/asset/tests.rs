//! The rules of `docs/domain/asset.md`, one sentence each.
