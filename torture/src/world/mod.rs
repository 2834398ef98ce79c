//! The processes of one run, in one folder: Postgres, NATS, every role of Holdfast by itself.

/// What a scenario needs beyond the usual.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More lines for postgresql.conf.
    pub postgres_conf: String,
    /// More environment of the postmaster, e.g. `LD_PRELOAD`.
    pub postgres_env: Vec<(String, String)>,
    /// More environment of nats-server.
    pub nats_env: Vec<(String, String)>,
}

/// Everything that runs.
#[derive(Debug)]
pub struct World {}
