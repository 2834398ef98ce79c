//! Any history: no unit and no cent is lost, and the books say what the state says (MNY-53, MNY-54, MNY-56).

use std::collections::BTreeMap;

use cqrs_es::Aggregate as _;
use proptest::prelude::*;

use super::*;
use crate::event::AnyEvent;
use crate::kernel::Origin;
use crate::ledger::{Account, AccountCode, post};

#[derive(Debug, Clone)]
enum Step {
    Issue { units: i64, days: Option<i64> },
    Sell { units: i64, minor: i128, days: Option<i64> },
    Consume { units: i64, tenant: bool },
    Reserve { id: u128, units: i64, days: i64 },
    Draw { id: u128, units: i64, tenant: bool },
    Release { id: u128 },
    Revoke { units: i64, kind: Option<LotKind> },
    Wait { days: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let expiry = || proptest::option::weighted(0.7, 1_i64..20);
    let kind = prop_oneof![Just(None), Just(Some(LotKind::Promo)), Just(Some(LotKind::Sold))];
    prop_oneof![
        2 => (1_i64..50, expiry()).prop_map(|(units, days)| Step::Issue { units, days }),
        3 => (1_i64..50, 1_i128..10_000, expiry()).prop_map(|(units, minor, days)| Step::Sell { units, minor, days }),
        4 => (1_i64..60, any::<bool>()).prop_map(|(units, tenant)| Step::Consume { units, tenant }),
        3 => (0_u128..4, 1_i64..60, 1_i64..15).prop_map(|(id, units, days)| Step::Reserve { id, units, days }),
        3 => (0_u128..4, 1_i64..40, any::<bool>()).prop_map(|(id, units, tenant)| Step::Draw { id, units, tenant }),
        2 => (0_u128..4).prop_map(|id| Step::Release { id }),
        1 => (1_i64..60, kind).prop_map(|(units, kind)| Step::Revoke { units, kind }),
        3 => (1_i64..6).prop_map(|days| Step::Wait { days }),
    ]
}

/// The credits, their books and a pencil: units in, units out.
struct World {
    credits: Credits,
    now: DateTime<Utc>,
    balances: BTreeMap<Account, i128>,
    came: i64,
    went: i64,
    sales: u128,
    generation: BTreeMap<u128, u128>,
}

impl World {
    fn new() -> Self {
        let (credits, balances, generation) = (Credits::default(), BTreeMap::new(), BTreeMap::new());
        Self { credits, now: now(), balances, came: 0, went: 0, sales: 0, generation }
    }

    /// An id that is free again when its reservation is over.
    fn reservation(&self, id: u128) -> ReservationId {
        ReservationId(Uuid::from_u128(500 + id * 100_000 + self.generation.get(&id).copied().unwrap_or_default()))
    }

    fn execute(&mut self, context: Context, command: CreditsCommand) -> Option<CreditsError> {
        let events = match self.credits.decide(command.clone(), &at(self.now, context)) {
            Ok(events) => events,
            Err(error) => return Some(error),
        };
        for event in events {
            let spendable = self.credits.spendable(self.now).total();
            self.note(&event.fact, spendable);
            let any = AnyEvent::from(event.clone());
            let origin = Origin {
                tenant_id: TENANT,
                aggregate_type: Credits::TYPE,
                aggregate_id: OWNER.credits_id(TENANT).0,
                sequence: self.credits.version() + 1,
            };
            for line in post(&origin, &any).unwrap().iter().flat_map(|entry| entry.lines()) {
                let balance = self.balances.entry(line.account.clone()).or_default();
                *balance -= line.signed_minor();
                assert!(*balance >= 0 || !line.account.code.never_negative(), "{line:?} fell to {balance}");
            }
            self.credits.apply(event);
        }
        self.check();
        None
    }

    fn note(&mut self, fact: &CreditsFact, spendable: i64) {
        match fact {
            CreditsFact::Issued { units, .. } | CreditsFact::Sold { units, .. } => self.came += units,
            CreditsFact::Consumed { units, parts, drawn, .. } => {
                assert_eq!(parts.iter().map(|part| part.units).sum::<i64>(), *units);
                assert!(drawn.is_some() || *units <= spendable, "only what could be spent was spent");
                self.went += units;
            }
            CreditsFact::Revoked { units, .. } => {
                assert!(*units <= spendable);
                self.went += units;
            }
            CreditsFact::Expired { part } => self.went += part.units,
            CreditsFact::Released { expired, .. } => self.went += expired.iter().map(|part| part.units).sum::<i64>(),
            CreditsFact::Reserved { units, .. } => assert!(*units <= spendable),
        }
    }

    fn total(&self, code: AccountCode) -> i128 {
        self.balances.iter().filter(|(account, _)| account.code == code).map(|(_, balance)| balance).sum()
    }

    fn check(&self) {
        let unreserved: i64 = self.credits.lots.values().map(|lot| lot.units).sum();
        assert_eq!(unreserved + self.credits.reserved().total(), self.came - self.went, "no unit is lost");
        let liability = self.credits.liability().into_values().next().unwrap_or_default();
        assert_eq!((liability.deferred, liability.reserved), (self.total(AccountCode::L270), self.total(AccountCode::L272)));
        for (lot_id, lot) in &self.credits.lots {
            let value = lot.worth.map_or(0, |worth| worth.value.minor());
            assert!(lot.units > 0 && value >= 0);
            assert_eq!(self.balances.get(&Account::credits_deferred(OWNER, *lot_id)).copied().unwrap_or_default(), value);
        }
        assert_eq!(self.balances.values().sum::<i128>(), 0, "the whole book");
    }

    fn take(&mut self, step: Step) {
        let after = |world: &Self, days: i64| world.now + TimeDelta::days(days);
        let provider = |tenant| if tenant { Provider::Tenant } else { Provider::Platform };
        match step {
            Step::Issue { units, days } => {
                let expires_at = days.map(|days| after(self, days));
                assert_eq!(self.execute(staff(), issue(units, expires_at)), None);
            }
            Step::Sell { units, minor, days } => {
                self.sales += 1;
                let value = Money::try_from_minor(minor, eur("0").currency()).unwrap();
                let worth = Worth { value, tax: eur("0") };
                let expires_at = days.map(|days| after(self, days));
                let sale = CreditsCommand::Sell(Sale { units, worth, expires_at, landing: landing(self.sales), ..sale() });
                assert_eq!(self.execute(system(), sale.clone()), None);
                let version = self.credits.version();
                assert_eq!(self.execute(system(), sale), None);
                assert_eq!(self.credits.version(), version, "booked once");
            }
            Step::Consume { units, tenant } => {
                let enough = units <= self.credits.spendable(self.now).total();
                let usage = usage(provider(tenant), Some("0.10"));
                let refused = self.execute(service(), CreditsCommand::Consume { owner: OWNER, units, usage });
                assert_eq!(refused.is_none(), enough);
            }
            Step::Reserve { id, units, days } => {
                let (reservation_id, until) = (self.reservation(id), after(self, days));
                self.execute(service(), CreditsCommand::Reserve { owner: OWNER, reservation_id, units, until, reference: reference() });
            }
            Step::Draw { id, units, tenant } => {
                let (reservation_id, usage) = (self.reservation(id), usage(provider(tenant), Some("0.10")));
                self.execute(service(), CreditsCommand::ConsumeReserved { owner: OWNER, reservation_id, units, usage });
                self.renew(id);
            }
            Step::Release { id } => {
                self.execute(service(), CreditsCommand::Release { owner: OWNER, reservation_id: self.reservation(id) });
                self.renew(id);
            }
            Step::Revoke { units, kind } => {
                self.execute(staff(), revoke(units, kind));
            }
            Step::Wait { days } => self.wait(days),
        }
    }

    fn renew(&mut self, id: u128) {
        if self.credits.ended_reservations.contains(&self.reservation(id)) {
            *self.generation.entry(id).or_default() += 1;
        }
    }

    /// Deadlines run late and in any order; what has expired cannot be spent before.
    fn wait(&mut self, days: i64) {
        self.now += TimeDelta::days(days);
        let now = self.now;
        let lots: Vec<_> = self.credits.lots.iter().filter_map(|(id, lot)| Some((format!("expire:{id}"), lot.expires_at?))).collect();
        let ends: Vec<_> = self.credits.reservations.iter().map(|(id, held)| (format!("reservation:{id}"), held.until)).collect();
        for (key, due) in ends.into_iter().chain(lots).filter(|(_, due)| *due <= now) {
            assert_eq!(self.execute(system(), meet(key, due)), None);
        }
        (0..4).for_each(|id| self.renew(id));
        let expired = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
        assert!(!self.credits.lots.values().any(|lot| expired(lot.expires_at)), "every lot was swept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_unit_and_no_cent_is_lost(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }
}
