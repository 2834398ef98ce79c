//! How much this process takes on at once (docs/settings.md, "Queues and bounds").

use holdfast_commands::WriterSettings;
use serde::Deserialize;

use super::{SettingsError, invalid};
use crate::{InFlightLimits, StreamLimits};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Writers of this process; 0: one per core.
    pub writers: usize,
    /// Commands that may wait per writer; beyond it callers get 503 with Retry-After. Batches take half of it at most.
    pub writer_queue: usize,
    /// Memory for the states of streams that the writers of this process keep, in MiB.
    pub writer_cache_mib: usize,
    /// A stream gets a new snapshot after so many events; 0: never.
    pub snapshot_every: u32,
    /// Requests in work, of each kind; beyond it callers get 503 `OVERLOADED`.
    pub commands: usize,
    /// `POST /v1/commands`.
    pub batches: usize,
    /// Uploads and downloads by link.
    pub files: usize,
    /// What else comes without a token of ours: signing links, messages of signing providers.
    pub signed: usize,
    /// Half of them may wait for `X-Min-Position`.
    pub queries: usize,
    /// PDFs that are made or wait for their turn.
    pub documents: usize,
    /// How long a query waits for `X-Min-Position`.
    pub min_position_wait_ms: u64,
    /// Streams of events that one user may read at the same time: 1 to 20.
    pub streams_per_user: usize,
    /// Those of all users, in this process.
    pub streams: usize,
}

/// More than any machine has use for.
const MOST: usize = 1_000_000;

impl Default for Limits {
    fn default() -> Self {
        let StreamLimits { per_user, total } = StreamLimits::default();
        let InFlightLimits { commands, batches, batched_commands, files, signed, queries, documents } = InFlightLimits::default();
        Self {
            writers: 0,
            writer_queue: batched_commands * 2,
            writer_cache_mib: 256,
            snapshot_every: 200,
            commands,
            batches,
            files,
            signed,
            queries,
            documents,
            min_position_wait_ms: 5_000,
            streams_per_user: per_user,
            streams: total,
        }
    }
}

impl Limits {
    #[must_use]
    pub fn streams(&self) -> StreamLimits {
        StreamLimits { per_user: self.streams_per_user, total: self.streams }
    }

    /// Half of a writer's queue is left to single commands, also when all batches are of one tenant.
    #[must_use]
    pub fn in_flight(&self) -> InFlightLimits {
        let Self { commands, batches, files, signed, queries, documents, .. } = *self;
        InFlightLimits { commands, batches, batched_commands: (self.writer_queue / 2).max(1), files, signed, queries, documents }
    }

    #[must_use]
    pub fn writer_settings(&self) -> WriterSettings {
        WriterSettings {
            writers: if self.writers == 0 { WriterSettings::default().writers } else { self.writers },
            queue_capacity: self.writer_queue,
            cache_bytes: self.writer_cache_mib * 1024 * 1024,
            snapshot_every: self.snapshot_every,
        }
    }

    /// Queries that may wait for `X-Min-Position`: the others are answered also while read models are late.
    #[must_use]
    pub fn waiting_queries(&self) -> usize {
        (self.queries / 2).max(1)
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(1..=20).contains(&self.streams_per_user) {
            return Err(invalid("limits.streams_per_user", "must be 1 to 20"));
        }
        let counts = [
            ("limits.writer_queue", self.writer_queue),
            ("limits.writer_cache_mib", self.writer_cache_mib),
            ("limits.commands", self.commands),
            ("limits.batches", self.batches),
            ("limits.files", self.files),
            ("limits.signed", self.signed),
            ("limits.queries", self.queries),
            ("limits.documents", self.documents),
        ];
        match counts.into_iter().find(|(_, count)| !(1..=MOST).contains(count)) {
            Some((key, _)) => Err(invalid(key, "must be 1 to 1000000")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_at_least_one_and_the_error_names_the_key() {
        Limits::default().check().unwrap();
        for key in
            ["writer_queue", "writer_cache_mib", "commands", "batches", "files", "signed", "queries", "documents", "streams_per_user"]
        {
            for count in ["0", "1000001"] {
                let limits: Limits = serde_json::from_str(&format!("{{\"{key}\":{count}}}")).unwrap();
                let error = limits.check().unwrap_err().to_string();
                assert!(error.contains(&format!("limits.{key}")), "{key}: {error}");
            }
        }
    }

    #[test]
    fn batches_leave_half_of_a_writers_queue() {
        assert_eq!(Limits { writer_queue: 10, ..Limits::default() }.in_flight().batched_commands, 5);
        assert_eq!(Limits { writer_queue: 1, ..Limits::default() }.in_flight().batched_commands, 1);
    }
}
