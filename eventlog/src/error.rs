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
