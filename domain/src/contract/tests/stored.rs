//! What is stored for ever: names, shapes, and the state that histories fold to.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::case::*;
use crate::contract::*;
use crate::kernel::*;

/// One of each fact, in a possible order.
fn history() -> Case {
    let mut case = Case::default();
    let signers = vec![signer(PAYER_SIGNS, Some(PAYER), Some(1)), signer(TALENT_SIGNS, None, Some(2))];
    let first = NewMilestone { due_at: Some(later()), conditions: Some("raw cut".to_owned()), ..milestone(1, "10.00") };
    let milestone_id = first.milestone_id;
    let wanted = CreateContract { milestones: vec![first], signers, ..create() };
    case.ok(staff(), ContractCommand::Create(Box::new(wanted)));
    case.ok(staff(), ContractCommand::Edit { version: ContractVersion { title: "Film".to_owned(), ..version() }, milestones: None });
    case.ok(staff(), ContractCommand::Send { message: Some(sealed("please")) });
    case.ok(system(), ContractCommand::RecordEnvelope { provider: ESignProvider::Sandbox, envelope_id: "env-1".to_owned() });
    case.ok(user(PAYER), sign(PAYER_SIGNS));
    case.ok(user(PartyId(TALENT_SIGNS.0)), sign(TALENT_SIGNS));
    case.ok(system(), ContractCommand::StoreArtifact(artifact("aa")));
    case.ok(staff(), ContractCommand::ReachMilestone { milestone_id, evidence: Some(sealed("seen")) });
    case.ok(system(), ContractCommand::RecordEscrow { escrow_id: ESCROW, milestone_id: Some(milestone_id), mark: EscrowMark::Underway });
    case
}

#[test]
fn event_names_are_those_of_the_document() {
    // CTR-51
    let mut names: BTreeSet<_> = history().events.iter().map(StoredEvent::name).collect();
    names.extend(Case::in_status(ContractStatus::Void).events.iter().map(StoredEvent::name));
    let expected = [
        "contract.artifact_stored",
        "contract.created",
        "contract.edited",
        "contract.envelope_created",
        "contract.escrow_linked",
        "contract.escrow_moved",
        "contract.milestone_reached",
        "contract.sent",
        "contract.signature_recorded",
        "contract.signed",
        "contract.signer_added",
        "contract.voided",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_sealed_value_of_an_event_is_named() {
    for event in history().events {
        let sealed_in_json = serde_json::to_string(&event).unwrap().matches("\"ciphertext\"").count();
        assert_eq!(event.personal().len(), sealed_in_json, "{}", event.name());
    }
}

#[test]
fn events_survive_storage() {
    for event in history().events {
        let stored = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<ContractEvent>(&stored).unwrap(), event);
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let contract = history().contract();
    assert_eq!((contract.exists(), contract.status()), (true, "signed"));
    let sealed = |text: &str| json!({ "subject": CONTRACT, "keyId": Uuid::from_u128(0x77), "nonce": "n", "ciphertext": text });
    let signature = json!({
        "typedName": sealed("Ada"), "consent": "I agree.", "ip": sealed("ip"), "userAgent": null, "documentHash": HASH, "method": "in_app",
    });
    let milestone_id = Uuid::from_u128(0x1001);
    let golden = json!({
        "status": "signed",
        "contractId": CONTRACT,
        "terms": { "payerId": PAYER, "payeeId": TALENT },
        "current": { "number": 2, "title": "Film", "body": sealed("body"), "variables": sealed("variables"), "hash": HASH },
        "versions": [
            { "number": 1, "title": "Shooting", "hash": HASH, "at": "2026-03-01T12:00:00Z" },
            { "number": 2, "title": "Film", "hash": HASH, "at": "2026-03-01T12:00:00Z" },
        ],
        "signers": [
            {
                "signer": { "signerId": PAYER_SIGNS, "partyId": PAYER, "partyType": "other", "name": null, "email": null, "order": 1 },
                "signature": signature, "signedAt": "2026-03-01T12:00:00Z",
            },
            {
                "signer": { "signerId": TALENT_SIGNS, "partyType": "other", "name": null, "email": sealed("mail"), "order": 2 },
                "signature": signature, "signedAt": "2026-03-01T12:00:00Z",
            },
        ],
        "milestones": [{
            "milestoneId": milestone_id, "seq": 1, "title": "Part 1", "amount": { "amount": "10.00", "currency": "EUR" },
            "dueAt": "2026-03-31T12:00:00Z", "conditions": "raw cut",
            "share": {
                "split": { "payeeBp": 9500, "tenantBp": 0, "platformBp": 500 },
                "tax": { "feeTaxBp": 0, "tenantRegistered": false, "withholdingBp": 0 },
                "entitlements": { "payee": 950, "tenant": 0, "platform": 50, "tax": 0, "withholding": 0 },
            },
            "reachedAt": "2026-03-01T12:00:00Z",
        }],
        "artifacts": [{ "kind": "signed_pdf", "storageKey": "contracts/signed.pdf", "sha256": "aa", "size": 10, "mime": "application/pdf" }],
        "provider": "in_app",
        "envelope": { "provider": "sandbox", "envelopeId": "env-1" },
        "message": sealed("please"),
        "escrows": { ESCROW.to_string(): { "milestoneId": milestone_id, "mark": "underway" } },
        "voidReason": null,
        "createdAt": "2026-03-01T12:00:00Z",
        "sentAt": "2026-03-01T12:00:00Z",
        "signedAt": "2026-03-01T12:00:00Z",
        "voidedAt": null,
    });
    assert_eq!((Contract::FOLD_VERSION, serde_json::to_value(&contract).unwrap()), (1, golden));
}

#[test]
fn templates_and_clauses_fold_to_the_same_state() {
    let variables = vec![Variable { name: "a".to_owned(), description: String::new(), required: true, default: None }];
    let version =
        TemplateVersion { version: 3, name: "Film".to_owned(), body_md: "{{a}}".to_owned(), variables, status: TemplateStatus::Published };
    let mut template = Template::default();
    cqrs_es::Aggregate::apply(&mut template, TemplateEvent::Updated(version));
    let variable = json!({ "name": "a", "description": "", "required": true });
    let golden = json!({ "current": { "version": 3, "name": "Film", "bodyMd": "{{a}}", "variables": [variable], "status": "published" } });
    assert_eq!((Template::FOLD_VERSION, serde_json::to_value(&template).unwrap()), (1, golden));
    let text = ClauseText { key: "k".to_owned(), title: "T".to_owned(), body_md: "B".to_owned(), tags: vec!["x".to_owned()] };
    let mut clause = Clause::default();
    cqrs_es::Aggregate::apply(&mut clause, ClauseEvent::Created(text));
    let golden = json!({ "text": { "key": "k", "title": "T", "bodyMd": "B", "tags": ["x"] } });
    assert_eq!((Clause::FOLD_VERSION, serde_json::to_value(&clause).unwrap()), (1, golden));
    assert_eq!((clause.exists(), clause.status(), template.status()), (true, "active", "published"));
}
