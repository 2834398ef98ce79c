//! A personal field is a type: what an event keeps as plain text stands here, with the reason why it names nobody
//! (ADM-25, CNF-33; docs/privacy.md, "Adding a personal field").

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use holdfast_tests::personal::{plain_texts, sealed_fields};

/// Names of things, made by machines or chosen among few.
const CODES: &str = "a name of the system's: an event, a file type, a hash, a rule, an id at a provider";
/// Chosen by the staff of a tenant, in documents that all parties see.
const BUSINESS: &str = "words of business: documented at its route as naming no person, and kept for ever";

/// Field, reason.
const PLAIN: &[(&str, &str)] = &[
    ("access.recorded /recorded/filter/action", CODES),
    ("access.recorded /recorded/filter/entityType", CODES),
    ("access.recorded /recorded/filter/eventTypes/*", CODES),
    ("asset.announced /announced/mime", CODES),
    ("asset.confirmed /confirmed/mime", CODES),
    ("asset.confirmed /confirmed/sha256", CODES),
    ("bank_receipt.recorded /recorded/bankReference", "the bank's id of a transfer"),
    ("booking.accepted /fact/accepted/agreement/hash", CODES),
    ("booking.accepted /fact/accepted/agreement/title", BUSINESS),
    ("booking.cancelled /fact/cancelled/reason", BUSINESS),
    ("booking.created /fact/created/terms", BUSINESS),
    ("clause.created /created/bodyMd", BUSINESS),
    ("clause.created /created/key", CODES),
    ("clause.created /created/tags/*", CODES),
    ("clause.created /created/title", BUSINESS),
    ("contract.artifact_stored /fact/artifact_stored/artifact/mime", CODES),
    ("contract.artifact_stored /fact/artifact_stored/artifact/sha256", CODES),
    ("contract.artifact_stored /fact/artifact_stored/artifact/storageKey", CODES),
    ("contract.created /fact/created/milestones/*/conditions", BUSINESS),
    ("contract.created /fact/created/milestones/*/title", BUSINESS),
    ("contract.created /fact/created/version/hash", CODES),
    ("contract.created /fact/created/version/title", BUSINESS),
    ("contract.edited /fact/edited/milestones/*/conditions", BUSINESS),
    ("contract.edited /fact/edited/milestones/*/title", BUSINESS),
    ("contract.edited /fact/edited/version/hash", CODES),
    ("contract.edited /fact/edited/version/title", BUSINESS),
    ("contract.envelope_created /fact/envelope_created/envelope/envelopeId", CODES),
    ("contract.sent /fact/sent/hash", CODES),
    ("contract.signature_recorded /fact/signature_recorded/signature/consent", "the sentence of ours that was agreed to"),
    ("contract.signature_recorded /fact/signature_recorded/signature/documentHash", CODES),
    ("contract.signature_recorded /fact/signature_recorded/signature/method/provider/envelopeId", CODES),
    ("contract.signature_recorded /fact/signature_recorded/signature/method/provider/providerEventId", CODES),
    ("contract.signed /fact/signed/hash", CODES),
    ("contract.voided /fact/voided/envelope/envelopeId", CODES),
    ("contract.voided /fact/voided/reason", BUSINESS),
    ("credits.consumed /fact/consumed/reference/refType", CODES),
    ("credits.issued /fact/issued/reason", BUSINESS),
    ("credits.reserved /fact/reserved/reference/refType", CODES),
    ("credits.revoked /fact/revoked/reason", BUSINESS),
    ("dispute.decision_returned /fact/decision_returned/code", CODES),
    ("dispute.evidence_added /fact/evidence_added/evidence/mime", CODES),
    ("dispute.evidence_added /fact/evidence_added/evidence/sha256", CODES),
    ("escrow.cancelled /fact/cancelled/reason", BUSINESS),
    ("escrow.decision_declined /fact/decision_declined/code", CODES),
    ("escrow.refund_declined /fact/refund_declined/reason", BUSINESS),
    ("escrow.refund_requested /fact/refund_requested/reason", BUSINESS),
    ("escrow.release_authorized /fact/release_authorized/reason", BUSINESS),
    ("job.closed /fact/closed/reason", BUSINESS),
    ("job.created /fact/created/content/brief", BUSINESS),
    ("job.created /fact/created/content/budget", BUSINESS),
    ("job.created /fact/created/content/location", BUSINESS),
    ("job.created /fact/created/content/title", BUSINESS),
    ("job.updated /fact/updated/content/brief", BUSINESS),
    ("job.updated /fact/updated/content/budget", BUSINESS),
    ("job.updated /fact/updated/content/location", BUSINESS),
    ("job.updated /fact/updated/content/title", BUSINESS),
    ("template.created /created/bodyMd", BUSINESS),
    ("template.created /created/name", BUSINESS),
    ("template.created /created/variables/*/default", BUSINESS),
    ("template.created /created/variables/*/description", BUSINESS),
    ("template.created /created/variables/*/name", CODES),
    ("template.updated /updated/bodyMd", BUSINESS),
    ("template.updated /updated/name", BUSINESS),
    ("template.updated /updated/variables/*/default", BUSINESS),
    ("template.updated /updated/variables/*/description", BUSINESS),
    ("template.updated /updated/variables/*/name", CODES),
    ("tenant.created /created/name", "the name of a company"),
    ("tenant.created /created/slug", CODES),
    ("tenant.reaction_redriven /reaction_redriven/reason", "an operator's, about a machine"),
    ("tenant.suspended /suspended/reason", "an operator's, about a company"),
    ("wallet.debited /fact/debited/purpose/transfer/reason", BUSINESS),
    ("wallet.frozen /fact/frozen/reason", BUSINESS),
    ("wallet.transfer_rejected /fact/transfer_rejected/reason", BUSINESS),
    ("wallet.transfer_requested /fact/transfer_requested/reason", BUSINESS),
    ("wallet.unfrozen /fact/unfrozen/reason", BUSINESS),
];

#[test]
fn a_text_in_an_event_is_sealed_or_has_a_reason_not_to_be() {
    // ADM-25, CNF-33
    let allowed: BTreeSet<String> = PLAIN.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!(allowed.len(), PLAIN.len(), "each once");
    let found = plain_texts();
    let new: Vec<_> = found.difference(&allowed).collect();
    assert!(new.is_empty(), "make it `Personal<String>`, or say here why it names nobody: {new:#?}");
    let gone: Vec<_> = allowed.difference(&found).collect();
    assert!(gone.is_empty(), "these fields are no longer plain texts: {gone:#?}");
    assert!(sealed_fields().len() > 20);
}

#[test]
fn what_is_personal_in_a_body_goes_nowhere_but_into_the_sealing() {
    // ADM-25: `PersonalText::into_plain` is for whoever seals.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src");
    let (mut found, mut folders) = (BTreeSet::new(), vec![std::path::PathBuf::from(folder)]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().contains("into_plain") {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["commands/mod.rs", "commands/signing.rs", "request/text.rs"]);
}
