//! Personal data in events: an opaque sealed value per person (protocols: sealing is done at the edges).

use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use uuid::Uuid;

use crate::kernel::PartyId;

/// A `T` that belongs to a person, as it is stored: ciphertext under that person's key. The domain cannot read it.
///
/// Sealed once by the command side before `handle`, opened by projections. Erasing the person destroys the key;
/// this stored shape never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T> {
    sealed: Sealed,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

/// AES-256-GCM under a key per person; the associated data is tenant, subject and key id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    /// Whose data it is.
    pub subject: PartyId,
    /// Which of the person's keys sealed it.
    pub key_id: Uuid,
    /// 96 random bits, base64.
    pub nonce: String,
    /// Ciphertext and tag of the JSON of `T`, base64.
    pub ciphertext: String,
}

/// Whatever `T` is, readers of the log see the sealed value.
impl<T> schemars::JsonSchema for Personal<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Personal".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Sealed>()
    }
}

impl<T> Personal<T> {
    #[must_use]
    pub fn from_sealed(sealed: Sealed) -> Self {
        Self { sealed, of: PhantomData }
    }

    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }
}
