//! Signers, signatures, voiding, documents (CTR-19..36).

use uuid::Uuid;

use super::case::*;
use crate::booking::BookingParties;
use crate::contract::*;
use crate::kernel::*;

#[test]
fn a_contract_of_a_booking_is_made_and_sent_in_one_step() {
    // CTR-46
    let signers = vec![signer(PAYER_SIGNS, Some(PAYER), None), signer(TALENT_SIGNS, Some(TALENT), None)];
    let wanted = CreateContract { signers, send: true, ..create() };
    let mut case = Case::default();
    let names = case.ok(system(), ContractCommand::Create(Box::new(wanted)));
    assert_eq!(names, ["contract.created", "contract.signer_added", "contract.signer_added", "contract.sent"]);
    let contract = case.contract();
    assert_eq!((contract.contract_status(), contract.versions().len(), contract.signers().len()), (ContractStatus::Sent, 1, 2));
    assert_eq!((contract.payer_id(), contract.payee_id()), (Some(PAYER), Some(TALENT)));
    let nobody = CreateContract { send: true, ..create() };
    assert_eq!(Case::default().refused(system(), ContractCommand::Create(Box::new(nobody))).1, "NO_SIGNERS");
}

#[test]
fn every_edit_of_a_draft_is_a_version_and_what_was_sent_is_frozen() {
    // CTR-03, CTR-04, CTR-43.
    // CTR-19, CTR-43
    let mut case = Case::in_status(ContractStatus::Draft);
    case.ok(staff(), ContractCommand::Edit { version: ContractVersion { hash: "2".repeat(64), ..version() }, milestones: None });
    let contract = case.contract();
    let numbers: Vec<_> = contract.versions().iter().map(|version| (version.number, version.hash.clone())).collect();
    assert_eq!(numbers, [(1, HASH.to_owned()), (2, "2".repeat(64))]);
    case.ok(staff(), send());
    assert!(matches!(case.last(), ContractFact::Sent { version: 2, hash, provider: ESignProvider::InApp, .. } if *hash == "2".repeat(64)));
    let edit = ContractCommand::Edit { version: version(), milestones: None };
    assert_eq!(case.refused(staff(), edit), (ErrorKind::Conflict, "CONTRACT_NOT_DRAFT"));
}

#[test]
fn a_contract_without_signers_is_not_sent() {
    // CTR-20
    let mut case = Case::default();
    case.ok(staff(), ContractCommand::Create(Box::new(create())));
    assert_eq!(case.refused(staff(), send()), (ErrorKind::Invalid, "NO_SIGNERS"));
}

#[test]
fn a_signer_can_be_reached_and_is_named_once() {
    // CTR-05.
    // CTR-23
    let case = Case::in_status(ContractStatus::Draft);
    let other = SignerId(Uuid::from_u128(0x53));
    let unreachable = NewSigner { email: None, ..signer(other, None, None) };
    assert_eq!(case.refused(staff(), ContractCommand::AddSigner(unreachable)).1, "SIGNER_UNREACHABLE");
    assert_eq!(case.refused(staff(), ContractCommand::AddSigner(signer(other, Some(PAYER), None))).1, "SIGNER_EXISTS");
    assert_eq!(case.refused(staff(), ContractCommand::AddSigner(signer(PAYER_SIGNS, None, None))).1, "SIGNER_EXISTS");
    let mut full = case.clone();
    for n in 2..50 {
        full.ok(staff(), ContractCommand::AddSigner(signer(SignerId(Uuid::from_u128(0x100 + n)), None, None)));
    }
    assert_eq!(full.refused(staff(), ContractCommand::AddSigner(signer(other, None, None))).1, "TOO_MANY_SIGNERS");
}

#[test]
fn signers_sign_in_their_order_and_the_last_one_makes_it_signed() {
    // CTR-33, CTR-34
    let mut case = Case::in_status(ContractStatus::Sent);
    assert_eq!(case.refused(user(TALENT), sign(TALENT_SIGNS)), (ErrorKind::Conflict, "NOT_YOUR_TURN"));
    assert_eq!(case.ok(user(PAYER), sign(PAYER_SIGNS)), ["contract.signature_recorded"]);
    assert_eq!(case.contract().contract_status(), ContractStatus::PartiallySigned);
    assert_eq!(case.refused(user(PAYER), sign(PAYER_SIGNS)), (ErrorKind::Conflict, "ALREADY_SIGNED"));
    assert_eq!(case.ok(user(TALENT), sign(TALENT_SIGNS)), ["contract.signature_recorded", "contract.signed"]);
    assert!(case.contract().is_signed());
    assert!(case.contract().signers().iter().all(|entry| entry.signed_at == Some(now()) && entry.signature.is_some()));
    assert_eq!(case.refused(user(TALENT), sign(TALENT_SIGNS)), (ErrorKind::Conflict, "INVALID_CONTRACT_TRANSITION"));
}

#[test]
fn signers_with_the_same_number_or_none_sign_in_any_order() {
    for order in [None, Some(7)] {
        let mut case = Case::default();
        let signers = vec![signer(PAYER_SIGNS, Some(PAYER), order), signer(TALENT_SIGNS, Some(TALENT), order)];
        case.ok(staff(), ContractCommand::Create(Box::new(CreateContract { signers, send: true, ..create() })));
        case.ok(user(TALENT), sign(TALENT_SIGNS));
        case.ok(user(PAYER), sign(PAYER_SIGNS));
        assert!(case.contract().is_signed());
    }
}

#[test]
fn only_the_signer_signs_and_only_the_text_that_was_sent() {
    // CTR-24, CTR-33
    let case = Case::in_status(ContractStatus::Sent);
    for actor in [staff(), user(TALENT), system()] {
        assert_eq!(case.refused(actor, sign(PAYER_SIGNS)), (ErrorKind::Forbidden, "NOT_A_SIGNER"));
    }
    assert_eq!(case.refused(user(PAYER), sign(SignerId(Uuid::from_u128(0x99)))), (ErrorKind::Forbidden, "NOT_A_SIGNER"));
    let other = ContractCommand::Sign { signer_id: PAYER_SIGNS, signature: signature("00") };
    assert_eq!(case.refused(user(PAYER), other), (ErrorKind::Conflict, "DOCUMENT_CHANGED"));
}

#[test]
fn somebody_without_an_account_signs_as_the_signer() {
    let mut case = Case::default();
    let signers = vec![signer(PAYER_SIGNS, None, None)];
    case.ok(staff(), ContractCommand::Create(Box::new(CreateContract { signers, send: true, ..create() })));
    assert_eq!(case.refused(user(PAYER), sign(PAYER_SIGNS)).1, "NOT_A_SIGNER");
    case.ok(user(PartyId(PAYER_SIGNS.0)), sign(PAYER_SIGNS));
    assert!(case.contract().is_signed());
}

#[test]
fn at_a_provider_only_the_providers_word_counts_and_more_than_once_is_once() {
    // CTR-25, CTR-41
    let mut case = Case::in_status(ContractStatus::Draft);
    case.ok(at_provider(), send());
    assert!(matches!(case.last(), ContractFact::Sent { provider: ESignProvider::Sandbox, .. }));
    assert_eq!(case.refused(user(PAYER), sign(PAYER_SIGNS)), (ErrorKind::Conflict, "SIGNED_AT_PROVIDER"));
    assert_eq!(case.refused(user(PAYER), provider_signs(PAYER_SIGNS)), (ErrorKind::Forbidden, "NOT_A_SIGNER"));
    // Messages may arrive in another order than signatures were given.
    case.ok(system(), provider_signs(TALENT_SIGNS));
    assert!(case.ok(system(), provider_signs(TALENT_SIGNS)).is_empty());
    assert_eq!(case.ok(system(), provider_signs(PAYER_SIGNS)), ["contract.signature_recorded", "contract.signed"]);
}

#[test]
fn an_envelope_and_a_document_are_recorded_once() {
    // CTR-41, CTR-42
    let mut case = Case::in_status(ContractStatus::Sent);
    let envelope = |id: &str| ContractCommand::RecordEnvelope { provider: ESignProvider::Sandbox, envelope_id: id.to_owned() };
    assert_eq!(case.ok(system(), envelope("env-1")), ["contract.envelope_created"]);
    assert!(case.ok(system(), envelope("env-2")).is_empty());
    assert_eq!(case.contract().envelope().unwrap().envelope_id, "env-1");
    assert_eq!(case.ok(system(), ContractCommand::StoreArtifact(artifact("aa"))), ["contract.artifact_stored"]);
    assert!(case.ok(system(), ContractCommand::StoreArtifact(artifact("aa"))).is_empty());
    case.ok(system(), ContractCommand::StoreArtifact(artifact("bb")));
    assert_eq!(case.contract().artifact(ArtifactKind::SignedPdf).unwrap().sha256, "bb");
    assert_eq!(case.contract().artifacts().len(), 1);
}

#[test]
fn voiding_names_every_escrow_that_has_not_ended() {
    // MNY-06
    let mut case = Case::in_status(ContractStatus::PartiallySigned);
    let ended = EscrowId(Uuid::from_u128(0xf));
    for (escrow, to) in [(ESCROW, EscrowMark::Underway), (ended, EscrowMark::Ended)] {
        case.ok(system(), mark(escrow, to));
    }
    case.ok(staff(), void());
    assert!(matches!(case.last(), ContractFact::Voided { escrows, .. } if *escrows == [ESCROW]));
    assert_eq!(case.contract().void_reason(), Some("superseded"));
}

#[test]
fn the_system_voids_what_it_can_and_is_never_refused() {
    // CTR-46, MNY-06: a booking is cancelled before, while and after its contract is signed.
    let mut never_made = Case::default();
    assert_eq!(never_made.ok(system(), void()), ["contract.voided"]);
    assert!(never_made.ok(system(), ContractCommand::Create(Box::new(create()))).is_empty(), "the booking is cancelled");
    assert_eq!(never_made.refused(staff(), ContractCommand::Create(Box::new(create()))).1, "CONTRACT_EXISTS");
    for status in [ContractStatus::Signed, ContractStatus::Void] {
        assert!(Case::in_status(status).ok(system(), void()).is_empty());
    }
    assert_eq!(Case::in_status(ContractStatus::Signed).refused(staff(), void()), (ErrorKind::Conflict, "CONTRACT_NOT_VOIDABLE"));
}

#[test]
fn the_contract_of_a_booking_knows_the_escrow_that_acceptance_makes() {
    // CTR-44: it may be signed or voided before it has heard of its escrow.
    let parties =
        BookingParties { booking_id: BookingId(Uuid::from_u128(8)), job_id: JobId(Uuid::nil()), talent_id: TALENT, payer_id: None };
    let booked = ContractTerms { booking_id: Some(parties.booking_id), ..terms() };
    let signers = vec![signer(PAYER_SIGNS, Some(PAYER), None)];
    let derived = CreateContract { contract_id: parties.contract_id(TENANT), terms: booked.clone(), signers, send: true, ..create() };
    let escrow_id = parties.escrow_id(TENANT);
    let mut case = Case::default();
    case.ok(system(), ContractCommand::Create(Box::new(derived.clone())));
    let mut voided = case.clone();
    voided.ok(staff(), void());
    assert!(matches!(voided.last(), ContractFact::Voided { escrows, .. } if *escrows == [escrow_id]));
    case.ok(user(PAYER), sign(PAYER_SIGNS));
    assert!(matches!(case.last(), ContractFact::Signed { escrows, .. } if *escrows == [escrow_id]));
    // Another contract about the same booking has no say about that escrow.
    let mut other = Case::default();
    other.ok(staff(), ContractCommand::Create(Box::new(CreateContract { terms: booked, ..create() })));
    other.ok(staff(), void());
    assert!(matches!(other.last(), ContractFact::Voided { escrows, .. } if escrows.is_empty()));
}

#[test]
fn an_escrow_only_moves_on_and_is_told_when_it_need_not_wait() {
    // CTR-44, MNY-06
    let mut case = Case::in_status(ContractStatus::Signed);
    assert_eq!(case.ok(system(), mark(ESCROW, EscrowMark::Created)), ["contract.escrow_linked"]);
    assert!(matches!(case.last(), ContractFact::EscrowLinked { signed: true, .. }));
    assert_eq!(case.ok(system(), mark(ESCROW, EscrowMark::Ended)), ["contract.escrow_moved"]);
    for late in EscrowMark::ALL {
        assert!(case.ok(system(), mark(ESCROW, *late)).is_empty(), "{late}");
    }
    let mut missed = Case::in_status(ContractStatus::Sent);
    assert_eq!(missed.ok(system(), mark(ESCROW, EscrowMark::Underway)), ["contract.escrow_linked", "contract.escrow_moved"]);
}
