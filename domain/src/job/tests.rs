//! The rules of `docs/domain/job.md`, one sentence each.
