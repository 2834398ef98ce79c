//! Milestones and the one division of their total (CTR-07, CTR-26, MNY-03, MNY-06).

use proptest::prelude::*;
use uuid::Uuid;

use super::case::*;
use crate::contract::*;
use crate::escrow::Entitlements;
use crate::kernel::*;
use crate::tenant::{SplitPolicy, TaxPolicy, TenantSettings};

fn with_milestones(context: Context, milestones: Vec<NewMilestone>) -> Result<Vec<ContractEvent>, ContractError> {
    Case::default().decide(context, ContractCommand::Create(Box::new(CreateContract { milestones, ..create() })))
}

fn settings(split: [u32; 3], tax: TaxPolicy) -> Context {
    let mut settings = TenantSettings::default();
    settings.escrow.split = SplitPolicy { payee_bp: split[0], tenant_bp: split[1], platform_bp: split[2] };
    settings.escrow.tax = tax;
    context(staff().actor, settings)
}

fn shares(events: &[ContractEvent]) -> Vec<Entitlements> {
    let ContractFact::Created { milestones, .. } = &events[0].fact else { panic!() };
    milestones.iter().map(|milestone| milestone.share.entitlements).collect()
}

#[test]
fn milestones_take_their_parts_of_one_division_in_their_order() {
    // MNY-03: alone, 3.33 and 3.34 at 75/19/6 would be divided to other cents than as parts of 10.00.
    let context = settings([7_500, 1_900, 600], TaxPolicy::default());
    let milestones = ["3.33", "3.33", "3.34"].iter().zip(1..).map(|(amount, n)| milestone(n, amount)).collect();
    let parts = shares(&with_milestones(context, milestones).unwrap());
    let as_arrays: Vec<_> = parts.iter().map(|part| [part.payee, part.tenant, part.platform]).collect();
    assert_eq!(as_arrays, [[250, 63, 20], [250, 63, 20], [250, 64, 20]]);
}

proptest! {
    #[test]
    fn parts_of_all_milestones_add_up_to_the_one_division(
        amounts in proptest::collection::vec(1_i128..5_000_000, 1..12),
        payee_bp in 5_000_u32..=10_000,
        tenant_of_rest in 0_u32..=100,
        fee_tax_bp in 0_u32..3_000,
        tenant_registered in any::<bool>(),
        withholding_bp in 0_u32..2_000,
    ) {
        // MNY-03, MNY-04
        let tenant_bp = (10_000 - payee_bp) * tenant_of_rest / 100;
        let split = SplitPolicy { payee_bp, tenant_bp, platform_bp: 10_000 - payee_bp - tenant_bp };
        let tax = TaxPolicy { fee_tax_bp, tenant_registered, withholding_bp };
        let eur = |minor| Money::try_from_minor(minor, "EUR".parse().unwrap()).unwrap();
        let total = eur(amounts.iter().sum());
        let milestones: Vec<_> = amounts.iter().zip(1..).map(|(minor, n)| NewMilestone { amount: eur(*minor), ..milestone(n, "1") }).collect();
        let context = settings([split.payee_bp, split.tenant_bp, split.platform_bp], tax);
        let decided = with_milestones(context, milestones);
        let Ok(one_shot) = Entitlements::of(total, split, tax) else {
            prop_assert_eq!(decided.unwrap_err().describe().1, "SPLIT_BELOW_TAX");
            return Ok(());
        };
        let parts = shares(&decided.unwrap());
        for (part, amount) in parts.iter().zip(&amounts) {
            prop_assert_eq!(part.total(), *amount, "each milestone's escrow is divided without remainder");
            prop_assert!(part.as_array().iter().all(|minor| *minor >= 0));
        }
        for (rank, whole) in one_shot.as_array().into_iter().enumerate() {
            prop_assert_eq!(parts.iter().map(|part| part.as_array()[rank]).sum::<i128>(), whole);
        }
    }
}

#[test]
fn milestones_have_a_title_an_amount_and_one_currency() {
    let code = |milestones| with_milestones(staff(), milestones).unwrap_err();
    let dollars = NewMilestone { amount: Money::try_new(1.into(), "USD".parse().unwrap()).unwrap(), ..milestone(2, "1") };
    assert_eq!(code(vec![milestone(1, "1"), dollars]), ContractError::CurrencyMismatch { seq: 2 });
    assert_eq!(code(vec![milestone(1, "0")]), ContractError::AmountInvalid { seq: 1 });
    assert_eq!(code(vec![NewMilestone { title: " ".to_owned(), ..milestone(1, "1") }]), ContractError::MilestoneTitleInvalid { seq: 1 });
    let most = "10000000000000";
    assert_eq!(code(vec![milestone(1, most), milestone(2, most)]), ContractError::AmountInvalid { seq: 2 });
    assert_eq!(code((0..101).map(|n| milestone(n, "1")).collect()), ContractError::TooManyMilestones);
    assert_eq!(code(vec![milestone(1, "1"), dollars_of(0)]).describe().1, "CURRENCY_MISMATCH");
}

fn dollars_of(amount: i64) -> NewMilestone {
    NewMilestone { amount: Money::try_new((amount + 1).into(), "USD".parse().unwrap()).unwrap(), ..milestone(9, "1") }
}

#[test]
fn a_milestone_of_a_signed_contract_is_reached_once() {
    // CTR-26
    let mut case = Case::in_status(ContractStatus::Signed);
    let milestone_id = MilestoneId(Uuid::from_u128(0x1001));
    let reach = |milestone_id| ContractCommand::ReachMilestone { milestone_id, evidence: Some(sealed("seen")) };
    let missing = MilestoneId(Uuid::from_u128(0x2000));
    assert_eq!(case.refused(staff(), reach(missing)), (ErrorKind::NotFound, "MILESTONE_NOT_FOUND"));
    assert_eq!(case.ok(staff(), reach(milestone_id)), ["contract.milestone_reached"]);
    assert_eq!(case.refused(staff(), reach(milestone_id)), (ErrorKind::Conflict, "MILESTONE_ALREADY_REACHED"));
    let contract = case.contract();
    assert_eq!(contract.milestone_status(contract.milestone(milestone_id).unwrap()), MilestoneStatus::Reached);
    case.ok(system(), ContractCommand::RecordEscrow { escrow_id: ESCROW, milestone_id: Some(milestone_id), mark: EscrowMark::Ended });
    let contract = case.contract();
    assert_eq!(contract.milestone_status(contract.milestone(milestone_id).unwrap()), MilestoneStatus::Settled);
}

#[test]
fn mny_06_milestones_stand_while_an_escrow_is_under_way() {
    let mut case = Case::in_status(ContractStatus::Draft);
    let edit = |milestones| ContractCommand::Edit { version: version(), milestones };
    let other = || Some(vec![milestone(7, "20")]);
    case.ok(system(), mark(ESCROW, EscrowMark::Created));
    let mut outdated = case.clone();
    outdated.ok(staff(), edit(other()));
    assert!(matches!(outdated.last(), ContractFact::Edited { outdated_escrows, .. } if *outdated_escrows == [ESCROW]));

    case.ok(system(), mark(ESCROW, EscrowMark::Underway));
    assert_eq!(case.refused(staff(), edit(other())), (ErrorKind::Conflict, "CONTRACT_HAS_ESCROW"));
    case.ok(staff(), edit(None));
    case.ok(system(), mark(ESCROW, EscrowMark::Ended));
    case.ok(staff(), edit(other()));
    assert_eq!(case.contract().milestones().len(), 1);
    assert_eq!(case.contract().milestones()[0].amount, eur("20"));
}

#[test]
fn milestones_of_a_void_contract_are_cancelled() {
    let case = Case::in_status(ContractStatus::Void);
    let contract = case.contract();
    assert_eq!(contract.milestone_status(&contract.milestones()[0]), MilestoneStatus::Cancelled);
}
