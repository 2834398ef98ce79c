//! Errors as sqlx would give them, so that the program's own reading of them is what runs.

use std::borrow::Cow;
use std::fmt;

use sqlx::error::{DatabaseError, ErrorKind};

use crate::chance::Chance;

#[derive(Debug)]
struct Refusal {
    code: &'static str,
    constraint: Option<&'static str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.code, self.constraint.map(|name| format!(" {name}")).unwrap_or_default())
    }
}

impl std::error::Error for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        self.code
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.into())
    }

    fn constraint(&self) -> Option<&str> {
        self.constraint
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        if self.constraint.is_some() { ErrorKind::UniqueViolation } else { ErrorKind::Other }
    }
}

fn error(code: &'static str, constraint: Option<&'static str>) -> sqlx::Error {
    sqlx::Error::Database(Box::new(Refusal { code, constraint }))
}

pub(super) fn key_taken(constraint: &'static str) -> sqlx::Error {
    error("23505", Some(constraint))
}

pub(super) fn lock_timeout() -> sqlx::Error {
    error("55P03", None)
}

/// The session was ended by the server.
pub(super) fn session_ended() -> sqlx::Error {
    error("57P05", None)
}

/// A statement after one that failed.
pub(super) fn transaction_failed() -> sqlx::Error {
    error("25P02", None)
}

/// Serialization, deadlock, timeouts, a full disk, no free connection.
pub(super) fn refused(chance: &Chance) -> sqlx::Error {
    match chance.below(6) {
        0 => error("40001", None),
        1 => error("40P01", None),
        2 => error("57014", None),
        3 => error("53100", None),
        4 => error("55P03", None),
        _ => sqlx::Error::PoolTimedOut,
    }
}

pub(super) fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}
