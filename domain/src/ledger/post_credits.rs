//! The postings of credits (rows 15 to 18 of the chart's postings, MNY-53, MNY-54). Units of a promo lot are no money.

use crate::credits::{CreditsEvent, CreditsFact, CreditsLeg, CreditsOwner, LotPart, Provider, Worth};
use crate::kernel::{Money, Origin, ReservationId};
use crate::ledger::post::{Movement, credit, debit, own_leg};
use crate::ledger::{Account, AccountCode, JournalLine};

pub(super) fn credits(origin: &Origin, event: &CreditsEvent) -> Movement {
    let owner = event.owner;
    let of_tenant = Account::of_tenant;
    match &event.fact {
        // Row 15: paid from the wallet, so the price comes out of transit.
        CreditsFact::Sold { lot_id, worth, landing, .. } => Some((
            "credits_sold",
            vec![
                debit(Account::in_transit(*landing), worth.value),
                credit(Account::credits_deferred(owner, *lot_id), worth.value),
                debit(Account::in_transit(*landing), worth.tax),
                credit(of_tenant(AccountCode::L260), worth.tax),
            ],
        )),
        // Row 22, first part: the same lots, set apart.
        CreditsFact::Reserved { reservation_id, parts, .. } => Some((
            "credits_reserved",
            each(parts, |part, value| vec![debit(deferred(owner, part), value), credit(reserved(*reservation_id, part), value)]),
        )),
        // Row 22, last part; MNY-54: what has expired goes on to breakage*.
        CreditsFact::Released { reservation_id, returned, expired, .. } => {
            let back = |part: &LotPart, value| vec![debit(reserved(*reservation_id, part), value), credit(deferred(owner, part), value)];
            let mut lines = each(returned, back);
            lines.extend(each(expired, back));
            lines.extend(each(expired, |part, value| breakage(owner, part, value)));
            Some(("credits_released", lines))
        }
        // Row 16; row 18 for the units that were given.
        CreditsFact::Consumed { parts, drawn, provider, promo, legs, .. } => {
            let from = |part: &LotPart| match drawn {
                Some(drawn) => reserved(drawn.reservation_id, part),
                None => deferred(owner, part),
            };
            let mut lines = match provider {
                Provider::Platform => {
                    let mut lines = each(parts, |part, value| vec![debit(from(part), value), credit(of_tenant(AccountCode::R430), value)]);
                    lines.extend(promo.iter().flat_map(|value| contra(*value, of_tenant(AccountCode::R430))));
                    lines
                }
                // The tenant is paid from what was sold, and for what was given from the platform's own money: top-up.
                Provider::Tenant => {
                    let mut lines = each(parts, |part, value| vec![debit(from(part), value)]);
                    if let Some(value) = promo {
                        lines.push(debit(of_tenant(AccountCode::X530), *value));
                        lines.push(debit(of_tenant(AccountCode::A110), *value));
                        lines.push(credit(of_tenant(AccountCode::A120), *value));
                    }
                    lines
                }
            };
            lines.extend(given(origin, legs));
            Some(("credits_consumed", lines))
        }
        // MNY-53: a refund of what was sold, with its tax.
        CreditsFact::Revoked { parts, legs, .. } => {
            let mut lines = each(parts, |part, value| vec![debit(deferred(owner, part), value)]);
            lines.extend(parts.iter().filter_map(|part| part.worth).map(|worth| debit(of_tenant(AccountCode::L260), worth.tax)));
            lines.extend(given(origin, legs));
            Some(("credits_revoked", lines))
        }
        // Row 17*.
        CreditsFact::Expired { part } => {
            Some(("credits_expired", each(std::slice::from_ref(part), |part, value| breakage(owner, part, value))))
        }
        // Row 18: units only.
        CreditsFact::Issued { .. } => None,
    }
}

/// The lines of every part that was sold.
fn each(parts: &[LotPart], lines: impl Fn(&LotPart, Money) -> Vec<JournalLine>) -> Vec<JournalLine> {
    let sold = parts.iter().filter_map(|part| part.worth.map(|Worth { value, .. }| (part, value)));
    sold.flat_map(|(part, value)| lines(part, value)).collect()
}

fn deferred(owner: CreditsOwner, part: &LotPart) -> Account {
    Account::credits_deferred(owner, part.lot_id)
}

fn reserved(reservation_id: ReservationId, part: &LotPart) -> Account {
    Account::credits_reserved(reservation_id, part.lot_id)
}

fn breakage(owner: CreditsOwner, part: &LotPart, value: Money) -> Vec<JournalLine> {
    vec![debit(deferred(owner, part), value), credit(Account::of_tenant(AccountCode::R440), value)]
}

fn contra(value: Money, revenue: Account) -> [JournalLine; 2] {
    [debit(Account::of_tenant(AccountCode::X530), value), credit(revenue, value)]
}

fn given<'a>(origin: &'a Origin, legs: &'a [CreditsLeg]) -> impl Iterator<Item = JournalLine> + 'a {
    legs.iter().map(|leg| credit(Account::in_transit(own_leg(origin, leg.leg)), leg.amount))
}
