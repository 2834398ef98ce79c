//! Typed identifiers: a `WalletId` cannot be passed where an `EscrowId` is meant.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

typed_ids! {
    /// The customer whose log, money and people these are. Every key starts with it.
    TenantId,
    /// A person or organisation that acts or is owed money: payer, payee, staff member, service.
    PartyId,
    EscrowId,
    WalletId,
    BankReceiptId,
    ContractId,
    MilestoneId,
    BookingId,
    SponsorshipOrderId,
    AssetId,
    JobId,
    SubmissionId,
    TemplateId,
    ClauseId,
    SignerId,
    /// The credits of one owner.
    CreditsId,
    /// Credits that were issued or sold together and expire together.
    LotId,
    ReservationId,
    DisputeId,
    /// Money set aside inside a wallet for one purpose.
    HoldId,
    /// Deterministic from tenant, stream and sequence: see [`event_id`].
    EventId,
    RequestId,
    /// Everything that one outside request set in motion carries the same one.
    CorrelationId,
}

/// A `UUIDv8` made of its inputs alone, so that whoever derives it again gets the same one.
///
/// `BLAKE3(tenant || source || purpose || n)`, version and variant bits set as RFC 9562 asks.
#[must_use]
pub fn derived_uuid(tenant_id: TenantId, source: Uuid, purpose: &str, n: u64) -> Uuid {
    let mut hash = blake3::Hasher::new();
    hash.update(tenant_id.0.as_bytes());
    hash.update(source.as_bytes());
    hash.update(&(purpose.len() as u64).to_be_bytes());
    hash.update(purpose.as_bytes());
    hash.update(&n.to_be_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    Uuid::new_v8(bytes)
}

/// The id of the `sequence`-th event of a stream.
#[must_use]
pub fn event_id(tenant_id: TenantId, aggregate_type: &str, aggregate_id: Uuid, sequence: i64) -> EventId {
    EventId(derived_uuid(tenant_id, aggregate_id, aggregate_type, sequence.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_the_same_again_and_differs_by_every_input() {
        let (tenant, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let id = derived_uuid(tenant, Uuid::from_u128(9), "hold", 1);
        assert_eq!(id, derived_uuid(tenant, Uuid::from_u128(9), "hold", 1));
        assert_ne!(id, derived_uuid(other, Uuid::from_u128(9), "hold", 1));
        assert_ne!(id, derived_uuid(tenant, Uuid::from_u128(8), "hold", 1));
        assert_ne!(id, derived_uuid(tenant, Uuid::from_u128(9), "holds", 1));
        assert_ne!(id, derived_uuid(tenant, Uuid::from_u128(9), "hold", 2));
        assert_eq!(id.get_version_num(), 8);
    }
}
