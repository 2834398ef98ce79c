//! State and how events change it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credits::{CreditsCommand, CreditsError, CreditsEvent, CreditsFact, CreditsOwner, LotKind, LotPart, Reference, Worth};
use crate::escrow::Landing;
use crate::kernel::{Claim, Context, Currency, LotId, ReservationId, TenantAggregate};
use crate::wallet::Recent;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credits {
    pub(super) owner: Option<CreditsOwner>,
    version: i64,
    pub(super) last_lot: u32,
    /// Lots with units that nobody has reserved.
    pub(super) lots: BTreeMap<LotId, Lot>,
    pub(super) reservations: BTreeMap<ReservationId, Reservation>,
    /// Money in transit that was booked here.
    pub(super) landings: Recent<Landing>,
    pub(super) ended_reservations: Recent<ReservationId>,
}

/// What is unreserved of one lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lot {
    pub(super) number: u32,
    pub(super) units: i64,
    /// None: a promo lot.
    pub(super) worth: Option<Worth>,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reservation {
    pub(super) until: DateTime<Utc>,
    /// As it was asked for, to know a repetition.
    pub(super) asked: i64,
    pub(super) reference: Reference,
    /// In the order in which they are consumed; `left` is of no meaning here.
    pub(super) parts: Vec<LotPart>,
}

/// Units by kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Units {
    pub promo: i64,
    pub sold: i64,
}

impl Units {
    #[must_use]
    pub fn total(self) -> i64 {
        self.promo + self.sold
    }

    fn add(&mut self, kind: LotKind, units: i64) {
        match kind {
            LotKind::Promo => self.promo += units,
            LotKind::Sold => self.sold += units,
        }
    }
}

/// What sold units stand for in the books, in minor units: `deferred` on L270, `reserved` on L272 (MNY-56).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Liability {
    pub deferred: i128,
    pub reserved: i128,
}

impl Credits {
    /// None before the first event.
    #[must_use]
    pub fn owner(&self) -> Option<CreditsOwner> {
        self.owner
    }

    /// How many events it is made of.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Unreserved and not expired: what can be spent at that instant, swept or not.
    #[must_use]
    pub fn spendable(&self, now: DateTime<Utc>) -> Units {
        self.sum(|lot| lot.expires_at.is_none_or(|at| at > now))
    }

    /// The part of [`Credits::spendable`] that will have expired at `then`.
    #[must_use]
    pub fn expiring(&self, now: DateTime<Utc>, then: DateTime<Utc>) -> Units {
        self.sum(|lot| lot.expires_at.is_some_and(|at| at > now && at <= then))
    }

    /// The lots behind [`Credits::spendable`], in the order in which they are consumed: soonest expiry first, then given
    /// before sold, then older (MNY-53). `units` are all that is left.
    #[must_use]
    pub fn lots(&self, now: DateTime<Utc>) -> Vec<LotPart> {
        let mut lots: Vec<(&LotId, &Lot)> = self.lots.iter().filter(|(_, lot)| lot.expires_at.is_none_or(|at| at > now)).collect();
        lots.sort_by_key(|(_, lot)| (lot.expires_at.is_none(), lot.expires_at, lot.kind(), lot.number));
        lots.into_iter().map(|(lot_id, lot)| lot.part(*lot_id, lot.units)).collect()
    }

    /// The open reservations: id, end, what for, and the units that each still holds.
    pub fn reservations(&self) -> impl Iterator<Item = (ReservationId, DateTime<Utc>, &Reference, i64)> {
        self.reservations.iter().map(|(id, held)| (*id, held.until, &held.reference, held.parts.iter().map(|part| part.units).sum()))
    }

    /// Units in reservations, also of lots that have expired meanwhile (MNY-54).
    #[must_use]
    pub fn reserved(&self) -> Units {
        let mut units = Units::default();
        for part in self.reservations.values().flat_map(|reservation| &reservation.parts) {
            units.add(part.kind(), part.units);
        }
        units
    }

    /// What the books must say about the sold lots of this owner.
    #[must_use]
    pub fn liability(&self) -> BTreeMap<Currency, Liability> {
        let mut sums = BTreeMap::<Currency, Liability>::new();
        for worth in self.lots.values().filter_map(|lot| lot.worth) {
            sums.entry(worth.value.currency()).or_default().deferred += worth.value.minor();
        }
        for worth in self.reservations.values().flat_map(|reservation| &reservation.parts).filter_map(|part| part.worth) {
            sums.entry(worth.value.currency()).or_default().reserved += worth.value.minor();
        }
        sums
    }

    fn sum(&self, counts: impl Fn(&Lot) -> bool) -> Units {
        let mut units = Units::default();
        for lot in self.lots.values().filter(|lot| counts(lot)) {
            units.add(lot.kind(), lot.units);
        }
        units
    }

    fn take(&mut self, parts: &[LotPart]) {
        for part in parts {
            let Some(lot) = self.lots.get_mut(&part.lot_id) else { continue };
            lot.units = part.left;
            lot.worth = lot.worth.zip(part.worth).map(|(whole, gone)| whole.minus(gone));
            if lot.units == 0 {
                self.lots.remove(&part.lot_id);
            }
        }
    }

    fn give_back(&mut self, parts: Vec<LotPart>) {
        for part in parts {
            let LotPart { lot_id, number, worth, expires_at, left, .. } = part;
            let lot = self.lots.entry(lot_id).or_insert(Lot { number, units: 0, worth: worth.map(|worth| worth.minus(worth)), expires_at });
            lot.units = left;
            lot.worth = lot.worth.zip(worth).map(|(rest, back)| rest.plus(back));
        }
    }

    fn draw(&mut self, reservation_id: ReservationId, parts: &[LotPart]) {
        let Some(reservation) = self.reservations.get_mut(&reservation_id) else { return };
        for gone in parts {
            if let Some(part) = reservation.parts.iter_mut().find(|part| part.lot_id == gone.lot_id) {
                part.units -= gone.units;
                part.worth = part.worth.zip(gone.worth).map(|(whole, gone)| whole.minus(gone));
            }
        }
        reservation.parts.retain(|part| part.units > 0);
        if reservation.parts.is_empty() {
            self.end(reservation_id);
        }
    }

    fn end(&mut self, reservation_id: ReservationId) {
        self.reservations.remove(&reservation_id);
        self.ended_reservations.add(reservation_id);
    }
}

impl Lot {
    pub(super) fn kind(&self) -> LotKind {
        if self.worth.is_some() { LotKind::Sold } else { LotKind::Promo }
    }

    pub(super) fn part(&self, lot_id: LotId, units: i64) -> LotPart {
        LotPart {
            lot_id,
            number: self.number,
            units,
            worth: self.worth.map(|worth| worth.of_units(units, self.units)),
            expires_at: self.expires_at,
            left: self.units - units,
        }
    }
}

impl cqrs_es::Aggregate for Credits {
    const TYPE: &'static str = "credits";
    type Command = CreditsCommand;
    type Event = CreditsEvent;
    type Error = CreditsError;
    type Services = Context;

    async fn handle(&mut self, command: CreditsCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), CreditsError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: CreditsEvent) {
        self.version += 1;
        self.owner = Some(event.owner);
        match event.fact {
            CreditsFact::Issued { lot_id, number, units, expires_at, .. } => {
                self.last_lot = number;
                self.lots.insert(lot_id, Lot { number, units, worth: None, expires_at });
            }
            CreditsFact::Sold { lot_id, number, units, worth, expires_at, landing, .. } => {
                self.last_lot = number;
                self.landings.add(landing);
                self.lots.insert(lot_id, Lot { number, units, worth: Some(worth), expires_at });
            }
            CreditsFact::Reserved { reservation_id, units, until, reference, parts } => {
                self.take(&parts);
                self.reservations.insert(reservation_id, Reservation { until, asked: units, reference, parts });
            }
            CreditsFact::Released { reservation_id, returned, .. } => {
                self.give_back(returned);
                self.end(reservation_id);
            }
            CreditsFact::Consumed { parts, drawn: Some(drawn), .. } => self.draw(drawn.reservation_id, &parts),
            CreditsFact::Consumed { parts, drawn: None, .. } | CreditsFact::Revoked { parts, .. } => self.take(&parts),
            CreditsFact::Expired { part } => self.take(&[part]),
        }
    }
}

impl TenantAggregate for Credits {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.owner.is_some()
    }

    fn status(&self) -> &'static str {
        if self.owner.is_some() { "open" } else { "unopened" }
    }

    /// Credits take no claims (their id is the unique thing), so this is not reached; the answer is right all the same.
    fn claim_taken(claim: &Claim, _holder: Uuid) -> CreditsError {
        CreditsError::ClaimTaken { kind: claim.kind }
    }
}
