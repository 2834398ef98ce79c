//! The way out: reading, links to download; and documents that we make ourselves (CTR-06).

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode};
use sha2::{Digest as _, Sha256};

use crate::link::Download;
use crate::open::Place;
use crate::{Checksum, ContentType, Files, FilesError, Refusal, StorageKey, attachment};

/// A document that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub size: u64,
    pub sha256: Checksum,
}

/// Content on its way out.
pub struct FileStream {
    pub size: u64,
    pub pieces: BoxStream<'static, Result<Bytes, FilesError>>,
}

impl FileStream {
    /// All of it; for files that are known to be small.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`].
    pub async fn into_bytes(self) -> Result<Bytes, FilesError> {
        let content: Vec<Bytes> = self.pieces.try_collect().await?;
        Ok(content.concat().into())
    }
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStream").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Good for everybody who has it, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadLink {
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

impl Files {
    /// Keeps a document under a key of its own. The same bytes again change nothing.
    ///
    /// # Errors
    /// [`Refusal::StoredDifferently`] when the key holds other bytes; they stay. [`Refusal::ChecksumDiffers`] for the key of an
    /// asset that names another checksum.
    pub async fn store(&self, key: &StorageKey, content: Bytes) -> Result<Stored, FilesError> {
        let stored = Stored { size: content.len() as u64, sha256: Checksum::of(&content) };
        if key.sha256().is_some_and(|named| named != stored.sha256) {
            return Err(Refusal::ChecksumDiffers.into());
        }
        // Looking first costs little, and serves servers that do not know «only if it is not there».
        if let Some(answer) = self.compare(key, stored).await? {
            return answer.map_err(Into::into);
        }
        match self.store.put_opts(&key.path(), content.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(stored),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                self.compare(key, stored).await?.unwrap_or(Err(Refusal::StoredDifferently)).map_err(Into::into)
            }
            Err(error) => Err(FilesError::unavailable(error)),
        }
    }

    /// None when nothing is there.
    async fn compare(&self, key: &StorageKey, wanted: Stored) -> Result<Option<Result<Stored, Refusal>>, FilesError> {
        let mut pieces = match self.read(key).await {
            Ok(content) if content.size != wanted.size => return Ok(Some(Err(Refusal::StoredDifferently))),
            Ok(content) => content.pieces,
            Err(FilesError::Refused(Refusal::NotFound)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hash = Sha256::new();
        while let Some(piece) = pieces.next().await {
            hash.update(piece?);
        }
        let same = Checksum::finished(hash) == wanted.sha256;
        Ok(Some(if same { Ok(wanted) } else { Err(Refusal::StoredDifferently) }))
    }

    /// The content, piece by piece.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn read(&self, key: &StorageKey) -> Result<FileStream, FilesError> {
        let found = self.store.get(&key.path()).await?;
        Ok(FileStream { size: found.meta.size, pieces: found.into_stream().map_err(FilesError::unavailable).boxed() })
    }

    /// A link under which anybody can download the file, as `file_name`. Does not look whether it is there.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`].
    pub async fn presign_download(
        &self,
        key: &StorageKey,
        file_name: &str,
        content_type: ContentType,
        now: DateTime<Utc>,
    ) -> Result<DownloadLink, FilesError> {
        let expires_at = now + self.download_expires;
        let url = match &*self.place {
            Place::Folder { links, .. } => {
                let file_name = file_name.chars().take(150).collect();
                links.download(Download { key: key.clone(), file_name, content_type }, expires_at)
            }
            Place::Bucket { signer } => {
                let answer = SignedUrlOptions::new().with_query([
                    ("response-content-disposition", attachment(file_name).as_str()),
                    ("response-content-type", content_type.mime()),
                ]);
                let expires_in = self.download_expires.to_std().unwrap_or(Duration::ZERO);
                let url = signer.signed_url_opts(Method::GET, &key.path(), expires_in, &answer).await;
                url.map_err(FilesError::unavailable)?.to_string()
            }
        };
        Ok(DownloadLink { url, expires_at })
    }

    /// What a token of ours allows to download. With a bucket there are no such tokens.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`], [`Refusal::LinkExpired`].
    pub fn open_download(&self, token: &str, now: DateTime<Utc>) -> Result<Download, Refusal> {
        match &*self.place {
            Place::Folder { links, .. } => links.open_download(token, now),
            Place::Bucket { .. } => Err(Refusal::LinkInvalid),
        }
    }

    /// Deletes a file for good. Whether it may be deleted is not decided here (DSP-38). That it is gone already is fine.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`].
    pub async fn delete(&self, key: &StorageKey) -> Result<(), FilesError> {
        self.remove(&key.path()).await
    }
}
