//! Divisions to the cent: MNY-02..04, MNY-23, MNY-29.

use proptest::prelude::*;

use super::case::*;
use crate::escrow::{Decision, Entitlements, EscrowCommand, EscrowError, EscrowStatus};
use crate::kernel::{Currency, DomainError, Money};
use crate::tenant::{PenaltyBeneficiary, SplitPolicy, TaxPolicy, TenantSettings};

fn split_policy(payee_bp: u32, tenant_bp: u32, platform_bp: u32) -> SplitPolicy {
    SplitPolicy { payee_bp, tenant_bp, platform_bp }
}

const NO_TAX: TaxPolicy = TaxPolicy { fee_tax_bp: 0, tenant_registered: false, withholding_bp: 0 };

#[test]
fn ten_thousand_at_9000_800_200_with_18_percent() {
    // MNY-04
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let events = case.ok(&platform(), release_all());
    let expected = [("payee", "8820.00"), ("tenant", "944.00"), ("platform", "200.00"), ("tax", "36.00")];
    assert_eq!(legs(&events), expected.map(|(party, amount)| (party, amount.to_owned())));
}

#[test]
fn the_first_third_of_it() {
    // MNY-23
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let events = case.ok(&platform(), release_part("3333.33"));
    let expected = [("payee", "2940.00"), ("tenant", "314.66"), ("platform", "66.67"), ("tax", "12.00")];
    assert_eq!(legs(&events), expected.map(|(party, amount)| (party, amount.to_owned())));
    let events = case.ok(&platform(), release_all());
    let rest = [("payee", "5880.00"), ("tenant", "629.34"), ("platform", "133.33"), ("tax", "24.00")];
    assert_eq!(legs(&events), rest.map(|(party, amount)| (party, amount.to_owned())), "the last release gives what is left");
}

#[test]
fn four_thousand_contested_after_six_thousand_were_released() {
    // MNY-29, MNY-30
    let mut case = Case::with(|settings| settings.escrow.penalty.beneficiary = PenaltyBeneficiary::Platform).to(EscrowStatus::Releasable);
    case.ok(&platform(), release_part("6000"));
    case.ok(&payer(), contest(None));
    let events = case.ok(&platform(), split("2000", "1500", "500"));
    assert_eq!(names(&events), ["dispute_resolved", "released", "refunded", "penalty_taken"]);
    let expected = [("payee", "1764.00"), ("tenant", "188.80"), ("platform", "40.00"), ("tax", "7.20")];
    assert_eq!(legs(&events[..2]), expected.map(|(party, amount)| (party, amount.to_owned())));
    assert_eq!(legs(&events[..3]), [("payer", "1500.00".to_owned())]);
    assert_eq!(legs(&events), [("platform", "500.00".to_owned())]);
    case.is(EscrowStatus::ResolvedSplit, "0", "0");
}

#[test]
fn the_thousand_dollar_sponsorship() {
    // ESC-66, CNF-04: sponsor cash → escrow → organizer 950.00, platform 50.00
    let mut case = Case::created_with(TenantSettings::default(), eur("1000")).to(EscrowStatus::Releasable);
    let events = case.ok(&platform(), release_all());
    assert_eq!(legs(&events), [("payee", "950.00".to_owned()), ("platform", "50.00".to_owned())]);
    case.land_all();
    assert_eq!(case.escrow.status(), EscrowStatus::Closed);
}

#[test]
fn without_a_tenant_fee_the_payee_bears_the_tax_on_the_platforms() {
    // MNY-04, Y = 0
    let tax = TaxPolicy { fee_tax_bp: 1_800, tenant_registered: true, withholding_bp: 0 };
    let parts = Entitlements::of(eur("1000"), split_policy(9_500, 0, 500), tax).unwrap();
    assert_eq!(parts.as_array(), [94_100, 0, 5_000, 900, 0]);
}

#[test]
fn an_unregistered_tenant_charges_no_tax_but_bears_the_platforms() {
    // MNY-04
    let tax = TaxPolicy { fee_tax_bp: 1_800, tenant_registered: false, withholding_bp: 0 };
    let parts = Entitlements::of(eur("10000"), split_policy(9_000, 800, 200), tax).unwrap();
    assert_eq!(parts.as_array(), [900_000, 76_400, 20_000, 3_600, 0]);
}

#[test]
fn withholding_is_one_more_leg_from_the_payees() {
    // MNY-04, postings row 4b
    let tax = TaxPolicy { withholding_bp: 50, ..NO_TAX };
    let parts = Entitlements::of(eur("10000"), split_policy(9_000, 800, 200), tax).unwrap();
    assert_eq!(parts.as_array(), [895_000, 80_000, 20_000, 0, 5_000]);
}

#[test]
fn a_split_that_does_not_cover_its_taxes_is_refused_at_creation() {
    // MNY-04
    let mut settings = settings();
    settings.escrow.split = split_policy(9_000, 100, 900);
    settings.escrow.tax.tenant_registered = false;
    let refusal = Case::unopened(settings.clone()).refused(&tenant(), EscrowCommand::Create(Case::create(eur("10000"))));
    assert_eq!(refusal, EscrowError::SplitBelowTax { party: "tenant", missing: eur("62") });
    assert_eq!(refusal.describe().1, "SPLIT_BELOW_TAX");
    assert_eq!(refusal.details(), serde_json::json!({"party": "tenant", "missing": {"amount": "62.00", "currency": "EUR"}}));

    settings.escrow.split = split_policy(100, 0, 9_900);
    let refusal = Case::unopened(settings).refused(&tenant(), EscrowCommand::Create(Case::create(eur("10000"))));
    assert_eq!(refusal, EscrowError::SplitBelowTax { party: "payee", missing: eur("1682") });
}

#[test]
fn a_refund_shrinks_what_everybody_may_still_get() {
    // MNY-03
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("3333.33")));
    case.ok(&platform(), decide(Decision::Refund));
    let left: Vec<_> = case.escrow.shares().iter().map(|share| share.left.amount().to_string()).collect();
    assert_eq!(left, ["5880.00", "629.34", "133.33", "24.00", "0.00"]);
}

fn amount_in(minor: i128, currency: &str) -> Money {
    Money::try_from_minor(minor, currency.parse::<Currency>().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_partial_releases_of_7500_1900_600_end_at_the_one_shot_split(
        total in 1_i128..20_000,
        cuts in proptest::collection::vec(1_i128..400, 0..60),
        currency in prop::sample::select(vec!["JPY", "EUR", "KWD"]),
    ) {
        // MNY-03: down to one minor unit, in currencies of 0, 2 and 3 decimals. The model refuses negative legs.
        let mut tenant_settings = settings();
        tenant_settings.escrow.split = split_policy(7_500, 1_900, 600);
        tenant_settings.escrow.tax = NO_TAX;
        let once = Entitlements::of(amount_in(total, currency), split_policy(7_500, 1_900, 600), NO_TAX).unwrap();
        let mut case = Case::created_with(tenant_settings, amount_in(total, currency)).to(EscrowStatus::Releasable);
        for cut in cuts {
            let open = case.escrow.amounts().unwrap().open.minor();
            if open > 1 {
                let amount = amount_in(cut.min(open - 1), currency);
                case.ok(&platform(), EscrowCommand::ReleasePartial { amount, reason: None });
            }
        }
        case.ok(&platform(), release_all());
        let paid: Vec<_> = case.escrow.shares().iter().map(|share| share.released.minor()).collect();
        prop_assert_eq!(paid, once.as_array().to_vec());
    }

    #[test]
    fn entitlements_add_up_for_every_policy(
        minor in 1_i128..1_000_000_000_000_000, payee in 0_u32..=10_000, tenant_part in 0_u32..=10_000,
        fee_tax_bp in 0_u32..=10_000, withholding_bp in 0_u32..=10_000, tenant_registered: bool,
    ) {
        // MNY-04: they are the amount, or the escrow does not exist.
        let tenant_bp = (10_000 - payee) * tenant_part / 10_000;
        let tax = TaxPolicy { fee_tax_bp, tenant_registered, withholding_bp };
        match Entitlements::of(amount_in(minor, "EUR"), split_policy(payee, tenant_bp, 10_000 - payee - tenant_bp), tax) {
            Ok(parts) => {
                prop_assert_eq!(parts.total(), minor);
                prop_assert!(parts.as_array().iter().all(|part| *part >= 0));
            }
            Err(EscrowError::SplitBelowTax { missing, .. }) => prop_assert!(missing.is_positive()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
