//! Where a file lies in the folder or bucket. Every key belongs to one tenant.

use std::fmt;
use std::str::FromStr;

use holdfast_domain::kernel::{AssetId, ContractId, TenantId};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Checksum;

/// A file that can be read: an asset that was confirmed, or a document that we made.
///
/// Text and JSON: `ready/<tenant>/<asset>/<sha256>` or `contracts/<tenant>/<contract>/<name>.pdf`. It is made of typed ids
/// and a name of few characters, never of a path, so it cannot lead out of its tenant's folder. There is none for quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageKey(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Ready { tenant: TenantId, asset: AssetId, sha256: Checksum },
    Contract { tenant: TenantId, contract: ContractId, name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no storage key")]
pub struct NoStorageKey;

impl StorageKey {
    /// The confirmed content of an asset. Other content would have another key: what is confirmed never changes (DSP-38).
    #[must_use]
    pub const fn ready(tenant: TenantId, asset: AssetId, sha256: Checksum) -> Self {
        Self(Place::Ready { tenant, asset, sha256 })
    }

    /// A PDF of a contract (CTR-06); `name` has 1 to 100 of `a-z 0-9 - _` and no extension.
    ///
    /// # Errors
    /// When the name has anything else.
    pub fn contract_pdf(tenant: TenantId, contract: ContractId, name: &str) -> Result<Self, NoStorageKey> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
            return Err(NoStorageKey);
        }
        Ok(Self(Place::Contract { tenant, contract, name: name.to_owned() }))
    }

    #[must_use]
    pub const fn tenant_id(&self) -> TenantId {
        match self.0 {
            Place::Ready { tenant, .. } | Place::Contract { tenant, .. } => tenant,
        }
    }

    /// The checksum that the key of an asset names.
    pub(crate) const fn sha256(&self) -> Option<Checksum> {
        match self.0 {
            Place::Ready { sha256, .. } => Some(sha256),
            Place::Contract { .. } => None,
        }
    }

    pub(crate) fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Ready { tenant, asset, sha256 } => write!(f, "ready/{tenant}/{asset}/{sha256}"),
            Place::Contract { tenant, contract, name } => write!(f, "contracts/{tenant}/{contract}/{name}.pdf"),
        }
    }
}

impl FromStr for StorageKey {
    type Err = NoStorageKey;

    /// Reads what `Display` wrote and nothing else: no other spelling of the same ids, no dots, no escapes.
    fn from_str(text: &str) -> Result<Self, NoStorageKey> {
        let [place, tenant, owner, name] = text.split('/').collect::<Vec<_>>()[..] else { return Err(NoStorageKey) };
        let tenant = tenant.parse().map_err(|_| NoStorageKey)?;
        let owner: Uuid = owner.parse().map_err(|_| NoStorageKey)?;
        let key = match place {
            "ready" => Self::ready(tenant, AssetId(owner), name.parse().map_err(|_| NoStorageKey)?),
            "contracts" => Self::contract_pdf(tenant, ContractId(owner), name.strip_suffix(".pdf").ok_or(NoStorageKey)?)?,
            _ => return Err(NoStorageKey),
        };
        if key.to_string() == text { Ok(key) } else { Err(NoStorageKey) }
    }
}

impl TryFrom<String> for StorageKey {
    type Error = NoStorageKey;

    fn try_from(text: String) -> Result<Self, NoStorageKey> {
        text.parse()
    }
}

impl From<StorageKey> for String {
    fn from(key: StorageKey) -> Self {
        key.to_string()
    }
}

/// Folders of what is not confirmed: what was uploaded, and the copies that are being looked at.
pub(crate) const UNCONFIRMED: [&str; 2] = ["quarantine", "checking"];

/// Where an upload lands. Whoever holds a ticket can write here; nobody can read it.
pub(crate) fn quarantine(tenant: TenantId, asset: AssetId) -> Path {
    Path::from(format!("quarantine/{tenant}/{asset}"))
}

/// A copy of an upload that no ticket can change any more while it is looked at.
pub(crate) fn checking(tenant: TenantId, attempt: Uuid) -> Path {
    Path::from(format!("checking/{tenant}/{attempt}"))
}

/// Holds the asset's confirmed content, if there is any.
pub(crate) fn ready_folder(tenant: TenantId, asset: AssetId) -> Path {
    Path::from(format!("ready/{tenant}/{asset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e));
    const CONTRACT: ContractId = ContractId(Uuid::from_u128(0xc0));

    fn ready() -> StorageKey {
        StorageKey::ready(TENANT, AssetId(Uuid::from_u128(0xa5)), Checksum::of(b"abc"))
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_names_its_tenant() {
        for key in [ready(), StorageKey::contract_pdf(TENANT, CONTRACT, "signed-v2").unwrap()] {
            assert_eq!(key.to_string().parse(), Ok(key.clone()));
            assert_eq!(key.path().as_ref(), key.to_string(), "nothing is escaped");
            assert_eq!(key.tenant_id(), TENANT);
        }
    }

    #[test]
    fn a_key_cannot_lead_out_of_its_folder() {
        let name = |name: &str| StorageKey::contract_pdf(TENANT, CONTRACT, name);
        for wrong in ["", ".", "..", "../x", "a/b", "a\\b", "a.b", "a%2fb", "A", "é", "a b", "a\0", "a#1", &"a".repeat(101)] {
            assert_eq!(name(wrong), Err(NoStorageKey), "{wrong:?}");
        }
        let good = ready().to_string();
        let other_spelling = good.replace(&TENANT.to_string(), &TENANT.uuid().simple().to_string());
        for wrong in [
            "",
            "/",
            "../../etc/passwd",
            &format!("/{good}"),
            &format!("{good}/"),
            &format!("{good}/.."),
            &format!("./{good}"),
            &good.to_uppercase(),
            &other_spelling,
            &good.replace("ready", "quarantine"),
            &good.replace("ready", "checking"),
            &good.replace("ready", "contracts"),
            &format!("quarantine/{TENANT}/{}", Uuid::from_u128(0xa5)),
        ] {
            assert_eq!(wrong.parse::<StorageKey>(), Err(NoStorageKey), "{wrong:?}");
        }
    }
}
