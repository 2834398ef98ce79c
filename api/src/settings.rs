//! What an operator sets: from a file, the environment and flags, in rising order of precedence.
//!
//! Every key is listed with its meaning in `holdfast.example.toml`. Unknown keys are refused, and every error names the
//! key. Secrets are `SecretString`s and never printed.

mod auth; // tokens
mod database; // the two databases
mod files; // where they are kept
mod keys; // secrets, and who keeps the master key
mod seals; // how the logs are sealed
mod sessions; // how soon their end is noticed
mod sources; // files, environment, flags

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use config::ConfigError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::StreamLimits;

pub use auth::Auth;
pub use database::{Connections, Database, DatabaseRole, Passwords, Side};
pub use files::{Bucket, Files, FilesBackend};
pub use keys::{Keys, KmsKind, Secrets, Vault};
pub use seals::Seals;
pub use sessions::Sessions;
pub use sources::{Sources, existing};

/// Environment variables are named `HOLDFAST__SECTION__KEY`.
pub const ENVIRONMENT_PREFIX: &str = "HOLDFAST";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub profile: Profile,
    pub http: Http,
    pub database: Database,
    pub nats: Nats,
    pub auth: Auth,
    pub sessions: Sessions,
    pub secrets: Secrets,
    pub keys: Keys,
    pub files: Files,
    pub seals: Seals,
    pub limits: Limits,
    pub telemetry: Telemetry,
    pub esign: crate::esign_settings::ESign,
}

/// How much is protected (protocols: profiles).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Everything that protects data must be on, or money commands are refused.
    #[default]
    Production,
    /// Safe against a crash of process or machine; no archive, no TLS, everything on loopback.
    Dev,
    /// Nothing is safe; says so in `/readyz`.
    Test,
}

impl Profile {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: SocketAddr,
    pub workers: usize,
    /// Origins that browsers may call from; none by default.
    pub cors_origins: Vec<String>,
    /// Serves `/docs` and `/docs/openapi.json`.
    pub docs: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), workers: 2, cors_origins: Vec::new(), docs: true }
    }
}

/// Optional: without a URL, read models and reactions follow the log itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nats {
    /// `nats://host:4222` or `tls://…`
    pub url: Option<String>,
    /// Seed of the nkey user that may publish `events.>` and manage the stream.
    pub relay_nkey_seed: Option<SecretString>,
    /// Seed of the nkey user that may subscribe to `events.>`, nothing else.
    pub subscriber_nkey_seed: Option<SecretString>,
    /// Seed of the nkey user that makes the durables of outside consumers; only `holdfast consumers` needs it.
    pub admin_nkey_seed: Option<SecretString>,
    /// The file that NATS includes in its accounts, written by `holdfast consumers`.
    pub consumers_file: Option<std::path::PathBuf>,
    /// Copies of the stream: 3 in production, on three servers.
    pub replicas: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Writers of this process; 0: one per core.
    pub writers: usize,
    /// Commands that may wait per writer; beyond it callers get 503 with Retry-After.
    pub writer_queue: usize,
    /// Memory for the states of streams that the writers of this process keep, in MiB.
    pub writer_cache_mib: usize,
    /// A stream gets a new snapshot after so many events; 0: never.
    pub snapshot_every: u32,
    /// How long a query waits for `X-Min-Position`.
    pub min_position_wait_ms: u64,
    /// Streams of events that one user may read at the same time: 1 to 20.
    pub streams_per_user: usize,
    /// Those of all users, in this process.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let StreamLimits { per_user, total } = StreamLimits::default();
        Self {
            writers: 0,
            writer_queue: 4096,
            writer_cache_mib: 256,
            snapshot_every: 200,
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
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `tracing` filter, e.g. `info,holdfast=debug`.
    pub log: String,
    pub log_format: LogFormat,
    /// OTLP over gRPC, e.g. `http://localhost:4317`; none: no traces leave the process.
    pub otlp_endpoint: Option<String>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), log_format: LogFormat::Json, otlp_endpoint: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    Text,
}

/// The message names the key.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the settings cannot be read")]
    Unreadable(#[from] ConfigError),
    #[error("settings: {key}: {problem} (file key {key}, environment {})", environment_name(key))]
    Invalid { key: &'static str, problem: String },
}

fn environment_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}__{}", key.to_uppercase().replace('.', "__"))
}

fn invalid(key: &'static str, problem: impl Into<String>) -> SettingsError {
    SettingsError::Invalid { key, problem: problem.into() }
}

/// Which parts of the settings a subcommand needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    pub tokens: bool,
    pub secrets: bool,
    pub database: &'static [(Side, DatabaseRole)],
}

impl Settings {
    /// Everything that `needs` names is present and well formed.
    ///
    /// # Errors
    /// Names the first key that is not.
    pub fn check(&self, needs: Needs) -> Result<(), SettingsError> {
        for &(side, role) in needs.database {
            self.database.connect_options(side, role)?;
        }
        if needs.tokens {
            self.signing_seed()?;
            if self.auth.issuer.is_empty() {
                return Err(invalid("auth.issuer", "is empty"));
            }
            if self.auth.audience.is_empty() {
                return Err(invalid("auth.audience", "is empty"));
            }
            self.accepted_public_keys()?;
            if self.auth.max_ttl_s == 0 || (self.profile == Profile::Production && self.auth.max_ttl_s > 3_600) {
                return Err(invalid("auth.max_ttl_s", "must be 1 to 3600 in the production profile"));
            }
        }
        if needs.secrets {
            self.request_hash_key()?;
            self.kms()?;
        }
        if self.http.workers == 0 || self.http.workers > 256 {
            return Err(invalid("http.workers", "must be 1 to 256"));
        }
        if self.http.cors_origins.iter().any(|origin| origin.contains('*')) {
            return Err(invalid("http.cors_origins", "wildcards are not allowed"));
        }
        self.sessions.check()?;
        if !(1..=20).contains(&self.limits.streams_per_user) {
            return Err(invalid("limits.streams_per_user", "must be 1 to 20"));
        }
        if self.limits.writer_queue == 0 {
            return Err(invalid("limits.writer_queue", "must be at least 1"));
        }
        if !(1..=1_048_576).contains(&self.limits.writer_cache_mib) {
            return Err(invalid("limits.writer_cache_mib", "must be 1 to 1048576"));
        }
        Ok(())
    }

    /// Where a client reaches the API of this process.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.http.listen)
    }
}

fn required_32(key: &'static str, value: Option<&SecretString>) -> Result<[u8; 32], SettingsError> {
    let value = value.ok_or_else(|| invalid(key, "is missing: 32 random bytes in base64"))?;
    decode_32(key, value.expose_secret())
}

fn decode_32(key: &'static str, value: &str) -> Result<[u8; 32], SettingsError> {
    BASE64.decode(value.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| invalid(key, "must be 32 bytes in base64"))
}

#[cfg(test)]
mod tests {
    use config::{Config, File, FileFormat};

    use super::*;

    fn from_toml(text: &str) -> Result<Settings, SettingsError> {
        let config = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build()?;
        Ok(config.try_deserialize()?)
    }

    /// As the program prints it, causes included.
    fn printed(error: SettingsError) -> String {
        format!("{:#}", anyhow::Error::new(error))
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = printed(from_toml("[http]\nlisten = '127.0.0.1:1'\nlissten = 'x'").unwrap_err());
        assert!(error.contains("lissten"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_refused_by_key() {
        let error = printed(from_toml("[http]\nworkers = 'many'").unwrap_err());
        assert!(error.contains("http.workers"), "{error}");
    }

    #[test]
    fn a_missing_secret_is_named_with_its_environment_variable() {
        let settings = from_toml("[database]\nwrite_url = 'postgres://localhost/x'").unwrap();
        let needs = Needs { database: &[(Side::Write, DatabaseRole::Writer)], ..Needs::default() };
        let error = settings.check(needs).unwrap_err().to_string();
        assert!(error.contains("database.passwords.writer") && error.contains("HOLDFAST__DATABASE__PASSWORDS__WRITER"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = from_toml("[database.passwords]\nwriter = 'hunter2'").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn wildcard_origins_are_refused() {
        let settings = from_toml("[http]\ncors_origins = ['*']").unwrap();
        assert!(settings.check(Needs::default()).unwrap_err().to_string().contains("http.cors_origins"));
    }
}
