//! The rules of `docs/domain/bank_receipt.md`, one sentence each.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::*;
use crate::kernel::{Actor, ActorKind, Claim, Context, DomainError, ErrorKind, EscrowId, Money, PartyId, Role, TenantAggregate, TenantId};
use crate::tenant::TenantSettings;

const PAYER: PartyId = PartyId(Uuid::from_u128(4));
const ESCROW: EscrowId = EscrowId(Uuid::from_u128(5));

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn by(kind: ActorKind, role: Role) -> Context {
    let actor = Actor { id: PartyId(Uuid::from_u128(3)), kind, roles: [role].into(), amount_limits: Vec::new() };
    Context { tenant_id: TenantId(Uuid::from_u128(1)), actor, now: now(), settings: Arc::new(TenantSettings::default()) }
}

fn platform() -> Context {
    by(ActorKind::User, Role::PlatformFinance)
}

fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

fn record(amount: &str, payer_id: Option<PartyId>, escrow_id: Option<EscrowId>) -> BankReceiptCommand {
    let bank_reference = "REF-1".to_owned();
    BankReceiptCommand::Record { bank_reference, amount: eur(amount), received_at: now(), payer_id, escrow_id, remitter: None }
}

fn recorded(amount: &str, payer_id: Option<PartyId>, escrow_id: Option<EscrowId>) -> BankReceiptEvent {
    let bank_reference = "REF-1".to_owned();
    BankReceiptEvent::Recorded { bank_reference, amount: eur(amount), received_at: now(), payer_id, escrow_id, remitter: None }
}

fn assign() -> BankReceiptCommand {
    BankReceiptCommand::Assign { payer_id: PAYER, escrow_id: Some(ESCROW) }
}

fn assigned(amount: &str) -> BankReceiptEvent {
    BankReceiptEvent::Assigned { amount: eur(amount), payer_id: PAYER, escrow_id: Some(ESCROW) }
}

fn decided(context: Context, given: &[BankReceiptEvent], command: BankReceiptCommand) -> Result<Vec<BankReceiptEvent>, BankReceiptError> {
    TestFramework::<BankReceipt>::with(context).given(given.to_vec()).when(command).inspect_result()
}

#[test]
fn a_receipt_is_recorded_with_what_is_known_about_it() {
    // MNY-09, MNY-12
    for (payer_id, escrow_id) in [(None, None), (Some(PAYER), None), (Some(PAYER), Some(ESCROW))] {
        assert_eq!(decided(platform(), &[], record("10.00", payer_id, escrow_id)), Ok(vec![recorded("10.00", payer_id, escrow_id)]));
    }
    assert!(decided(by(ActorKind::System, Role::Service), &[], record("10.00", None, None)).is_ok());
}

#[test]
fn the_same_receipt_again_changes_nothing_and_another_content_is_refused() {
    let unapplied = [recorded("10.00", None, None)];
    assert_eq!(decided(platform(), &unapplied, record("10.00", None, None)), Ok(vec![]));
    let later = [unapplied[0].clone(), assigned("10.00")];
    assert_eq!(decided(platform(), &later, record("10.00", None, None)), Ok(vec![]), "the bank's file is imported again");
    for (amount, payer_id, escrow_id) in [("10.01", None, None), ("10.00", Some(PAYER), None), ("10.00", Some(PAYER), Some(ESCROW))] {
        let refused = decided(platform(), &unapplied, record(amount, payer_id, escrow_id));
        assert_eq!(refused, Err(BankReceiptError::RecordedDifferently));
    }
}

#[test]
fn an_amount_is_above_zero() {
    for amount in ["0.00", "-1.00"] {
        assert_eq!(decided(platform(), &[], record(amount, None, None)), Err(BankReceiptError::NotPositive));
    }
}

#[test]
fn money_for_an_escrow_names_its_payer() {
    // MNY-09: what arrives belongs to the payer first.
    assert_eq!(decided(platform(), &[], record("10.00", None, Some(ESCROW))), Err(BankReceiptError::PayerMissing));
}

#[test]
fn an_unapplied_receipt_is_assigned_once() {
    // MNY-12
    let unapplied = [recorded("10.00", None, None)];
    assert_eq!(decided(platform(), &unapplied, assign()), Ok(vec![assigned("10.00")]));
    let taken = [unapplied[0].clone(), assigned("10.00")];
    assert_eq!(decided(platform(), &taken, assign()), Err(BankReceiptError::AlreadyAssigned));
    assert_eq!(decided(platform(), &[recorded("10.00", Some(PAYER), None)], assign()), Err(BankReceiptError::AlreadyAssigned));
    assert_eq!(decided(platform(), &[], assign()), Err(BankReceiptError::NotFound));
}

#[test]
fn only_the_platform_books_bank_receipts() {
    for role in [Role::TenantAdmin, Role::Finance, Role::Payer, Role::Talent, Role::Service] {
        for command in [record("10.00", None, None), assign()] {
            assert_eq!(decided(by(ActorKind::User, role), &[], command), Err(BankReceiptError::NotPlatform), "{role:?}");
        }
    }
}

#[test]
fn a_bank_reference_names_one_stream_per_tenant() {
    let (tenant, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
    assert_eq!(bank_receipt_id(tenant, "REF-1"), bank_receipt_id(tenant, "REF-1"));
    assert_ne!(bank_receipt_id(tenant, "REF-1"), bank_receipt_id(tenant, "REF-2"));
    assert_ne!(bank_receipt_id(tenant, "REF-1"), bank_receipt_id(other, "REF-1"));
}

#[test]
fn every_refusal_has_its_kind_and_code() {
    let claim = Claim { kind: "bank_reference", value: "REF-1".to_owned() };
    let cases = [
        (BankReceiptError::NotPlatform, ErrorKind::Forbidden, "POLICY_DENIED"),
        (BankReceiptError::NotFound, ErrorKind::NotFound, "BANK_RECEIPT_NOT_FOUND"),
        (BankReceiptError::RecordedDifferently, ErrorKind::Conflict, "BANK_RECEIPT_DIFFERS"),
        (BankReceipt::claim_taken(&claim, Uuid::nil()), ErrorKind::Conflict, "BANK_RECEIPT_DIFFERS"),
        (BankReceiptError::AlreadyAssigned, ErrorKind::Conflict, "INVALID_BANK_RECEIPT_TRANSITION"),
        (BankReceiptError::NotPositive, ErrorKind::Invalid, "AMOUNT_INVALID"),
        (BankReceiptError::PayerMissing, ErrorKind::Invalid, "PAYER_MISSING"),
    ];
    for (error, kind, code) in cases {
        assert_eq!(error.describe(), (kind, code));
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut receipt = BankReceipt::default();
    assert_eq!((receipt.exists(), receipt.status()), (false, "unrecorded"));
    receipt.apply(recorded("10.00", None, None));
    assert_eq!((receipt.exists(), receipt.status()), (true, "unapplied"));
    receipt.apply(assigned("10.00"));
    let golden = serde_json::json!({
        "status": "applied",
        "recorded": { "amount": { "amount": "10.00", "currency": "EUR" }, "payer_id": null, "escrow_id": null },
    });
    assert_eq!((BankReceipt::FOLD_VERSION, serde_json::to_value(&receipt).unwrap()), (1, golden));
    let mut known = BankReceipt::default();
    known.apply(recorded("10.00", Some(PAYER), None));
    assert_eq!(known.status(), "applied");
}
