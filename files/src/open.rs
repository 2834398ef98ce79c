//! The port itself, and what stands behind it.

use std::path::{Path as FolderPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, CopyOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};
use secrecy::ExposeSecret as _;

use crate::link::Links;
use crate::settings::{Backend, FilesSettings, S3Settings, SettingsError};
use crate::{FilesError, Refusal};

/// The storage of files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) place: Arc<Place>,
    pub(crate) max_bytes: u64,
    pub(crate) upload_expires: TimeDelta,
    pub(crate) download_expires: TimeDelta,
}

/// Who answers to links.
#[derive(Debug)]
pub(crate) enum Place {
    /// Our API.
    Folder { folder: PathBuf, links: Links },
    /// The bucket, at the address that browsers use.
    Bucket { signer: AmazonS3 },
}

/// What a bucket takes and copies in one piece.
const LARGEST_FILE_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// What a bucket accepts in a signed URL.
const LONGEST_LINK_S: u32 = 7 * 24 * 60 * 60;

impl Files {
    /// Makes the folder if it is not there. Does not speak to a bucket: see [`Files::health`].
    ///
    /// # Errors
    /// When a setting is wrong or the folder cannot be used.
    pub fn open(settings: &FilesSettings) -> Result<Self, SettingsError> {
        let invalid = |field, problem| Err(SettingsError::Invalid { field, problem });
        if !(1..=LARGEST_FILE_BYTES).contains(&settings.max_bytes) {
            return invalid("max_bytes", "must be 1 to 5368709120");
        }
        if !(1..=LONGEST_LINK_S).contains(&settings.upload_expires_s) {
            return invalid("upload_expires_s", "must be 1 to 604800");
        }
        if !(1..=LONGEST_LINK_S).contains(&settings.download_expires_s) {
            return invalid("download_expires_s", "must be 1 to 604800");
        }
        let (store, place) = match &settings.backend {
            Backend::Local { folder, public_base_url, link_key } => {
                if !public_base_url.starts_with("https://") && !public_base_url.starts_with("http://") {
                    return invalid("public_base_url", "must be a http(s) URL");
                }
                let store: Arc<dyn ObjectStore> = Arc::new(local(folder)?);
                (store, Place::Folder { folder: folder.clone(), links: Links::new(public_base_url, link_key.clone()) })
            }
            Backend::S3(s3) => {
                let store: Arc<dyn ObjectStore> = Arc::new(bucket(s3, s3.endpoint.as_deref())?);
                let public = s3.public_endpoint.as_deref().or(s3.endpoint.as_deref());
                (store, Place::Bucket { signer: bucket(s3, public)? })
            }
        };
        Ok(Self {
            store,
            place: Arc::new(place),
            max_bytes: settings.max_bytes,
            upload_expires: TimeDelta::seconds(settings.upload_expires_s.into()),
            download_expires: TimeDelta::seconds(settings.download_expires_s.into()),
        })
    }

    /// Whether files can be kept now: writes a probe into the folder, or lists one page of the bucket.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`].
    pub async fn health(&self) -> Result<(), FilesError> {
        let probe = Path::from("health/probe");
        match *self.place {
            Place::Folder { .. } => self.store.put(&probe, "ok".into()).await.map(drop),
            Place::Bucket { .. } => self.store.list_with_delimiter(Some(&probe)).await.map(drop),
        }
        .map_err(FilesError::unavailable)
    }

    /// What an upload may weigh.
    pub(crate) const fn check_size(&self, size: u64) -> Result<(), Refusal> {
        match size {
            0 => Err(Refusal::Empty),
            size if size > self.max_bytes => Err(Refusal::TooLarge { size, max: self.max_bytes }),
            _ => Ok(()),
        }
    }

    /// Copies inside the store. Where `to` exists it has the same content: its name is an attempt's own or a checksum.
    pub(crate) async fn copy(&self, from: &Path, to: &Path) -> object_store::Result<()> {
        match *self.place {
            // A hard link. Without `Create`, linking a file over itself leaves the name it was staged under.
            Place::Folder { .. } => match self.store.copy_if_not_exists(from, to).await {
                Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
                result => result,
            },
            Place::Bucket { .. } => self.store.copy_opts(from, to, CopyOptions::new()).await,
        }
    }

    /// Deletes what may be gone already.
    pub(crate) async fn remove(&self, path: &Path) -> Result<(), FilesError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(FilesError::unavailable(error)),
        }
    }
}

/// Written files are on the disk when a call answers. Empty folders stay: whoever removed one could take it from under
/// another call that is about to use it.
fn local(folder: &FolderPath) -> Result<LocalFileSystem, SettingsError> {
    make_private(folder).map_err(|error| SettingsError::Folder(error.into()))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| SettingsError::Folder(error.into()))?;
    Ok(store.with_fsync(true))
}

/// For this user alone; a folder that exists stays as it is.
fn make_private(folder: &FolderPath) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn bucket(settings: &S3Settings, endpoint: Option<&str>) -> Result<AmazonS3, SettingsError> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(settings.secret_access_key.expose_secret())
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_allow_http(settings.allow_http)
        // Not every server knows the bulk request.
        .with_disable_bulk_delete(true)
        .with_client_options(client_options(settings.allow_http))
        .with_retry(retries());
    if let Some(endpoint) = endpoint {
        let allowed = endpoint.starts_with("https://") || (settings.allow_http && endpoint.starts_with("http://"));
        if !allowed {
            return Err(SettingsError::Invalid { field: "endpoint", problem: "must be a https URL" });
        }
        let with_bucket = || endpoint.replacen("://", &format!("://{}.", settings.bucket), 1);
        builder = builder.with_endpoint(if settings.path_style { endpoint.to_owned() } else { with_bucket() });
    }
    for (field, value) in [("bucket", &settings.bucket), ("region", &settings.region), ("access_key_id", &settings.access_key_id)] {
        if value.is_empty() {
            return Err(SettingsError::Invalid { field, problem: "is missing" });
        }
    }
    builder.build().map_err(SettingsError::Bucket)
}

fn client_options(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_connect_timeout(Duration::from_secs(5))
        // A file may take its time as long as something comes.
        .with_read_timeout(Duration::from_secs(20))
        .with_timeout_disabled()
}

/// A caller waits for the answer: better to say soon that it does not work.
fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(1), base: 2.0 };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(15) }
}
