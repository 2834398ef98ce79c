//! What can go wrong between Holdfast and the write database.

/// A read failed; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the write database did not answer")]
    Database(#[from] sqlx::Error),
    #[error("the write database holds an event that cannot be read")]
    Unreadable(#[from] crate::types::UnreadableEvent),
}

/// An append did not report success.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The connection was lost before the answer: it may have been committed or not.
    #[error("the outcome of the append is unknown")]
    Unknown(#[source] sqlx::Error),
    /// Certainly not committed.
    #[error("the append failed")]
    Failed(#[source] sqlx::Error),
}

impl AppendError {
    /// Certainly not committed, and for a reason that lies in the server or on the way to it, not in what was to be written: no
    /// connection, no room on its disk, a disk that fails, a standby, locks that were not free in time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let code = error.as_database_error().map(|refusal| refusal.code().unwrap_or_default());
        code.is_none_or(|code| matches!(code.get(..2), Some("08" | "25" | "40" | "53" | "55" | "57" | "58")))
    }
}

/// What an error of a statement in autocommit, or of a commit, says about its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A unique key of the log refused.
    KeyTaken,
    /// Nothing was done; trying again may help.
    Transient,
    /// Nothing was done; trying again would end the same way.
    Definite,
    /// No answer: done or not.
    Lost,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an error that is not known to be harmless leaves the outcome open")]
pub(crate) fn failure(error: &sqlx::Error) -> Failure {
    let sqlx::Error::Database(refusal) = error else {
        // What never left this process was not done; everything else may have been.
        return match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) => {
                Failure::Definite
            }
            _ => Failure::Lost,
        };
    };
    match refusal.code().as_deref() {
        Some("23505") if matches!(refusal.constraint(), Some("events_pkey" | "receipts_pkey" | "claims_pkey")) => Failure::KeyTaken,
        // Serialization, deadlock, lock timeout, statement timeout; a session that was closed because it was idle did nothing.
        Some("40001" | "40P01" | "55P03" | "57014" | "57P05") => Failure::Transient,
        // A session that is told to end may have committed before it looked: shutdown, crash, connection trouble.
        Some(code) if code.starts_with("57P") || code.starts_with("08") => Failure::Lost,
        _ => Failure::Definite,
    }
}
