//! The key management: whoever holds the master key. It wraps and unwraps tenants' keys; the master key never leaves it.

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::keys::cipher::{self, Secret};

/// A port: [`LocalKms`] holds the key in this process, [`super::VaultKms`] asks a service that holds it.
pub trait Kms: Send + Sync + 'static {
    /// `data` is bound to the key: it must be the same when it is unwrapped.
    fn wrap<'a>(&'a self, data: &'a [u8], key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, KmsError>>;

    /// `Refused`: it was not wrapped here, or with other data.
    fn unwrap<'a>(&'a self, data: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, KmsError>>;

    /// Which it is, for operators; nothing secret.
    fn name(&self) -> String;
}

#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    #[error("the key management does not take this key: was the master key changed?")]
    Refused,
    #[error("the key management does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The master key in memory, from `secrets.personal_master_key` or the file that `secrets.personal_master_key_file` names.
pub struct LocalKms {
    master: Secret,
}

impl LocalKms {
    #[must_use]
    pub const fn new(master: Secret) -> Self {
        Self { master }
    }
}

impl Kms for LocalKms {
    fn wrap<'a>(&'a self, data: &'a [u8], key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        async move { cipher::wrap(&self.master, data, key).map_err(|error| KmsError::Unreachable(Box::new(error))) }.boxed()
    }

    fn unwrap<'a>(&'a self, data: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, KmsError>> {
        async move { cipher::unwrap(&self.master, data, wrapped).ok_or(KmsError::Refused) }.boxed()
    }

    fn name(&self) -> String {
        "local: the master key is in this process".to_owned()
    }
}

impl std::fmt::Debug for LocalKms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalKms(..)")
    }
}
