//! What the read model shows of credits (LED-23, LED-24).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use chrono::TimeDelta;
use holdfast_domain::credits::{CreditsEvent, CreditsFact, CreditsOwner, LotPart, Reference};
use holdfast_domain::kernel::{LotId, ReservationId};
use holdfast_domain::wallet::OwnerType;
use holdfast_projections::credits::{self, EntryFilter, EntryKind};
use holdfast_projections::query::Page;
use support::{History, PAYER, party, tenant, with};
use uuid::Uuid;

const LOT: LotId = LotId(Uuid::from_u128(0x10));
const RESERVATION: ReservationId = ReservationId(Uuid::from_u128(0x11));

#[tokio::test]
async fn balances_follow_the_questions_clock_and_entries_say_what_came_and_went() {
    // LED-06, LED-07, LED-08.
    // LED-23, LED-24, MNY-54
    with(|database| async move {
        let mut history = History::new(tenant(0x5));
        let owner = CreditsOwner { owner_type: OwnerType::User, owner_id: party(PAYER) };
        let start = history.now();
        let expires_at = Some(start + TimeDelta::days(10));
        let part = |units, left| LotPart { lot_id: LOT, number: 1, units, worth: None, expires_at, left };
        let reference = Reference { ref_type: "campaign".to_owned(), ref_id: Uuid::from_u128(7) };
        let facts = [
            CreditsFact::Issued { lot_id: LOT, number: 1, units: 100, expires_at, reason: "welcome".to_owned() },
            CreditsFact::Reserved {
                reservation_id: RESERVATION,
                units: 30,
                until: start + TimeDelta::days(20),
                reference,
                parts: vec![part(30, 70)],
            },
            CreditsFact::Revoked { units: 5, parts: vec![part(5, 65)], reason: "mistake".to_owned(), legs: vec![] },
            CreditsFact::Expired { part: part(65, 0) },
            CreditsFact::Released { reservation_id: RESERVATION, by_deadline: true, returned: vec![], expired: vec![part(30, 0)] },
        ];
        let id = owner.credits_id(history.tenant).uuid();
        for fact in &facts[..3] {
            history.push("credits", id, &CreditsEvent { owner, at: history.now(), fact: fact.clone() });
        }
        database.project(&history, 2).await;
        let pool = database.reader().await;
        let tenant_id = history.tenant;
        let balance = async |days| credits::balance(&pool, tenant_id, owner, start + TimeDelta::days(days)).await.unwrap().value;
        let now = balance(0).await;
        assert_eq!((now.available.total, now.expiring_soon.total, now.reserved.total), (65, 65, 30));
        assert_eq!((now.lots[0].units, now.reservations[0].units, now.reservations[0].ref_type.as_str()), (65, 30, "campaign"));
        let later = balance(10).await;
        assert_eq!((later.available.total, later.reserved.total, later.lots.len()), (0, 30, 0), "expired, not swept, still reserved");
        let nobody = CreditsOwner { owner_id: party(0x99), ..owner };
        let none = credits::balance(&pool, tenant_id, nobody, start).await.unwrap().value;
        assert_eq!((none.available.total, none.reservations.len()), (0, 0));

        for fact in &facts[3..] {
            history.push("credits", id, &CreditsEvent { owner, at: history.now(), fact: fact.clone() });
        }
        database.project(&history, 2).await;
        let entries =
            async |filter: EntryFilter, page: Page| credits::entries(&pool, tenant_id, owner, &filter, &page).await.unwrap().value;
        let all = entries(EntryFilter::default(), Page::default()).await.items;
        let kinds: Vec<_> = all.iter().rev().map(|entry| (entry.kind.as_str(), entry.units)).collect();
        assert_eq!(kinds, [("issue", 100), ("reserve", 30), ("revoke", 5), ("expire", 65), ("expire", 30)]);
        let expired = entries(EntryFilter { kind: Some(EntryKind::Expire), ..EntryFilter::default() }, Page::default()).await.items;
        assert_eq!(expired.len(), 2);
        let first = entries(EntryFilter::default(), Page::try_new(Some(2), None).unwrap()).await;
        let rest = entries(EntryFilter::default(), Page::try_new(Some(200), first.next_cursor).unwrap()).await;
        assert_eq!([first.items, rest.items].concat(), all);
        assert_eq!(balance(0).await.available.total, 0);
    })
    .await;
}
