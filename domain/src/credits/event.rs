//! What happened to somebody's credits. Stored for ever: every event carries the units and amounts that were decided.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credits::{LotPart, Worth};
use crate::escrow::Landing;
use crate::kernel::{
    CreditsId, Currency, DeadlineChange, LotId, Money, PartyId, ReservationId, StoredEvent, TenantId, WalletId, derived_uuid,
};
use crate::wallet::{OwnerType, WalletOwner};

/// One stream per owner.
#[must_use]
pub fn credits_id(tenant_id: TenantId, owner_type: OwnerType, owner_id: PartyId) -> CreditsId {
    CreditsId(derived_uuid(tenant_id, owner_id.0, &format!("credits:{}", owner_type.as_str()), 0))
}

/// Every event names the owner, so that the ledger can post it without looking anything up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsEvent {
    pub owner: CreditsOwner,
    pub at: DateTime<Utc>,
    pub fact: CreditsFact,
}

/// Whose credits. Never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsOwner {
    pub owner_type: OwnerType,
    pub owner_id: PartyId,
}

impl CreditsOwner {
    #[must_use]
    pub fn credits_id(self, tenant_id: TenantId) -> CreditsId {
        credits_id(tenant_id, self.owner_type, self.owner_id)
    }

    /// Where refunds go and purchases come from.
    #[must_use]
    pub fn wallet(self, currency: Currency) -> WalletOwner {
        WalletOwner { owner_type: self.owner_type, owner_id: self.owner_id, currency }
    }
}

impl From<WalletOwner> for CreditsOwner {
    fn from(owner: WalletOwner) -> Self {
        Self { owner_type: owner.owner_type, owner_id: owner.owner_id }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum CreditsFact {
    /// A promo lot (LED-21).
    Issued { lot_id: LotId, number: u32, units: i64, expires_at: Option<DateTime<Utc>>, reason: String },
    /// A sold lot: money that left the buyer's wallet has landed (row 15).
    Sold { lot_id: LotId, number: u32, units: i64, worth: Worth, expires_at: Option<DateTime<Utc>>, landing: Landing, wallet_id: WalletId },
    /// Set apart until then; outlives the expiry of its lots (MNY-54).
    Reserved { reservation_id: ReservationId, units: i64, until: DateTime<Utc>, reference: Reference, parts: Vec<LotPart> },
    /// The reservation is over: `returned` can be spent again, `expired` had expired meanwhile (MNY-54).
    Released { reservation_id: ReservationId, by_deadline: bool, returned: Vec<LotPart>, expired: Vec<LotPart> },
    /// `promo`: what the given units count in money, none when nobody said so. `legs`: what the tenant's wallet gets.
    Consumed {
        units: i64,
        parts: Vec<LotPart>,
        drawn: Option<Drawn>,
        reference: Reference,
        provider: Provider,
        promo: Option<Money>,
        legs: Vec<CreditsLeg>,
    },
    /// Of sold units a refund: `legs` go to the owner's wallets (MNY-53).
    Revoked { units: i64, parts: Vec<LotPart>, reason: String, legs: Vec<CreditsLeg> },
    /// What nobody had reserved of the lot is gone (row 17).
    Expired { part: LotPart },
}

/// From which reservation units were consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drawn {
    pub reservation_id: ReservationId,
    /// Units that it still holds; at 0 it is over.
    pub left: i64,
}

/// What the units are for (LED-75).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CreditsReference")]
pub struct Reference {
    /// `campaign`, `invoice` …
    pub ref_type: String,
    pub ref_id: Uuid,
}

crate::named! {
    /// Whose service the units pay (row 16).
    #[derive(schemars::JsonSchema)]
    Provider {
        /// The platform's own: earned at once.
        Platform = "platform",
        /// The tenant's, or somebody's behind it: owed to the tenant.
        Tenant = "tenant",
    }
}

/// Money that the event puts in transit, and the wallet that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsLeg {
    pub leg: u16,
    pub to: WalletOwner,
    pub amount: Money,
}

impl StoredEvent for CreditsEvent {
    fn name(&self) -> &'static str {
        self.fact.name()
    }

    /// A lot has a deadline while somebody could still spend of it; a reservation while it holds units.
    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        let expiry = |lot_id: LotId, at| DeadlineChange { key: format!("expire:{lot_id}"), at };
        let taken = |parts: &[LotPart]| -> Vec<DeadlineChange> {
            parts.iter().filter(|part| part.left == 0 && part.expires_at.is_some()).map(|part| expiry(part.lot_id, None)).collect()
        };
        let reservation = |id: ReservationId, at| DeadlineChange { key: format!("reservation:{id}"), at };
        match &self.fact {
            CreditsFact::Issued { lot_id, expires_at, .. } | CreditsFact::Sold { lot_id, expires_at, .. } => {
                expires_at.iter().map(|at| expiry(*lot_id, Some(*at))).collect()
            }
            CreditsFact::Reserved { reservation_id, until, parts, .. } => {
                let mut changes = taken(parts);
                changes.push(reservation(*reservation_id, Some(*until)));
                changes
            }
            CreditsFact::Released { reservation_id, returned, .. } => {
                let again = |part: &LotPart| part.expires_at.map(|at| expiry(part.lot_id, Some(at)));
                let mut changes: Vec<_> = returned.iter().filter_map(again).collect();
                changes.push(reservation(*reservation_id, None));
                changes
            }
            CreditsFact::Consumed { drawn: Some(drawn), .. } => {
                if drawn.left == 0 {
                    vec![reservation(drawn.reservation_id, None)]
                } else {
                    Vec::new()
                }
            }
            CreditsFact::Consumed { parts, drawn: None, .. } | CreditsFact::Revoked { parts, .. } => taken(parts),
            CreditsFact::Expired { part } => vec![expiry(part.lot_id, None)],
        }
    }
}

impl CreditsFact {
    /// The stored name (LED-81).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Issued { .. } => "credits.issued",
            Self::Sold { .. } => "credits.sold",
            Self::Reserved { .. } => "credits.reserved",
            Self::Released { .. } => "credits.released",
            Self::Consumed { .. } => "credits.consumed",
            Self::Revoked { .. } => "credits.revoked",
            Self::Expired { .. } => "credits.expired",
        }
    }
}

crate::domain_event!(CreditsEvent);
