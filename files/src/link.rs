//! Links to our own API, for the local folder: what they allow is in the link, and only we can have written it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_domain::kernel::{AssetId, TenantId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::settings::LinkKey;
use crate::{ContentType, Refusal, StorageKey};

/// What a link to upload allows: these many bytes to this place, as often as one likes until they are confirmed.
/// Comes from [`crate::Files::open_upload`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadTarget {
    pub tenant_id: TenantId,
    pub asset_id: AssetId,
    pub content_type: ContentType,
    pub size: u64,
}

/// What a link to download allows. Comes from [`crate::Files::open_download`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download {
    pub key: StorageKey,
    pub file_name: String,
    pub content_type: ContentType,
}

/// The payload of a token: `base64url(json).base64url(hmac)`.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// Good before this, in milliseconds since 1970.
    exp: i64,
    grant: Grant,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
enum Grant {
    Upload { tenant: TenantId, asset: AssetId, mime: String, size: u64 },
    Download { key: StorageKey, name: String, mime: String },
}

/// Longer ones are not even looked at.
const TOKEN_BYTES: usize = 4 * 1024;

/// Makes and reads the tokens.
#[derive(Debug)]
pub(crate) struct Links {
    base_url: String,
    key: LinkKey,
}

impl Links {
    pub(crate) fn new(public_base_url: &str, key: LinkKey) -> Self {
        Self { base_url: format!("{}/v1/files/", public_base_url.trim_end_matches('/')), key }
    }

    pub(crate) fn upload(&self, target: &UploadTarget, expires_at: DateTime<Utc>) -> String {
        let UploadTarget { tenant_id, asset_id, content_type, size } = *target;
        self.url(expires_at, Grant::Upload { tenant: tenant_id, asset: asset_id, mime: content_type.mime().to_owned(), size })
    }

    pub(crate) fn download(&self, download: Download, expires_at: DateTime<Utc>) -> String {
        let Download { key, file_name, content_type } = download;
        self.url(expires_at, Grant::Download { key, name: file_name, mime: content_type.mime().to_owned() })
    }

    pub(crate) fn open_upload(&self, token: &str, now: DateTime<Utc>) -> Result<UploadTarget, Refusal> {
        let Grant::Upload { tenant, asset, mime, size } = self.open(token, now)? else { return Err(Refusal::LinkInvalid) };
        Ok(UploadTarget { tenant_id: tenant, asset_id: asset, content_type: ContentType::of(&mime)?, size })
    }

    pub(crate) fn open_download(&self, token: &str, now: DateTime<Utc>) -> Result<Download, Refusal> {
        let Grant::Download { key, name, mime } = self.open(token, now)? else { return Err(Refusal::LinkInvalid) };
        Ok(Download { key, file_name: name, content_type: ContentType::of(&mime)? })
    }

    fn url(&self, expires_at: DateTime<Utc>, grant: Grant) -> String {
        // Strings, numbers and ids always become JSON.
        let claims = serde_json::to_vec(&Claims { exp: expires_at.timestamp_millis(), grant }).unwrap_or_default();
        let payload = BASE64.encode(claims);
        let tag = self.mac(&payload).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        format!("{}{payload}.{}", self.base_url, BASE64.encode(tag))
    }

    fn open(&self, token: &str, now: DateTime<Utc>) -> Result<Grant, Refusal> {
        if token.len() > TOKEN_BYTES {
            return Err(Refusal::LinkInvalid);
        }
        let (payload, tag) = token.split_once('.').ok_or(Refusal::LinkInvalid)?;
        let tag = BASE64.decode(tag).map_err(|_| Refusal::LinkInvalid)?;
        // In constant time, and before anything of the payload is believed.
        self.mac(payload).and_then(|mac| mac.verify_slice(&tag).ok()).ok_or(Refusal::LinkInvalid)?;
        let claims = BASE64.decode(payload).map_err(|_| Refusal::LinkInvalid)?;
        let Claims { exp, grant } = serde_json::from_slice(&claims).map_err(|_| Refusal::LinkInvalid)?;
        if now.timestamp_millis() < exp { Ok(grant) } else { Err(Refusal::LinkExpired) }
    }

    /// None never happens: HMAC takes keys of any length.
    fn mac(&self, payload: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).ok()?;
        // The same key may sign something else one day; that will not be a link.
        mac.update(b"holdfast file link 1\n");
        mac.update(payload.as_bytes());
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::Checksum;

    fn links(key: u8) -> Links {
        Links::new("https://files.test/", [key; 32].into())
    }

    fn token(url: &str) -> &str {
        url.strip_prefix("https://files.test/v1/files/").unwrap()
    }

    fn target() -> UploadTarget {
        let content_type = ContentType::of("application/pdf").unwrap();
        UploadTarget { tenant_id: TenantId(Uuid::from_u128(1)), asset_id: AssetId(Uuid::from_u128(2)), content_type, size: 7 }
    }

    fn download() -> Download {
        let key = StorageKey::ready(target().tenant_id, target().asset_id, Checksum::of(b"abc"));
        Download { key, file_name: "Übung.pdf".to_owned(), content_type: target().content_type }
    }

    #[test]
    fn a_link_allows_what_it_was_made_for_until_it_expires() {
        // TAL-43
        let (links, now) = (links(1), DateTime::UNIX_EPOCH);
        let expires_at = now + TimeDelta::minutes(15);
        let (up, down) = (links.upload(&target(), expires_at), links.download(download(), expires_at));
        for at in [now, expires_at - TimeDelta::milliseconds(1)] {
            assert_eq!(links.open_upload(token(&up), at), Ok(target()));
            assert_eq!(links.open_download(token(&down), at), Ok(download()));
        }
        for at in [expires_at, expires_at + TimeDelta::days(1)] {
            assert_eq!(links.open_upload(token(&up), at), Err(Refusal::LinkExpired));
            assert_eq!(links.open_download(token(&down), at), Err(Refusal::LinkExpired));
        }
    }

    #[test]
    fn a_link_for_one_purpose_is_no_link_for_another() {
        let (links, now) = (links(1), DateTime::UNIX_EPOCH);
        let expires_at = now + TimeDelta::minutes(15);
        assert_eq!(links.open_download(token(&links.upload(&target(), expires_at)), now), Err(Refusal::LinkInvalid));
        assert_eq!(links.open_upload(token(&links.download(download(), expires_at)), now), Err(Refusal::LinkInvalid));
    }

    #[test]
    fn a_link_that_anybody_else_wrote_or_altered_is_refused() {
        let (links, now) = (links(1), DateTime::UNIX_EPOCH);
        let expires_at = now + TimeDelta::minutes(15);
        let url = links.upload(&target(), expires_at);
        let good = token(&url);
        for i in 0..good.len() {
            for other in ["A", "B", "."] {
                let altered = format!("{}{other}{}", &good[..i], &good[i + 1..]);
                assert!(altered == good || links.open_upload(&altered, now) == Err(Refusal::LinkInvalid), "{i} {other}");
            }
        }
        let foreign_key = self::links(2).upload(&target(), expires_at);
        let other_tenant = target_of_another_tenant_under_the_old_tag(good);
        let (payload, tag) = good.split_once('.').unwrap();
        for wrong in ["", ".", payload, &format!("{payload}."), &format!(".{tag}"), &format!("{good}.{tag}"), &"A".repeat(9_000)] {
            assert_eq!(links.open_upload(wrong, now), Err(Refusal::LinkInvalid), "{wrong}");
        }
        assert_eq!(links.open_upload(token(&foreign_key), now), Err(Refusal::LinkInvalid));
        assert_eq!(links.open_upload(&other_tenant, now), Err(Refusal::LinkInvalid));
    }

    fn target_of_another_tenant_under_the_old_tag(good: &str) -> String {
        let (payload, tag) = good.split_once('.').unwrap();
        let claims = String::from_utf8(BASE64.decode(payload).unwrap()).unwrap();
        let other = claims.replace(&target().tenant_id.to_string(), &Uuid::from_u128(9).to_string());
        assert_ne!(other, claims);
        format!("{}.{tag}", BASE64.encode(other))
    }
}
