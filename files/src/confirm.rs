//! The step out of quarantine: what was uploaded is what was announced, or it stays where it is (TAL-20).

use futures::{StreamExt as _, TryStreamExt as _};
use holdfast_domain::kernel::{AssetId, TenantId};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};
use uuid::Uuid;

use crate::inspect::{Found, Inspector};
use crate::key::{self, StorageKey};
use crate::{Checksum, ContentType, Files, FilesError, Refusal};

/// What was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub content_type: ContentType,
    pub size: u64,
    /// Where the uploader gave one.
    pub sha256: Option<Checksum>,
}

/// A file that is confirmed: it can be read, and will not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub key: StorageKey,
    pub content_type: ContentType,
    pub size: u64,
    pub sha256: Checksum,
}

impl Files {
    /// Looks at the uploaded content and, if it is what was announced, moves it to where it can be read. Doing it again, also
    /// at the same time or after a crash half way, gives the same answer.
    ///
    /// # Errors
    /// [`Refusal::NotUploaded`], [`Refusal::SizeDiffers`], [`Refusal::ChecksumDiffers`], [`Refusal::TypeDiffers`] (in this order),
    /// after which the ticket can be used again; [`Refusal::Empty`] and [`Refusal::TooLarge`] for the announced size.
    pub async fn confirm(&self, tenant: TenantId, asset: AssetId, expected: Expected) -> Result<Confirmed, FilesError> {
        self.check_size(expected.size)?;
        if let Some(key) = self.confirmed_key(tenant, asset).await? {
            return self.confirm_again(tenant, asset, key, expected).await;
        }
        match self.confirm_upload(tenant, asset, expected).await {
            Err(FilesError::Refused(Refusal::NotUploaded)) => match self.confirmed_key(tenant, asset).await? {
                // Another confirmation was faster.
                Some(key) => self.confirm_again(tenant, asset, key, expected).await,
                None => Err(Refusal::NotUploaded.into()),
            },
            answer => answer,
        }
    }

    /// The asset's confirmed content. Two confirmations at once may have found different uploads: the first counts.
    pub(crate) async fn confirmed_key(&self, tenant: TenantId, asset: AssetId) -> Result<Option<StorageKey>, FilesError> {
        let folder = key::ready_folder(tenant, asset);
        let mut stored: Vec<ObjectMeta> = self.store.list(Some(&folder)).try_collect().await.map_err(FilesError::unavailable)?;
        stored.sort_by(|a, b| (a.last_modified, &a.location).cmp(&(b.last_modified, &b.location)));
        Ok(stored.iter().find_map(|meta| meta.location.as_ref().parse().ok()))
    }

    async fn confirm_again(&self, tenant: TenantId, asset: AssetId, key: StorageKey, expected: Expected) -> Result<Confirmed, FilesError> {
        let found = self.inspect(&key.path(), expected.content_type).await?;
        let confirmed = expected.compare(&found, key)?;
        self.tidy(&key::quarantine(tenant, asset)).await;
        Ok(confirmed)
    }

    async fn confirm_upload(&self, tenant: TenantId, asset: AssetId, expected: Expected) -> Result<Confirmed, FilesError> {
        let upload = key::quarantine(tenant, asset);
        let meta = self.store.head(&upload).await.map_err(not_uploaded)?;
        if meta.size != expected.size {
            // Known before a byte is read.
            return Err(Refusal::SizeDiffers { announced: expected.size, found: meta.size }.into());
        }
        // The ticket may be used again at any moment: what is looked at must be what is kept.
        let copy = key::checking(tenant, Uuid::new_v4());
        self.copy(&upload, &copy).await.map_err(not_uploaded)?;
        let answer = self.keep(tenant, asset, &copy, expected).await;
        self.tidy(&copy).await;
        if answer.is_ok() {
            self.tidy(&upload).await;
        }
        answer
    }

    async fn keep(&self, tenant: TenantId, asset: AssetId, copy: &Path, expected: Expected) -> Result<Confirmed, FilesError> {
        let found = self.inspect(copy, expected.content_type).await?;
        let confirmed = expected.compare(&found, StorageKey::ready(tenant, asset, found.sha256))?;
        self.copy(copy, &confirmed.key.path()).await.map_err(not_uploaded)?;
        Ok(confirmed)
    }

    async fn inspect(&self, path: &Path, announced: ContentType) -> Result<Found, FilesError> {
        let mut content = self.store.get(path).await.map_err(not_uploaded)?.into_stream();
        let mut inspector = Inspector::new(announced);
        while let Some(piece) = content.next().await {
            inspector.update(&piece.map_err(FilesError::unavailable)?);
        }
        Ok(inspector.finish(announced))
    }

    /// What is left over harms nobody and goes with the next sweep.
    async fn tidy(&self, path: &Path) {
        if let Err(error) = self.remove(path).await {
            tracing::warn!(error = &error as &dyn std::error::Error, %path, "an unconfirmed file stays behind until the next sweep");
        }
    }
}

impl Expected {
    fn compare(self, found: &Found, key: StorageKey) -> Result<Confirmed, Refusal> {
        let Self { content_type, size, sha256 } = self;
        if found.size != size {
            return Err(Refusal::SizeDiffers { announced: size, found: found.size });
        }
        if sha256.is_some_and(|given| given != found.sha256) {
            return Err(Refusal::ChecksumDiffers);
        }
        if let Some(other) = found.other_type {
            return Err(Refusal::TypeDiffers { announced: content_type, found: other.to_owned() });
        }
        Ok(Confirmed { key, content_type, size, sha256: found.sha256 })
    }
}

fn not_uploaded(error: object_store::Error) -> FilesError {
    if matches!(error, object_store::Error::NotFound { .. }) { Refusal::NotUploaded.into() } else { FilesError::unavailable(error) }
}
