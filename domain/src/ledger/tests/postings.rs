//! Every posting to the cent, by its row of the chart's postings or its money case.

use super::books::Books;
use super::samples::*;
use crate::credits::Provider;
use crate::escrow::{LegParty, MoneySource};
use crate::event::AnyEvent;
use crate::ledger::{Side, post};
use crate::wallet::{OwnerType, Place};

/// `Dr L200 100.00` per line; `L299` with its leg, other accounts with their detail when it is a word.
fn lines(event: &AnyEvent) -> Vec<String> {
    let own = origin(event).event_id().0;
    let entry = post(&origin(event), event).unwrap();
    let mut lines = Vec::new();
    for line in entry.iter().flat_map(|entry| entry.lines()) {
        let side = if line.side == Side::Debit { "Dr" } else { "Cr" };
        let account = &line.account;
        let dimension = match account.owner_id {
            None => String::new(),
            Some(id) if id == own => format!("{{own,{}}}", account.detail),
            Some(id) if id == GIVEN.event_id.0 => format!("{{given,{}}}", account.detail),
            Some(id) if account.detail == LOT.to_string() => format!("{{{},lot}}", name(id)),
            Some(id) if account.detail == HOLD.to_string() => format!("{{{},hold}}", name(id)),
            Some(id) if account.detail.is_empty() => format!("{{{}}}", name(id)),
            Some(id) => format!("{{{},{}}}", name(id), account.detail),
        };
        lines.push(format!("{side} {}{dimension} {}", account.code.code(), line.amount.amount()));
    }
    lines
}

fn name(id: uuid::Uuid) -> &'static str {
    match id {
        id if id == STREAM => "stream",
        id if id == PAYER.0 => "payer",
        id if id == PAYEE.0 => "payee",
        id if id == TENANT.0 => "tenant",
        id if id == RESERVATION.0 => "reservation",
        _ => "?",
    }
}

#[test]
fn row_1_and_28_money_arrives_at_the_bank() {
    assert_eq!(lines(&receipt("10000.00", Some(PAYER))), ["Dr A110 10000.00", "Cr L299{own,0} 10000.00"]);
    assert_eq!(lines(&receipt("50.00", None)), ["Dr A110 50.00", "Cr L205{stream} 50.00"]);
    assert_eq!(lines(&assigned("50.00")), ["Dr L205{stream} 50.00", "Cr L299{own,0} 50.00"]);
}

#[test]
fn row_2_an_escrow_is_funded_by_what_each_wallet_gives() {
    // MNY-07, MNY-10: two holds, the second with more than is missing; a hold that is not needed gives nothing.
    let parts = vec![part(0, "6000.00", "6000.00"), part(1, "5000.00", "4000.00"), part(2, "7.00", "0.00")];
    assert_eq!(lines(&funded("10000.00", parts)), ["Dr L299{own,0} 6000.00", "Dr L299{own,1} 4000.00", "Cr L210{stream} 10000.00"]);
}

#[test]
fn row_4_a_release_pays_payee_tenant_platform_and_tax() {
    // LED-43.
    // MNY-04: 10,000 at 9000/800/200 with 18 % on the fees.
    let legs = vec![
        leg(0, LegParty::Payee(PAYEE), "8820.00"),
        leg(1, LegParty::Tenant, "944.00"),
        leg(2, LegParty::Platform, "200.00"),
        leg(3, LegParty::Tax, "36.00"),
    ];
    let expected = ["Dr L210{stream} 10000.00", "Cr L299{own,0} 8820.00", "Cr L299{own,1} 944.00", "Cr R400 200.00", "Cr L260 36.00"];
    assert_eq!(lines(&released(MoneySource::Open, "10000.00", legs)), expected);
}

#[test]
fn row_4b_what_is_withheld_is_owed_to_the_tax_office() {
    let legs = vec![
        leg(0, LegParty::Payee(PAYEE), "8770.00"),
        leg(1, LegParty::Tenant, "944.00"),
        leg(2, LegParty::Platform, "200.00"),
        leg(3, LegParty::Tax, "36.00"),
        leg(4, LegParty::Withholding, "50.00"),
    ];
    let posted = lines(&released(MoneySource::Open, "10000.00", legs));
    assert_eq!((posted[1].as_str(), posted[5].as_str()), ("Cr L299{own,0} 8770.00", "Cr L266 50.00"));
}

#[test]
fn mny_23_a_partial_release_pays_the_same_parties_their_part() {
    // LED-44.
    let legs = vec![
        leg(0, LegParty::Payee(PAYEE), "2940.00"),
        leg(1, LegParty::Tenant, "314.66"),
        leg(2, LegParty::Platform, "66.67"),
        leg(3, LegParty::Tax, "12.00"),
    ];
    let expected = ["Dr L210{stream} 3333.33", "Cr L299{own,0} 2940.00", "Cr L299{own,1} 314.66", "Cr R400 66.67", "Cr L260 12.00"];
    assert_eq!(lines(&partially_released("3333.33", legs)), expected);
}

#[test]
fn row_5_and_mny_24_a_payees_money_is_pending_and_clears() {
    assert_eq!(lines(&wallet(OwnerType::Talent, credited("8820.00", pending()))), ["Dr L299{given,3} 8820.00", "Cr L220{payee,1} 8820.00"]);
    let cleared = |to| crate::wallet::WalletFact::Cleared { item: 1, amount: eur("8820.00"), to };
    assert_eq!(lines(&wallet(OwnerType::Talent, cleared(Place::Available))), ["Dr L220{payee,1} 8820.00", "Cr L225{payee} 8820.00"]);
    assert_eq!(lines(&wallet(OwnerType::Talent, cleared(Place::Freeze))), ["Dr L220{payee,1} 8820.00", "Cr L226{payee,freeze} 8820.00"]);
}

#[test]
fn row_6b_a_refund_goes_back_to_the_payers_wallet() {
    // LED-45.
    // MNY-16
    assert_eq!(lines(&refunded(MoneySource::Open, "12.34")), ["Dr L210{stream} 12.34", "Cr L299{own,0} 12.34"]);
    assert_eq!(lines(&refunded(MoneySource::Contested, "12.34")), ["Dr L215{stream} 12.34", "Cr L299{own,0} 12.34"]);
    assert_eq!(lines(&wallet(OwnerType::User, credited("12.34", Place::Available))), ["Dr L299{given,3} 12.34", "Cr L200{payer} 12.34"]);
}

#[test]
fn row_8_a_dispute_sets_the_contested_part_apart_until_it_is_decided() {
    // MNY-25, MNY-26, MNY-31, MNY-32
    let away = |amount: &str| [format!("Dr L210{{stream}} {amount}"), format!("Cr L215{{stream}} {amount}")];
    let back = |amount: &str| [format!("Dr L215{{stream}} {amount}"), format!("Cr L210{{stream}} {amount}")];
    assert_eq!(lines(&disputed("4000.00")), away("4000.00"));
    assert_eq!(lines(&widened("1.00")), away("1.00"));
    assert_eq!(lines(&redo("4001.00")), back("4001.00"));
    assert_eq!(lines(&dismissed("4001.00")), back("4001.00"));
}

#[test]
fn row_9_and_mny_29_a_decision_divides_the_contested_money() {
    // Contested 4,000: refund 1,500, penalty 500 to the payer, 2,000 released with its fees.
    let legs = vec![
        leg(0, LegParty::Payee(PAYEE), "1764.00"),
        leg(1, LegParty::Tenant, "188.80"),
        leg(2, LegParty::Platform, "40.00"),
        leg(3, LegParty::Tax, "7.20"),
    ];
    let expected = ["Dr L215{stream} 2000.00", "Cr L299{own,0} 1764.00", "Cr L299{own,1} 188.80", "Cr R400 40.00", "Cr L260 7.20"];
    assert_eq!(lines(&released(MoneySource::Contested, "2000.00", legs)), expected);
    assert_eq!(lines(&refunded(MoneySource::Contested, "1500.00"))[0], "Dr L215{stream} 1500.00");
}

#[test]
fn mny_30_a_penalty_goes_to_its_beneficiary_and_is_revenue_only_for_the_platform() {
    // LED-46.
    for party in [LegParty::Payer(PAYER), LegParty::Payee(PAYEE), LegParty::Tenant] {
        assert_eq!(lines(&penalty("500.00", party)), ["Dr L215{stream} 500.00", "Cr L299{own,0} 500.00"]);
    }
    assert_eq!(lines(&penalty("500.00", LegParty::Platform)), ["Dr L215{stream} 500.00", "Cr R470 500.00"]);
}

#[test]
fn mny_07_a_hold_is_placed_captured_and_lifted_on_the_owners_accounts() {
    for (owner, available, held) in [
        (OwnerType::User, "L200{payer}", "L202{payer,hold}"),
        (OwnerType::Talent, "L225{payee}", "L226{payee,hold}"),
        (OwnerType::Tenant, "L240{tenant}", "L241{tenant,hold}"),
    ] {
        let posted = |fact| lines(&wallet(owner, fact));
        assert_eq!(posted(hold_placed("100.00")), [format!("Dr {available} 100.00"), format!("Cr {held} 100.00")]);
        assert_eq!(posted(hold_lifted("100.00", Place::Available)), [format!("Dr {held} 100.00"), format!("Cr {available} 100.00")]);
        assert_eq!(
            posted(hold_captured("60.00", "40.00", Place::Available)),
            [format!("Dr {held} 60.00"), "Cr L299{given,3} 60.00".to_owned(), format!("Dr {held} 40.00"), format!("Cr {available} 40.00")]
        );
        let whole = posted(hold_captured("100.00", "0.00", Place::Available));
        assert_eq!(whole, [format!("Dr {held} 100.00"), "Cr L299{given,3} 100.00".to_owned()]);
    }
}

#[test]
fn mny_51_a_freeze_is_a_hold_of_its_own() {
    for (owner, available, freeze, hold) in [
        (OwnerType::User, "L200{payer}", "L202{payer,freeze}", "L202{payer,hold}"),
        (OwnerType::Talent, "L225{payee}", "L226{payee,freeze}", "L226{payee,hold}"),
        (OwnerType::Tenant, "L240{tenant}", "L241{tenant,freeze}", "L241{tenant,hold}"),
    ] {
        let posted = |fact| lines(&wallet(owner, fact));
        assert_eq!(posted(frozen("9.00")), [format!("Dr {available} 9.00"), format!("Cr {freeze} 9.00")]);
        assert_eq!(posted(unfrozen("9.00")), [format!("Dr {freeze} 9.00"), format!("Cr {available} 9.00")]);
        assert_eq!(posted(credited("9.00", Place::Freeze)), ["Dr L299{given,3} 9.00".to_owned(), format!("Cr {freeze} 9.00")]);
        assert_eq!(posted(credited("9.00", Place::Available))[1], format!("Cr {available} 9.00"));
        assert_eq!(posted(hold_lifted("9.00", Place::Freeze)), [format!("Dr {hold} 9.00"), format!("Cr {freeze} 9.00")]);
        assert_eq!(posted(hold_captured("4.00", "5.00", Place::Freeze))[3], format!("Cr {freeze} 5.00"));
    }
}

#[test]
fn led_57_a_transfer_leaves_by_transit() {
    assert_eq!(lines(&wallet(OwnerType::Tenant, debited("3.00"))), ["Dr L240{tenant} 3.00", "Cr L299{own,0} 3.00"]);
}

#[test]
fn row_15_credits_are_paid_from_transit_and_owed_until_they_are_used() {
    assert_eq!(
        lines(&credits_sold("1000.00", "180.00")),
        ["Dr L299{given,3} 1000.00", "Cr L270{payer,lot} 1000.00", "Dr L299{given,3} 180.00", "Cr L260 180.00"]
    );
    assert_eq!(lines(&credits_sold("1000.00", "0.00")), ["Dr L299{given,3} 1000.00", "Cr L270{payer,lot} 1000.00"]);
}

#[test]
fn row_16_used_credits_are_earned_or_owed_to_the_tenant() {
    // LED-56.
    let used = |provider| lines(&credits_consumed(vec![sold_part(300, "300.00")], false, provider, None));
    assert_eq!(used(Provider::Platform), ["Dr L270{payer,lot} 300.00", "Cr R430 300.00"]);
    assert_eq!(used(Provider::Tenant), ["Dr L270{payer,lot} 300.00", "Cr L299{own,0} 300.00"]);
}

#[test]
fn row_17_expired_credits_are_breakage() {
    assert_eq!(lines(&credits_expired(sold_part(200, "200.00"))), ["Dr L270{payer,lot} 200.00", "Cr R440 200.00"]);
    let given = credits_expired(promo_part(200));
    assert_eq!(post(&origin(&given), &given).unwrap(), None);
}

#[test]
fn row_18_given_credits_are_units_only_until_they_are_used() {
    // MNY-53: for the platform's own service they net to zero, for the tenant's the platform brings money of its own.
    let used = |provider| lines(&credits_consumed(vec![promo_part(100)], false, provider, Some("100.00")));
    assert_eq!(used(Provider::Platform), ["Dr X530 100.00", "Cr R430 100.00"]);
    assert_eq!(used(Provider::Tenant), ["Dr X530 100.00", "Dr A110 100.00", "Cr A120 100.00", "Cr L299{own,0} 100.00"]);
}

#[test]
fn row_22_and_mny_54_a_reservation_sets_the_same_lots_apart() {
    assert_eq!(lines(&credits_reserved("500.00")), ["Dr L270{payer,lot} 500.00", "Cr L272{reservation,lot} 500.00"]);
    let served = credits_consumed(vec![sold_part(1, "120.00")], true, Provider::Platform, None);
    assert_eq!(lines(&served), ["Dr L272{reservation,lot} 120.00", "Cr R430 120.00"]);
    let back = ["Dr L272{reservation,lot} 380.00", "Cr L270{payer,lot} 380.00"];
    assert_eq!(lines(&credits_released(vec![sold_part(1, "380.00")], vec![])), back);
    let expired = ["Dr L270{payer,lot} 380.00", "Cr R440 380.00"];
    assert_eq!(lines(&credits_released(vec![], vec![sold_part(1, "380.00")])), [back, expired].concat());
}

#[test]
fn mny_53_revoked_credits_that_were_sold_are_refunded_with_their_tax() {
    assert_eq!(
        lines(&credits_revoked(vec![taxed_part("100.00", "18.00")])),
        ["Dr L270{payer,lot} 100.00", "Dr L260 18.00", "Cr L299{own,0} 118.00"]
    );
}

#[test]
fn events_that_move_nothing_post_nothing() {
    for event in without_money() {
        assert_eq!(post(&origin(&event), &event).unwrap(), None, "{}", event.name());
    }
}

#[test]
fn an_event_whose_parts_do_not_add_up_is_never_booked() {
    // LED-60, LED-66.
    let refused = |event: AnyEvent| post(&origin(&event), &event).is_err();
    assert!(refused(funded("10.00", vec![part(0, "9.99", "9.99")])));
    assert!(refused(released(MoneySource::Open, "10.00", vec![leg(0, LegParty::Payee(PAYEE), "9.99")])));
    // Nobody could take this leg: it has no wallet and is not booked at once.
    let without_wallet = crate::escrow::Leg { wallet_id: None, ..leg(0, LegParty::Tenant, "10.00") };
    assert!(refused(released(MoneySource::Open, "10.00", vec![without_wallet])));
    assert!(refused(receipt("-1.00", Some(PAYER))));
}

#[test]
fn the_worked_example_from_receipt_to_close_leaves_nothing_in_transit() {
    let mut books = Books::default();
    let legs = vec![
        leg(0, LegParty::Payee(PAYEE), "8820.00"),
        leg(1, LegParty::Tenant, "944.00"),
        leg(2, LegParty::Platform, "200.00"),
        leg(3, LegParty::Tax, "36.00"),
    ];
    let mut sequence = 0;
    let mut book = |event: AnyEvent| {
        sequence += 1;
        let origin = crate::kernel::Origin { sequence, ..origin(&event) };
        books.book(&origin, &event);
        origin.event_id()
    };
    let landed = |event_id, leg, amount: &str, place, owner| {
        let purpose = crate::wallet::CreditPurpose::EscrowRelease { escrow_id: crate::kernel::EscrowId(STREAM) };
        let landing = crate::escrow::Landing { event_id, leg };
        wallet(owner, crate::wallet::WalletFact::Credited { amount: eur(amount), landing, to: place, purpose })
    };
    let arrived = book(receipt("10000.00", Some(PAYER)));
    book(landed(arrived, 0, "10000.00", Place::Available, OwnerType::User));
    book(wallet(OwnerType::User, hold_placed("10000.00")));
    let taken = book(funded("10000.00", vec![part(0, "10000.00", "10000.00")]));
    let landing = crate::escrow::Landing { event_id: taken, leg: 0 };
    let (captured, released_rest) = (eur("10000.00"), eur("0.00"));
    let capture =
        crate::wallet::WalletFact::HoldCaptured { hold_id: HOLD, captured, released: released_rest, landing, to: Place::Available };
    book(wallet(OwnerType::User, capture));
    let given = book(released(MoneySource::Open, "10000.00", legs));
    book(landed(given, 0, "8820.00", pending(), OwnerType::Talent));
    book(landed(given, 1, "944.00", Place::Available, OwnerType::Tenant));
    book(wallet(OwnerType::Talent, crate::wallet::WalletFact::Cleared { item: 1, amount: eur("8820.00"), to: Place::Available }));

    use crate::ledger::AccountCode::*;
    let eur = "EUR".parse().unwrap();
    let totals = [A110, L200, L202, L210, L220, L225, L240, L260, L299, R400].map(|code| books.total(code, eur));
    assert_eq!(totals, [1_000_000, 0, 0, 0, 0, 882_000, 94_400, 3_600, 0, 20_000]);
    assert!(books.open(L299).is_empty());
}
