//! Links for signers without an account (CTR-24): a token that names one signer of one contract, who gave it out, and when
//! it ends, under a key of the server. Whoever has it can read the text and sign as that signer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_domain::kernel::{ContractId, PartyId, SignerId, TenantId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How long a link lasts.
const LASTS: TimeDelta = TimeDelta::hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningLink {
    pub(crate) tenant_id: TenantId,
    pub(crate) contract_id: ContractId,
    pub(crate) signer_id: SignerId,
    pub(crate) issued_by: PartyId,
    pub(crate) expires_at: DateTime<Utc>,
}

impl SigningLink {
    pub(crate) fn new(tenant_id: TenantId, contract_id: ContractId, signer_id: SignerId, issued_by: PartyId, now: DateTime<Utc>) -> Self {
        Self { tenant_id, contract_id, signer_id, issued_by, expires_at: now + LASTS }
    }

    /// `key`: the server's; the token's own key is made from it.
    pub(crate) fn token(&self, key: &[u8; 32]) -> Option<String> {
        let content = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).ok()?);
        let tag = URL_SAFE_NO_PAD.encode(mac(key, &content)?.finalize().into_bytes());
        Some(format!("{content}.{tag}"))
    }

    /// None when it was altered, was made under another key, or has ended: they look alike.
    pub(crate) fn read(token: &str, key: &[u8; 32], now: DateTime<Utc>) -> Option<Self> {
        let (content, tag) = token.split_once('.')?;
        mac(key, content)?.verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let link: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
        (link.expires_at > now).then_some(link)
    }
}

fn mac(key: &[u8; 32], content: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    // Sets these tags apart from everything else that is made under the key.
    mac.update(b"signing-link\0");
    mac.update(content.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn link() -> SigningLink {
        let id = Uuid::from_u128(7);
        SigningLink::new(TenantId(id), ContractId(id), SignerId(id), PartyId(id), now())
    }

    #[test]
    fn a_link_says_what_it_was_made_for_until_it_ends() {
        // CTR-24
        let token = link().token(&[1; 32]).unwrap();
        assert_eq!(SigningLink::read(&token, &[1; 32], now()), Some(link()));
        assert_eq!(SigningLink::read(&token, &[1; 32], now() + TimeDelta::hours(24)), None, "it has ended");
        assert_eq!(SigningLink::read(&token, &[2; 32], now()), None, "another key");
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "fits into a path");
    }

    #[test]
    fn an_altered_link_is_none() {
        let token = link().token(&[1; 32]).unwrap();
        let (content, tag) = token.split_once('.').unwrap();
        let other = SigningLink { signer_id: SignerId(Uuid::from_u128(8)), ..link() }.token(&[1; 32]).unwrap();
        let (other, _) = other.split_once('.').unwrap();
        for altered in [format!("{other}.{tag}"), format!("{content}."), content.to_owned(), String::new(), format!("{content}.{tag}x")] {
            assert_eq!(SigningLink::read(&altered, &[1; 32], now()), None, "{altered}");
        }
    }
}
