//! The two databases, and as whom each is reached.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::{SettingsError, invalid};

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
