//! Why a file is refused, and when the storage itself is to blame.

use holdfast_domain::kernel::{DomainError, ErrorKind};
use serde_json::{Value, json};

use crate::ContentType;

/// Something about the file, the link or the moment is wrong; asking again in the same way would end the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("files of the type {mime} are not taken")]
    TypeNotAllowed { mime: String },
    #[error("a file must have content")]
    Empty,
    #[error("a file may have {max} bytes, this one has {size}")]
    TooLarge { size: u64, max: u64 },
    /// Neither in quarantine nor confirmed.
    #[error("this file has not been uploaded")]
    NotUploaded,
    #[error("{announced} bytes were announced, {found} were found")]
    SizeDiffers { announced: u64, found: u64 },
    #[error("the content does not have the checksum that was given")]
    ChecksumDiffers,
    #[error("{announced} was announced, the content is {found}")]
    TypeDiffers { announced: ContentType, found: String },
    #[error("the upload broke off")]
    Interrupted,
    #[error("this file has been confirmed and cannot be uploaded again")]
    AlreadyConfirmed,
    #[error("another document is stored under this key")]
    StoredDifferently,
    #[error("this file does not exist")]
    NotFound,
    /// Altered, cut short, made with another key, or meant for something else: they look alike.
    #[error("this link is not valid")]
    LinkInvalid,
    #[error("this link has expired")]
    LinkExpired,
}

impl DomainError for Refusal {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::TypeNotAllowed { .. } => (ErrorKind::Invalid, "FILE_TYPE_NOT_ALLOWED"),
            Self::Empty => (ErrorKind::Invalid, "FILE_EMPTY"),
            Self::TooLarge { .. } => (ErrorKind::Invalid, "FILE_TOO_LARGE"),
            Self::NotUploaded => (ErrorKind::Conflict, "ASSET_NOT_UPLOADED"),
            Self::SizeDiffers { .. } => (ErrorKind::Invalid, "FILE_SIZE_DIFFERS"),
            Self::ChecksumDiffers => (ErrorKind::Invalid, "FILE_CHECKSUM_DIFFERS"),
            Self::TypeDiffers { .. } => (ErrorKind::Invalid, "FILE_TYPE_DIFFERS"),
            Self::Interrupted => (ErrorKind::Invalid, "FILE_UPLOAD_INTERRUPTED"),
            Self::AlreadyConfirmed => (ErrorKind::Conflict, "FILE_ALREADY_CONFIRMED"),
            Self::StoredDifferently => (ErrorKind::Conflict, "FILE_STORED_DIFFERENTLY"),
            Self::NotFound => (ErrorKind::NotFound, "FILE_NOT_FOUND"),
            Self::LinkInvalid => (ErrorKind::Forbidden, "FILE_LINK_INVALID"),
            Self::LinkExpired => (ErrorKind::Forbidden, "FILE_LINK_EXPIRED"),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::TypeNotAllowed { mime } => json!({ "field": "mime", "mime": mime }),
            Self::Empty => json!({ "field": "size" }),
            Self::TooLarge { size, max } => json!({ "field": "size", "size": size, "max": max }),
            Self::SizeDiffers { announced, found } => json!({ "field": "size", "announced": announced, "found": found }),
            Self::ChecksumDiffers => json!({ "field": "checksum" }),
            Self::TypeDiffers { announced, found } => json!({ "field": "mime", "announced": announced.mime(), "found": found }),
            Self::NotUploaded
            | Self::Interrupted
            | Self::AlreadyConfirmed
            | Self::StoredDifferently
            | Self::NotFound
            | Self::LinkInvalid
            | Self::LinkExpired => json!({}),
        }
    }
}

/// What every call of the port may answer instead.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The folder or the bucket cannot be reached or refuses us: nobody's request is wrong, and asking again may help.
    #[error("the file storage did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FilesError {
    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// The stable code; `FILES_UNAVAILABLE` where there is no refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.describe().1,
            Self::Unavailable(_) => "FILES_UNAVAILABLE",
        }
    }
}

impl From<object_store::Error> for FilesError {
    /// What is not there is a refusal; whoever asks in another sense (an upload that is missing) looks before.
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) { Refusal::NotFound.into() } else { Self::unavailable(error) }
    }
}
