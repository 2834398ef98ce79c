//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::credits::MAX_UNITS;
use crate::credits::{
    Credits, CreditsCommand, CreditsError, CreditsEvent, CreditsFact, CreditsLeg, CreditsOwner, Drawn, LotFilter, LotKind, LotPart,
    Provider, Reference, Sale, Usage,
};
use crate::kernel::{Actor, Context, Currency, LotId, Money, PartyId, ReservationId, Role, TenantId, derived_uuid};
use crate::wallet::{OwnerType, WalletOwner};

/// So that state stays small; sold lots are made beyond it, since they are paid for.
pub(super) const MAX_LOTS: usize = 500;
pub(super) const MAX_RESERVATIONS: usize = 100;
pub(super) const MAX_RESERVATION_DAYS: i64 = 366;

impl Credits {
    pub(super) fn decide(&self, command: CreditsCommand, context: &Context) -> Result<Vec<CreditsEvent>, CreditsError> {
        may(&command, &context.actor)?;
        let units = units_of(&command);
        only(units.is_none_or(|units| (1..=MAX_UNITS).contains(&units)), CreditsError::UnitsInvalid)?;
        let Some(owner) = self.owner_for(&command)? else { return Ok(Vec::new()) };
        let now = context.now;
        let facts = match command {
            CreditsCommand::Issue { units, expires_at, reason, .. } => self.issue(owner, units, expires_at, reason, context)?,
            CreditsCommand::Sell(sale) => self.sell(sale, context.tenant_id),
            CreditsCommand::Consume { units, usage, .. } => vec![self.consume(units, usage, context)?],
            CreditsCommand::Reserve { reservation_id, units, until, reference, .. } => {
                self.reserve(reservation_id, units, until, reference, now)?
            }
            CreditsCommand::ConsumeReserved { reservation_id, units, usage, .. } => {
                vec![self.consume_reserved(reservation_id, units, usage, context)?]
            }
            CreditsCommand::Release { reservation_id, .. } => self.release(reservation_id, now)?,
            CreditsCommand::Revoke { units, kind, reason, .. } => vec![self.revoke(owner, units, kind, reason, now)?],
            CreditsCommand::MeetDeadline { key, at } => self.meet(&key, at, now),
        };
        Ok(facts.into_iter().map(|fact| CreditsEvent { owner, at: now, fact }).collect())
    }

    /// None: a deadline of credits that nobody has.
    fn owner_for(&self, command: &CreditsCommand) -> Result<Option<CreditsOwner>, CreditsError> {
        let Some(named) = owner_of(command) else { return Ok(self.owner) };
        only(self.owner.is_none_or(|known| known == named), CreditsError::OwnerMismatch)?;
        Ok(Some(named))
    }

    /// LED-21.
    fn issue(
        &self,
        owner: CreditsOwner,
        units: i64,
        expires_at: Option<DateTime<Utc>>,
        reason: String,
        context: &Context,
    ) -> Result<Vec<CreditsFact>, CreditsError> {
        only(expires_at.is_none_or(|at| at > context.now), CreditsError::ExpiryInvalid)?;
        only(self.lots.len() < MAX_LOTS, CreditsError::TooManyLots { limit: MAX_LOTS })?;
        let number = self.last_lot + 1;
        let lot_id = LotId(derived_uuid(context.tenant_id, owner.credits_id(context.tenant_id).0, "lot", u64::from(number)));
        Ok(vec![CreditsFact::Issued { lot_id, number, units, expires_at, reason }])
    }

    /// Row 15. Never refused and never booked twice.
    fn sell(&self, sale: Sale, tenant_id: TenantId) -> Vec<CreditsFact> {
        let Sale { owner, units, worth, expires_at, landing, wallet_id } = sale;
        if self.landings.contains(&landing) {
            return Vec::new();
        }
        let number = self.last_lot + 1;
        let lot_id = LotId(derived_uuid(tenant_id, owner.credits_id(tenant_id).0, "lot", u64::from(number)));
        vec![CreditsFact::Sold { lot_id, number, units, worth, expires_at, landing, wallet_id }]
    }

    /// LED-70, row 16.
    fn consume(&self, units: i64, usage: Usage, context: &Context) -> Result<CreditsFact, CreditsError> {
        let parts = self.take_units(units, None, context.now)?;
        used(units, parts, None, usage, context.tenant_id)
    }

    /// MNY-54.
    fn reserve(
        &self,
        reservation_id: ReservationId,
        units: i64,
        until: DateTime<Utc>,
        reference: Reference,
        now: DateTime<Utc>,
    ) -> Result<Vec<CreditsFact>, CreditsError> {
        if let Some(known) = self.reservations.get(&reservation_id) {
            let same = known.asked == units && known.until == until && known.reference == reference;
            return if same { Ok(Vec::new()) } else { Err(CreditsError::ReservationExists) };
        }
        only(!self.ended_reservations.contains(&reservation_id), CreditsError::ReservationExists)?;
        let latest = now + TimeDelta::days(MAX_RESERVATION_DAYS);
        only(until > now && until <= latest, CreditsError::UntilInvalid { days: MAX_RESERVATION_DAYS })?;
        only(self.reservations.len() < MAX_RESERVATIONS, CreditsError::TooManyReservations { limit: MAX_RESERVATIONS })?;
        let parts = self.take_units(units, None, now)?;
        Ok(vec![CreditsFact::Reserved { reservation_id, units, until, reference, parts }])
    }

    /// Units that were reserved are good although their lot has expired since (MNY-54).
    fn consume_reserved(
        &self,
        reservation_id: ReservationId,
        units: i64,
        usage: Usage,
        context: &Context,
    ) -> Result<CreditsFact, CreditsError> {
        let reservation = self.reservations.get(&reservation_id).ok_or(CreditsError::ReservationNotFound)?;
        only(reservation.until > context.now, CreditsError::ReservationEnded)?;
        let held: i64 = reservation.parts.iter().map(|part| part.units).sum();
        only(units <= held, CreditsError::InsufficientCredits { available: held, requested: units })?;
        let mut wanted = units;
        let mut parts = Vec::new();
        for part in &reservation.parts {
            let taken = wanted.min(part.units);
            if taken == 0 {
                break;
            }
            wanted -= taken;
            parts.push(LotPart { left: self.unreserved(part.lot_id), ..part.first(taken) });
        }
        used(units, parts, Some(Drawn { reservation_id, left: held - units }), usage, context.tenant_id)
    }

    /// A reservation that has ended before is released once.
    fn release(&self, reservation_id: ReservationId, now: DateTime<Utc>) -> Result<Vec<CreditsFact>, CreditsError> {
        if self.ended_reservations.contains(&reservation_id) {
            return Ok(Vec::new());
        }
        let released = self.released(reservation_id, false, now);
        released.map(|fact| vec![fact]).ok_or(CreditsError::ReservationNotFound)
    }

    /// What comes back after its expiry expires in the same event (MNY-54).
    fn released(&self, reservation_id: ReservationId, by_deadline: bool, now: DateTime<Utc>) -> Option<CreditsFact> {
        let reservation = self.reservations.get(&reservation_id)?;
        let (expired, returned): (Vec<_>, Vec<_>) = reservation.parts.iter().cloned().partition(|part| part.has_expired(now));
        let unreserved = |part: LotPart| LotPart { left: self.unreserved(part.lot_id), ..part };
        Some(CreditsFact::Released {
            reservation_id,
            by_deadline,
            returned: returned.into_iter().map(unreserved).map(|part| LotPart { left: part.left + part.units, ..part }).collect(),
            expired: expired.into_iter().map(unreserved).collect(),
        })
    }

    /// LED-22, MNY-53: of sold units it is a refund to the owner's wallets.
    fn revoke(
        &self,
        owner: CreditsOwner,
        units: i64,
        kind: LotFilter,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<CreditsFact, CreditsError> {
        let parts = self.take_units(units, kind, now)?;
        let refunds = parts.iter().filter_map(|part| part.worth).flat_map(|worth| [worth.value, worth.tax]);
        let legs = legs(refunds, |currency| owner.wallet(currency));
        Ok(CreditsFact::Revoked { units, parts, reason, legs })
    }

    /// `at` is the instant of the deadline; it is compared with the state, not with a clock, to the microsecond.
    fn meet(&self, key: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Vec<CreditsFact> {
        let due = |instant: DateTime<Utc>| instant.timestamp_micros() <= at.timestamp_micros();
        if let Some(lot_id) = key.strip_prefix("expire:").and_then(|id| id.parse().ok()) {
            let lot = self.lots.get(&lot_id).filter(|lot| lot.expires_at.is_some_and(due));
            return lot.map(|lot| CreditsFact::Expired { part: lot.part(lot_id, lot.units) }).into_iter().collect();
        }
        if let Some(id) = key.strip_prefix("reservation:").and_then(|id| id.parse().ok())
            && self.reservations.get(&id).is_some_and(|reservation| due(reservation.until))
        {
            return self.released(id, true, now).into_iter().collect();
        }
        Vec::new()
    }

    /// Soonest expiry first, then given before sold, then older (MNY-53); what has expired by now is no longer there.
    fn take_units(&self, units: i64, wanted_kind: LotFilter, now: DateTime<Utc>) -> Result<Vec<LotPart>, CreditsError> {
        let lots: Vec<LotPart> = self.lots(now).into_iter().filter(|lot| wanted_kind.is_none_or(|kind| kind == lot.kind())).collect();
        let available = lots.iter().map(|lot| lot.units).sum();
        only(units <= available, CreditsError::InsufficientCredits { available, requested: units })?;
        let mut wanted = units;
        let mut parts = Vec::new();
        for lot in lots {
            let taken = wanted.min(lot.units);
            if taken == 0 {
                break;
            }
            wanted -= taken;
            parts.push(lot.first(taken));
        }
        Ok(parts)
    }

    fn unreserved(&self, lot_id: LotId) -> i64 {
        self.lots.get(&lot_id).map_or(0, |lot| lot.units)
    }
}

/// The platform earns at once; the tenant is owed what the units carry, given ones at the value that the caller names.
fn used(units: i64, parts: Vec<LotPart>, drawn: Option<Drawn>, usage: Usage, tenant_id: TenantId) -> Result<CreditsFact, CreditsError> {
    let Usage { reference, provider, unit_value } = usage;
    only(unit_value.is_none_or(Money::is_positive), CreditsError::UnitValueInvalid)?;
    let given: i64 = parts.iter().filter(|part| part.kind() == LotKind::Promo).map(|part| part.units).sum();
    let promo = match unit_value.filter(|_| given > 0) {
        Some(value) => {
            let minor = value.minor() * i128::from(given);
            Some(Money::try_from_minor(minor, value.currency()).map_err(|_| CreditsError::UnitValueInvalid)?)
        }
        None => None,
    };
    let legs = match provider {
        Provider::Platform => Vec::new(),
        Provider::Tenant => {
            only(given == 0 || promo.is_some(), CreditsError::UnitValueMissing)?;
            let values = parts.iter().filter_map(|part| part.worth).map(|worth| worth.value).chain(promo);
            let owner_id = PartyId(tenant_id.0);
            legs(values, |currency| WalletOwner { owner_type: OwnerType::Tenant, owner_id, currency })
        }
    };
    Ok(CreditsFact::Consumed { units, parts, drawn, reference, provider, promo, legs })
}

/// One leg per currency; none of zero (MNY-02). A sum that no wallet could take in one is split.
fn legs(amounts: impl Iterator<Item = Money>, taker: impl Fn(Currency) -> WalletOwner) -> Vec<CreditsLeg> {
    let mut sums = BTreeMap::<Currency, Vec<Money>>::new();
    for amount in amounts.filter(|amount| !amount.is_zero()) {
        let pieces = sums.entry(amount.currency()).or_default();
        match pieces.last_mut().map(|last| last.try_add(amount).map(|sum| *last = sum)) {
            Some(Ok(())) => {}
            Some(Err(_)) | None => pieces.push(amount),
        }
    }
    let amounts = sums.into_values().flatten();
    (0..).zip(amounts).map(|(leg, amount)| CreditsLeg { leg, to: taker(amount.currency()), amount }).collect()
}

/// Capabilities are checked at the HTTP edge; here is asked only in which role somebody acts.
fn may(command: &CreditsCommand, actor: &Actor) -> Result<(), CreditsError> {
    let staff = actor.is_platform() || actor.is_tenant_staff();
    let permitted = match command {
        CreditsCommand::Sell(_) | CreditsCommand::MeetDeadline { .. } => actor.is_system(),
        CreditsCommand::Issue { .. } | CreditsCommand::Revoke { .. } => staff,
        CreditsCommand::Consume { .. }
        | CreditsCommand::Reserve { .. }
        | CreditsCommand::ConsumeReserved { .. }
        | CreditsCommand::Release { .. } => staff || actor.is_system() || actor.roles.contains(&Role::Service),
    };
    only(permitted, CreditsError::NotPermitted)
}

fn units_of(command: &CreditsCommand) -> Option<i64> {
    match command {
        CreditsCommand::Issue { units, .. }
        | CreditsCommand::Sell(Sale { units, .. })
        | CreditsCommand::Consume { units, .. }
        | CreditsCommand::Reserve { units, .. }
        | CreditsCommand::ConsumeReserved { units, .. }
        | CreditsCommand::Revoke { units, .. } => Some(*units),
        CreditsCommand::Release { .. } | CreditsCommand::MeetDeadline { .. } => None,
    }
}

fn owner_of(command: &CreditsCommand) -> Option<CreditsOwner> {
    match command {
        CreditsCommand::Issue { owner, .. }
        | CreditsCommand::Sell(Sale { owner, .. })
        | CreditsCommand::Consume { owner, .. }
        | CreditsCommand::Reserve { owner, .. }
        | CreditsCommand::ConsumeReserved { owner, .. }
        | CreditsCommand::Release { owner, .. }
        | CreditsCommand::Revoke { owner, .. } => Some(*owner),
        CreditsCommand::MeetDeadline { .. } => None,
    }
}

fn only(holds: bool, otherwise: CreditsError) -> Result<(), CreditsError> {
    if holds { Ok(()) } else { Err(otherwise) }
}
