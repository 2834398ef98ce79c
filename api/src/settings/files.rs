//! Where files are kept, and how they travel (docs/files.md).

use std::num::NonZeroU32;
use std::path::PathBuf;

use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_files::{Backend, FilesSettings, LinkKey, S3Settings};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::Sha256;

use super::{Settings, SettingsError, invalid};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    pub backend: FilesBackend,
    /// `local`: where they lie.
    pub folder: Option<PathBuf>,
    /// `local`: where browsers reach this API; none: where it listens.
    pub public_base_url: Option<String>,
    pub max_bytes: u64,
    pub upload_expires_s: u32,
    pub download_expires_s: u32,
    /// Upload tickets for one person, in each process (TAL-44).
    pub tickets_per_minute: NonZeroU32,
    pub s3: Bucket,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            backend: FilesBackend::Local,
            folder: None,
            public_base_url: None,
            max_bytes: FilesSettings::DEFAULT_MAX_BYTES,
            upload_expires_s: FilesSettings::DEFAULT_UPLOAD_EXPIRES_S,
            download_expires_s: FilesSettings::DEFAULT_DOWNLOAD_EXPIRES_S,
            tickets_per_minute: NonZeroU32::MIN.saturating_add(29),
            s3: Bucket::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilesBackend {
    /// A folder that this process reads and writes.
    #[default]
    Local,
    /// A bucket of any S3-compatible server.
    S3,
}

/// With backend `s3`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bucket {
    /// `https://s3.internal:9000`, without the bucket; none for Amazon's own.
    pub endpoint: Option<String>,
    /// As browsers reach it, where that is another address.
    pub public_endpoint: Option<String>,
    pub bucket: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: Option<SecretString>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub path_style: bool,
    /// Takes `http://` endpoints.
    pub allow_http: bool,
}

impl Settings {
    /// How the file storage is opened.
    ///
    /// # Errors
    /// When what the backend needs is missing.
    pub fn file_storage(&self) -> Result<FilesSettings, SettingsError> {
        let files = &self.files;
        let backend = match files.backend {
            FilesBackend::Local => Backend::Local {
                folder: files.folder.clone().ok_or_else(|| invalid("files.folder", "is missing: a folder that is in the backup"))?,
                public_base_url: files.public_base_url.clone().unwrap_or_else(|| self.base_url()),
                link_key: self.link_key()?,
            },
            FilesBackend::S3 => Backend::S3(files.s3.settings()?),
        };
        let Files { max_bytes, upload_expires_s, download_expires_s, .. } = *files;
        Ok(FilesSettings { backend, max_bytes, upload_expires_s, download_expires_s })
    }

    /// One secret less to keep: whoever has the key that it follows from can do worse.
    fn link_key(&self) -> Result<LinkKey, SettingsError> {
        let key = self.request_hash_key()?;
        let wrong = |_| invalid("secrets.request_hash_key", "cannot be used");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(wrong)?;
        mac.update(b"holdfast link key 1");
        let key: [u8; 32] = mac.finalize().into_bytes().into();
        Ok(key.into())
    }
}

impl Bucket {
    fn settings(&self) -> Result<S3Settings, SettingsError> {
        let present = |key, value: &str| if value.is_empty() { Err(invalid(key, "is missing")) } else { Ok(value.to_owned()) };
        let secret = self.secret_access_key.clone().ok_or_else(|| invalid("files.s3.secret_access_key", "is missing"))?;
        Ok(S3Settings {
            endpoint: self.endpoint.clone(),
            public_endpoint: self.public_endpoint.clone(),
            bucket: present("files.s3.bucket", &self.bucket)?,
            region: present("files.s3.region", &self.region)?,
            access_key_id: present("files.s3.access_key_id", &self.access_key_id)?,
            secret_access_key: secret,
            path_style: self.path_style,
            allow_http: self.allow_http,
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn from_toml(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn local(request_hash_key: [u8; 32], folder: &str) -> Settings {
        let key = base64::engine::general_purpose::STANDARD.encode(request_hash_key);
        from_toml(&format!("[files]\n{folder}\n[secrets]\nrequest_hash_key = '{key}'"))
    }

    #[test]
    fn a_folder_is_named_and_never_guessed() {
        // TAL-43: what is kept for ever must not depend on where somebody started the program.
        let error = local([1; 32], "").file_storage().unwrap_err().to_string();
        assert!(error.contains("files.folder") && error.contains("HOLDFAST__FILES__FOLDER"), "{error}");
        let settings = local([1; 32], "folder = '/var/lib/holdfast/files'").file_storage().unwrap();
        let Backend::Local { folder, public_base_url, .. } = settings.backend else { panic!("{settings:?}") };
        assert_eq!(folder, PathBuf::from("/var/lib/holdfast/files"));
        assert_eq!(public_base_url, "http://127.0.0.1:8080");
        assert_eq!((settings.max_bytes, settings.upload_expires_s, settings.download_expires_s), (50 * 1024 * 1024, 900, 300));
    }

    #[test]
    fn a_bucket_names_what_is_missing_and_prints_no_secret() {
        // TAL-43
        let complete = "bucket = 'b'\nregion = 'r'\naccess_key_id = 'k'\nsecret_access_key = 'hunter2'";
        let settings = from_toml(&format!("[files]\nbackend = 's3'\n[files.s3]\n{complete}"));
        assert!(matches!(settings.file_storage().unwrap().backend, Backend::S3(_)));
        assert!(!format!("{settings:?}").contains("hunter2"));
        for line in complete.lines() {
            let (key, _) = line.split_once(' ').unwrap();
            let rest: String = complete.lines().filter(|other| *other != line).map(|line| format!("{line}\n")).collect();
            let error = from_toml(&format!("[files]\nbackend = 's3'\n[files.s3]\n{rest}")).file_storage().unwrap_err().to_string();
            assert!(error.contains(&format!("files.s3.{key}")), "{error}");
        }
    }
}
