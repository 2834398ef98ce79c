//! What somebody has: computed at the instant of the question, so that what has expired is never shown as spendable.

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::credits::{Credits, CreditsOwner, LotPart, Units};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::credits::PROJECTION;
use crate::query::{QueryError, Read, Reading};
use crate::runtime::find;

/// Who sees credits as its own, for `a`, an event of them.
pub(crate) const PARTIES: &str = "SELECT ARRAY[c.owner_id] FROM credits c WHERE c.tenant_id = a.tenant_id AND c.id = a.entity_id";

/// What expires within so many days is shown apart (LED-23).
const SOON: TimeDelta = TimeDelta::days(30);

/// LED-23.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsBalance {
    /// `user`, `talent` or `tenant`.
    pub owner_type: String,
    pub owner_id: Uuid,
    /// Can be spent now: neither reserved nor expired.
    pub available: UnitsByKind,
    /// The part of `available` that expires within 30 days.
    pub expiring_soon: UnitsByKind,
    /// In reservations, whatever their lots' expiry.
    pub reserved: UnitsByKind,
    /// What `available` is made of, in the order in which it is consumed.
    pub lots: Vec<CreditsLot>,
    pub reservations: Vec<CreditsReservation>,
    /// The instant that this shows.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitsByKind {
    /// Given.
    pub promo: i64,
    pub sold: i64,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsLot {
    pub lot_id: Uuid,
    /// `promo` or `sold`.
    pub kind: String,
    pub units: i64,
    pub expires_at: Option<DateTime<Utc>>,
    /// What is left of its price; of sold lots.
    #[schema(value_type = Option<Object>)]
    pub value: Option<holdfast_domain::kernel::Money>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditsReservation {
    pub reservation_id: Uuid,
    pub until: DateTime<Utc>,
    pub units: i64,
    pub ref_type: String,
    pub ref_id: Uuid,
}

impl From<Units> for UnitsByKind {
    fn from(units: Units) -> Self {
        Self { promo: units.promo, sold: units.sold, total: units.total() }
    }
}

impl From<LotPart> for CreditsLot {
    fn from(lot: LotPart) -> Self {
        Self {
            lot_id: lot.lot_id.uuid(),
            kind: lot.kind().as_str().to_owned(),
            units: lot.units,
            expires_at: lot.expires_at,
            value: lot.worth.map(|worth| worth.value),
        }
    }
}

/// Zeros for whoever never had any.
///
/// # Errors
/// When the database does not answer.
pub async fn balance(
    pool: &Pool,
    tenant_id: TenantId,
    owner: CreditsOwner,
    now: DateTime<Utc>,
) -> Result<Read<CreditsBalance>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = find::<Credits>(&mut reading, owner.credits_id(tenant_id).uuid()).await?;
    let credits = stored.map(|stored| stored.state).unwrap_or_default();
    reading.end(shown(&credits, owner, now)).await
}

fn shown(credits: &Credits, owner: CreditsOwner, now: DateTime<Utc>) -> CreditsBalance {
    let reservation =
        |(id, until, reference, units): (holdfast_domain::kernel::ReservationId, _, &holdfast_domain::credits::Reference, _)| {
            let (ref_type, ref_id) = (reference.ref_type.clone(), reference.ref_id);
            CreditsReservation { reservation_id: id.uuid(), until, units, ref_type, ref_id }
        };
    CreditsBalance {
        owner_type: owner.owner_type.as_str().to_owned(),
        owner_id: owner.owner_id.uuid(),
        available: credits.spendable(now).into(),
        expiring_soon: credits.expiring(now, now + SOON).into(),
        reserved: credits.reserved().into(),
        lots: credits.lots(now).into_iter().map(CreditsLot::from).collect(),
        reservations: credits.reservations().map(reservation).collect(),
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use holdfast_domain::credits::{CreditsEvent, CreditsFact};
    use holdfast_domain::kernel::{LotId, PartyId};
    use holdfast_domain::wallet::OwnerType;

    use super::*;

    #[test]
    fn what_has_expired_is_not_shown_although_nothing_swept_it() {
        // MNY-54
        let owner = CreditsOwner { owner_type: OwnerType::User, owner_id: PartyId(Uuid::from_u128(7)) };
        let start: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut credits = Credits::default();
        for (number, days) in [(1, Some(10)), (2, Some(40)), (3, None)] {
            let expires_at = days.map(|days| start + TimeDelta::days(days));
            let lot_id = LotId(Uuid::from_u128(u128::from(number)));
            let fact = CreditsFact::Issued { lot_id, number, units: 5, expires_at, reason: String::new() };
            credits.apply(CreditsEvent { owner, at: start, fact });
        }
        let at = |days| shown(&credits, owner, start + TimeDelta::days(days));
        assert_eq!((at(0).available.total, at(0).expiring_soon.total, at(0).lots.len()), (15, 5, 3));
        assert_eq!((at(10).available.total, at(10).expiring_soon.total, at(10).lots.len()), (10, 5, 2));
        assert_eq!((at(40).available.total, at(40).expiring_soon.total), (5, 0));
    }
}
