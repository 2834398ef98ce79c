//! What an operator chooses.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// All that [`crate::Files::open`] needs.
#[derive(Debug, Clone)]
pub struct FilesSettings {
    pub backend: Backend,
    /// Largest file that anybody may upload; at most 5 GiB, as S3 takes in one piece.
    pub max_bytes: u64,
    /// How long an upload ticket is good for; at most 7 days, as S3 allows.
    pub upload_expires_s: u32,
    /// How long a download link is good for; at most 7 days.
    pub download_expires_s: u32,
}

impl FilesSettings {
    pub const DEFAULT_MAX_BYTES: u64 = 50 * 1024 * 1024;
    pub const DEFAULT_UPLOAD_EXPIRES_S: u32 = 15 * 60;
    pub const DEFAULT_DOWNLOAD_EXPIRES_S: u32 = 5 * 60;

    /// The usual limits over `backend`.
    #[must_use]
    pub const fn over(backend: Backend) -> Self {
        Self {
            backend,
            max_bytes: Self::DEFAULT_MAX_BYTES,
            upload_expires_s: Self::DEFAULT_UPLOAD_EXPIRES_S,
            download_expires_s: Self::DEFAULT_DOWNLOAD_EXPIRES_S,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Backend {
    /// Links lead to our own API, which reads and writes `folder`. Several processes may share it if it is one file system.
    Local {
        folder: PathBuf,
        /// Where browsers reach our API, e.g. `https://holdfast.example.com`; links are `<this>/v1/files/<token>`.
        public_base_url: String,
        /// Signs the links; the same for all processes. Changing it ends the links that are out, nothing else.
        link_key: LinkKey,
    },
    /// Links lead to the bucket itself.
    S3(S3Settings),
}

#[derive(Debug, Clone)]
pub struct S3Settings {
    /// `https://s3.internal:9000`, without the bucket; none for Amazon's own.
    pub endpoint: Option<String>,
    /// As browsers reach the same bucket, where that is another address than ours.
    pub public_endpoint: Option<String>,
    pub bucket: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`; what most servers other than Amazon's want.
    pub path_style: bool,
    /// Takes `http://` endpoints; for tests and machines' own networks.
    pub allow_http: bool,
}

/// 32 random bytes.
#[derive(Clone)]
pub struct LinkKey(pub(crate) [u8; 32]);

impl From<[u8; 32]> for LinkKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

/// Names what is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{field} {problem}")]
    Invalid { field: &'static str, problem: &'static str },
    #[error("the folder for files cannot be made or read")]
    Folder(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the settings of the bucket are not complete")]
    Bucket(#[source] object_store::Error),
}
