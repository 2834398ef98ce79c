//! The way in: tickets, and the bytes that come with them to our own API.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _};
use holdfast_domain::kernel::{AssetId, TenantId};
use object_store::buffered::BufWriter;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};
use tokio::io::AsyncWriteExt as _;

use crate::key;
use crate::link::UploadTarget;
use crate::open::Place;
use crate::{ContentType, Files, FilesError, Refusal};

/// How to send a file: this method, these headers, to this URL, before then. Whoever has the URL can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTicket {
    pub method: &'static str,
    pub url: String,
    /// Must be sent exactly so.
    pub headers: Vec<(&'static str, &'static str)>,
    pub expires_at: DateTime<Utc>,
}

/// What is held in memory of a file that comes in.
const PART_BYTES: usize = 1024 * 1024;

impl Files {
    /// A ticket to send one file of this type and size into quarantine (TAL-19).
    ///
    /// # Errors
    /// [`Refusal::Empty`], [`Refusal::TooLarge`]; for the type see [`ContentType::of`].
    pub async fn presign_upload(
        &self,
        tenant: TenantId,
        asset: AssetId,
        content_type: ContentType,
        size: u64,
        now: DateTime<Utc>,
    ) -> Result<UploadTicket, FilesError> {
        self.check_size(size)?;
        let expires_at = now + self.upload_expires;
        let url = match &*self.place {
            Place::Folder { links, .. } => {
                links.upload(&UploadTarget { tenant_id: tenant, asset_id: asset, content_type, size }, expires_at)
            }
            Place::Bucket { signer } => {
                let fixed = SignedUrlOptions::new()
                    .with_signed_header(HeaderName::from_static("content-type"), HeaderValue::from_static(content_type.mime()));
                let expires_in = self.upload_expires.to_std().unwrap_or(Duration::ZERO);
                let path = key::quarantine(tenant, asset);
                let url = signer.signed_url_opts(Method::PUT, &path, expires_in, &fixed).await;
                url.map_err(FilesError::unavailable)?.to_string()
            }
        };
        Ok(UploadTicket { method: "PUT", url, headers: vec![("Content-Type", content_type.mime())], expires_at })
    }

    /// What a token of ours allows to upload. With a bucket there are no such tokens.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`], [`Refusal::LinkExpired`].
    pub fn open_upload(&self, token: &str, now: DateTime<Utc>) -> Result<UploadTarget, Refusal> {
        match &*self.place {
            Place::Folder { links, .. } => links.open_upload(token, now),
            Place::Bucket { .. } => Err(Refusal::LinkInvalid),
        }
    }

    /// Puts `body` into quarantine, in place of what was uploaded before. It is there whole or not at all.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] as soon as there are more bytes than announced, [`Refusal::SizeDiffers`] when there are fewer,
    /// [`Refusal::Interrupted`] when `body` breaks off, [`Refusal::AlreadyConfirmed`] when it is too late.
    pub async fn write<E>(&self, target: &UploadTarget, body: impl Stream<Item = Result<Bytes, E>>) -> Result<(), FilesError> {
        let UploadTarget { tenant_id, asset_id, size, .. } = *target;
        self.check_size(size)?;
        if self.confirmed_key(tenant_id, asset_id).await?.is_some() {
            return Err(Refusal::AlreadyConfirmed.into());
        }
        let path = key::quarantine(tenant_id, asset_id);
        let mut writer = BufWriter::with_capacity(self.store.clone(), path, PART_BYTES).with_max_concurrency(1);
        if let Err(refused) = pass(body, size, &mut writer).await {
            if let Err(error) = writer.abort().await {
                tracing::warn!(%error, "a part of an upload that was refused stays behind until the next sweep");
            }
            return Err(refused);
        }
        writer.shutdown().await.map_err(FilesError::unavailable)
    }

    /// Forgets an upload that will not be confirmed. That there is none is fine.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`].
    pub async fn discard_upload(&self, tenant: TenantId, asset: AssetId) -> Result<(), FilesError> {
        self.remove(&key::quarantine(tenant, asset)).await
    }
}

/// Exactly `announced` bytes.
async fn pass<E>(body: impl Stream<Item = Result<Bytes, E>>, announced: u64, writer: &mut BufWriter) -> Result<(), FilesError> {
    let mut body = pin!(body);
    let mut found = 0_u64;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Refusal::Interrupted)?;
        found += piece.len() as u64;
        if found > announced {
            return Err(Refusal::TooLarge { size: found, max: announced }.into());
        }
        writer.put(piece).await.map_err(FilesError::unavailable)?;
    }
    if found < announced { Err(Refusal::SizeDiffers { announced, found }.into()) } else { Ok(()) }
}
