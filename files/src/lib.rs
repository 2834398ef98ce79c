//! Where files live: one port over a local folder (the default) or an S3-compatible bucket (TAL-43).
//!
//! A file travels in three steps: somebody asks for a ticket ([`Files::presign_upload`]), sends the bytes where the ticket
//! says, and has them confirmed ([`Files::confirm`]). Until then they are in quarantine, where nothing can read them; what
//! is confirmed never changes, because its key holds its checksum. The whole story: docs/files.md.

mod checksum;
mod confirm;
mod content_type;
mod disposition;
mod documents;
mod error;
mod inspect;
mod key;
mod link;
mod open;
mod settings;
mod sweep;
mod upload;

pub use checksum::{Checksum, NoChecksum};
pub use confirm::{Confirmed, Expected};
pub use content_type::ContentType;
pub use disposition::attachment;
pub use documents::{DownloadLink, FileStream, Stored};
pub use error::{FilesError, Refusal};
pub use key::{NoStorageKey, StorageKey};
pub use link::{Download, UploadTarget};
pub use open::Files;
pub use settings::{Backend, FilesSettings, LinkKey, S3Settings, SettingsError};
pub use upload::UploadTicket;
