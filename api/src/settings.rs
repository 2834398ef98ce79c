//! What an operator sets: from a file, the environment and flags, in rising order of precedence.
//!
//! Every key is listed with its meaning in `holdfast.example.toml`. Unknown keys are refused, and every error names the
//! key. Secrets are `SecretString`s and never printed.

mod files; // where they are kept
mod seals; // how the logs are sealed
mod sessions; // how soon their end is noticed

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use config::{Config, ConfigError, Environment, File, FileFormat};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::StreamLimits;

pub use files::{Bucket, Files, FilesBackend};
pub use seals::Seals;
pub use sessions::Sessions;

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

/// Two databases; one server may hold both. Users are added per role, so the URLs name none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The tenant logs. `postgres://host:port/name?sslmode=verify-full`
    pub write_url: String,
    /// The read models.
    pub read_url: String,
    /// Runs the migrations; needed by `migrate` and `verify` only.
    pub admin_user: String,
    pub passwords: Passwords,
    pub connections: Connections,
}

/// One per database role; a process needs those of the roles that it plays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passwords {
    pub admin: Option<SecretString>,
    pub writer: Option<SecretString>,
    pub relay: Option<SecretString>,
    pub reactor: Option<SecretString>,
    pub projector: Option<SecretString>,
    pub reader: Option<SecretString>,
    pub auditor: Option<SecretString>,
}

/// Pool sizes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    pub writer: u32,
    pub reader: u32,
    pub relay: u32,
    pub reactor: u32,
    pub projector: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self { writer: 8, reader: 16, relay: 4, reactor: 6, projector: 6 }
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
pub struct Auth {
    pub issuer: String,
    pub audience: String,
    /// Ed25519 seed, 32 bytes in base64. Signs `holdfast token` and is published at `/.well-known/jwks.json`.
    pub signing_key: Option<SecretString>,
    /// Public keys (32 bytes in base64) that are still accepted after a rotation.
    pub accepted_public_keys: Vec<String>,
    /// Tokens that live longer are refused; 300 for people.
    pub max_ttl_s: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            issuer: "https://holdfast.localhost".to_owned(),
            audience: "holdfast".to_owned(),
            signing_key: None,
            accepted_public_keys: Vec::new(),
            max_ttl_s: 300,
        }
    }
}

/// 32 random bytes each, in base64. They must never change: receipts and sealed data depend on them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// Under which requests are fingerprinted for idempotency.
    pub request_hash_key: Option<SecretString>,
    /// Wraps the keys of people, under which their personal data is sealed.
    pub personal_master_key: Option<SecretString>,
    /// A file with that key alone, in base64: instead of the key itself.
    pub personal_master_key_file: Option<PathBuf>,
    /// Ed25519 seed, under which the logs are sealed. May be replaced: the old public key goes to `seals.public_keys`.
    pub sealing_key: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Writers of this process; 0: one per core.
    pub writers: usize,
    /// Commands that may wait per writer; beyond it callers get 503 with Retry-After.
    pub writer_queue: usize,
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
        Self { writers: 0, writer_queue: 4096, min_position_wait_ms: 5_000, streams_per_user: per_user, streams: total }
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

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files in rising order of precedence; a missing one is an error.
    pub files: Vec<PathBuf>,
    /// `section.key`, value: flags win over everything.
    pub overrides: Vec<(&'static str, String)>,
}

impl Sources {
    /// # Errors
    /// When a file cannot be read, a key is unknown or a value has the wrong type.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let mut builder = Config::builder();
        for file in &self.files {
            builder = builder.add_source(File::from(file.as_path()).format(FileFormat::Toml).required(true));
        }
        builder = builder.add_source(
            Environment::with_prefix(ENVIRONMENT_PREFIX)
                .prefix_separator("__")
                .separator("__")
                .list_separator(",")
                .with_list_parse_key("http.cors_origins")
                .with_list_parse_key("auth.accepted_public_keys")
                .with_list_parse_key("seals.public_keys")
                .try_parsing(false),
        );
        for (key, value) in &self.overrides {
            builder = builder.set_override(*key, value.clone())?;
        }
        Ok(builder.build()?.try_deserialize()?)
    }
}

/// The roles of protocols, "Roles and row level security".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseRole {
    Admin,
    Writer,
    Relay,
    Reactor,
    Projector,
    Reader,
    Auditor,
}

impl DatabaseRole {
    pub const SERVICES: &'static [Self] = &[Self::Writer, Self::Relay, Self::Reactor, Self::Projector, Self::Reader, Self::Auditor];

    /// As in `CREATE ROLE`; the admin's name is a setting.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Admin => None,
            Self::Writer => Some("holdfast_writer"),
            Self::Relay => Some("holdfast_relay"),
            Self::Reactor => Some("holdfast_reactor"),
            Self::Projector => Some("holdfast_projector"),
            Self::Reader => Some("holdfast_reader"),
            Self::Auditor => Some("holdfast_auditor"),
        }
    }

    const fn password_key(self) -> &'static str {
        match self {
            Self::Admin => "database.passwords.admin",
            Self::Writer => "database.passwords.writer",
            Self::Relay => "database.passwords.relay",
            Self::Reactor => "database.passwords.reactor",
            Self::Projector => "database.passwords.projector",
            Self::Reader => "database.passwords.reader",
            Self::Auditor => "database.passwords.auditor",
        }
    }
}

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Write,
    Read,
}

impl Side {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

impl Database {
    #[must_use]
    pub fn password(&self, role: DatabaseRole) -> Option<&SecretString> {
        match role {
            DatabaseRole::Admin => self.passwords.admin.as_ref(),
            DatabaseRole::Writer => self.passwords.writer.as_ref(),
            DatabaseRole::Relay => self.passwords.relay.as_ref(),
            DatabaseRole::Reactor => self.passwords.reactor.as_ref(),
            DatabaseRole::Projector => self.passwords.projector.as_ref(),
            DatabaseRole::Reader => self.passwords.reader.as_ref(),
            DatabaseRole::Auditor => self.passwords.auditor.as_ref(),
        }
    }

    /// How `role` reaches the database of `side`.
    ///
    /// # Errors
    /// When the URL is missing or no URL, or the role's password is missing.
    pub fn connect_options(&self, side: Side, role: DatabaseRole) -> Result<PgConnectOptions, SettingsError> {
        let (key, url) = match side {
            Side::Write => ("database.write_url", &self.write_url),
            Side::Read => ("database.read_url", &self.read_url),
        };
        if url.is_empty() {
            return Err(invalid(key, "is missing"));
        }
        let options: PgConnectOptions = url.parse().map_err(|_| invalid(key, "is no postgres:// URL"))?;
        let user = match role.name() {
            Some(name) => name,
            None if self.admin_user.is_empty() => return Err(invalid("database.admin_user", "is missing")),
            None => &self.admin_user,
        };
        let options = options.username(user).application_name(&format!("holdfast {}", role.name().unwrap_or("admin")));
        let password = self.password(role).ok_or_else(|| invalid(role.password_key(), "is missing"))?;
        Ok(options.password(password.expose_secret()))
    }

    /// The same as one URL, password included.
    ///
    /// # Errors
    /// As [`Database::connect_options`].
    pub fn url(&self, side: Side, role: DatabaseRole) -> Result<SecretString, SettingsError> {
        Ok(SecretString::from(self.connect_options(side, role)?.to_url_lossy().to_string()))
    }
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
            self.personal_master_key()?;
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
        Ok(())
    }

    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn signing_seed(&self) -> Result<[u8; 32], SettingsError> {
        required_32("auth.signing_key", self.auth.signing_key.as_ref())
    }

    /// # Errors
    /// When one is not 32 bytes.
    pub fn accepted_public_keys(&self) -> Result<Vec<[u8; 32]>, SettingsError> {
        self.auth.accepted_public_keys.iter().map(|key| decode_32("auth.accepted_public_keys", key)).collect()
    }

    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn request_hash_key(&self) -> Result<[u8; 32], SettingsError> {
        required_32("secrets.request_hash_key", self.secrets.request_hash_key.as_ref())
    }

    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn personal_master_key(&self) -> Result<[u8; 32], SettingsError> {
        const FILE: &str = "secrets.personal_master_key_file";
        match (&self.secrets.personal_master_key_file, &self.secrets.personal_master_key) {
            (Some(_), Some(_)) => Err(invalid(FILE, "is given beside secrets.personal_master_key: one of them is enough")),
            (Some(file), None) => {
                let text = std::fs::read_to_string(file).map_err(|error| invalid(FILE, format!("cannot be read: {error}")))?;
                decode_32(FILE, text.trim())
            }
            (None, key) => required_32("secrets.personal_master_key", key.as_ref()),
        }
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

/// `path` when it names a file.
#[must_use]
pub fn existing(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
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
