//! The talent has accepted → the contract in the text that was shown, sent to both signers at once (JOB-64, CTR-46).

use holdfast_domain::booking::BookingFact;
use holdfast_domain::contract::{
    Contract, ContractCommand, ContractTerms, ContractVersion, CreateContract, NewSigner, PartyType, TemplateRef,
};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{PartyId, Recorded, SignerId, derived_uuid};

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "create_contract", on: &["booking.accepted"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((_, booking)) = agreed(event) else { return Vec::new() };
    let (BookingFact::Accepted { agreement, .. }, Some(payer_id)) = (&booking.fact, booking.parties.payer_id) else { return Vec::new() };
    let (tenant_id, parties) = (event.origin.tenant_id, booking.parties);
    let contract_id = parties.contract_id(tenant_id);
    let signer = |n: u64, party_id: PartyId, party_type: PartyType| NewSigner {
        signer_id: SignerId(derived_uuid(tenant_id, contract_id.uuid(), "signer", n)),
        party_id: Some(party_id),
        party_type,
        name: None,
        email: None,
        order: None,
    };
    let create = CreateContract {
        contract_id,
        terms: ContractTerms {
            job_id: Some(parties.job_id),
            booking_id: Some(parties.booking_id),
            template: agreement.template_id.map(|id| TemplateRef { id, version: agreement.template_version }),
            payer_id: Some(payer_id),
            payee_id: Some(parties.talent_id),
        },
        version: ContractVersion {
            number: 1,
            title: agreement.title.clone(),
            body: agreement.body.clone(),
            variables: None,
            hash: agreement.hash.clone(),
        },
        milestones: Vec::new(),
        signers: vec![signer(0, payer_id, PartyType::Payer), signer(1, parties.talent_id, PartyType::Talent)],
        send: true,
    };
    vec![Step::new::<Contract>("create", contract_id.uuid(), ContractCommand::Create(Box::new(create)))]
}
