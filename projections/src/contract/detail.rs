//! One contract, as its readers see it (CTR-18).

use chrono::{DateTime, Utc};
use holdfast_domain::contract::{Contract, ContractStatus, Milestone, SignatureMethod, Signer, SignerEntry as Entry, VersionMark};
use holdfast_domain::kernel::{PartyId, SignerId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::queries::{ContractSummary, Reader, summary};
use crate::runtime::{Stored, Texts};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractDetail {
    #[serde(flatten)]
    pub summary: ContractSummary,
    pub template_version: Option<u32>,
    /// The text as it stands; frozen once it was sent.
    pub text: Option<ContractText>,
    /// What the text was made with; to staff only.
    pub variables: Option<BTreeMap<String, String>>,
    /// All versions, oldest first.
    pub versions: Vec<VersionEntry>,
    pub signer_list: Vec<SignerEntry>,
    pub milestones: Vec<MilestoneEntry>,
    /// `in_app`, `sandbox` or `http`.
    pub provider: String,
    pub envelope_id: Option<String>,
    /// What was said to the signers.
    pub message: Option<String>,
    pub void_reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractText {
    pub number: u32,
    pub title: String,
    /// SHA-256 of the text's bytes, hex: what signers sign.
    pub hash: String,
    /// Null once the contract was erased.
    pub body_md: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionEntry {
    pub number: u32,
    pub title: String,
    pub hash: String,
    pub created_at: DateTime<Utc>,
}

/// CTR-05.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignerEntry {
    pub id: Uuid,
    pub party_id: Option<Uuid>,
    /// `payer`, `talent`, `tenant`, `witness` or `other`.
    pub party_type: String,
    pub name: Option<String>,
    /// To staff, and to the signer.
    pub email: Option<String>,
    pub order: Option<u32>,
    /// `pending` while others must sign before or it was not sent, `due`, `signed`.
    pub status: String,
    pub signature: Option<SignatureEntry>,
}

/// CTR-40.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignatureEntry {
    pub signed_at: Option<DateTime<Utc>>,
    pub typed_name: Option<String>,
    /// The sentence that was agreed to.
    pub consent: String,
    pub document_hash: String,
    /// `in_app`, `link`, or the provider's name.
    pub method: String,
    /// To staff, and to the signer.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// CTR-07.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MilestoneEntry {
    pub id: Uuid,
    pub seq: u32,
    pub title: String,
    #[schema(value_type = String, example = "400.00")]
    pub amount: Decimal,
    pub currency: String,
    pub due_at: Option<DateTime<Utc>>,
    pub conditions: Option<String>,
    /// `pending`, `reached`, `settled` or `cancelled`.
    pub status: String,
    pub reached_at: Option<DateTime<Utc>>,
    /// MNY-03: what everybody gets of it.
    pub share: ShareEntry,
    pub escrow_ids: Vec<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareEntry {
    #[schema(value_type = String, example = "380.00")]
    pub payee: Decimal,
    #[schema(value_type = String)]
    pub tenant: Decimal,
    #[schema(value_type = String)]
    pub platform: Decimal,
    #[schema(value_type = String)]
    pub tax: Decimal,
    #[schema(value_type = String)]
    pub withholding: Decimal,
}

/// CTR-24: what a link shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningPage {
    pub contract_id: Uuid,
    pub signer_id: Uuid,
    /// Of the contract.
    pub contract_status: String,
    pub title: String,
    pub body_md: Option<String>,
    /// Must be sent back with the signature.
    pub document_hash: String,
    /// Who is to sign.
    pub name: Option<String>,
    /// `pending`, `due` or `signed`.
    pub status: String,
    pub message: Option<String>,
}

impl ContractDetail {
    pub(super) fn of(row: &Stored<Contract>, reader: Reader) -> Self {
        let (contract, texts) = (&row.state, &row.texts);
        let staff = reader == Reader::Staff;
        let current = contract.current_version();
        let variables = current.and_then(|version| version.variables.as_ref()).filter(|_| staff);
        // Drafts are the staff's own business.
        let shown = contract.versions().iter().filter(|version| staff || Some(version.number) == current.map(|current| current.number));
        Self {
            summary: summary(row),
            template_version: contract.terms().and_then(|terms| terms.template).map(|template| template.version),
            text: text(contract, texts),
            variables: texts.open_some(variables),
            versions: shown.map(version).collect(),
            signer_list: contract.signers().iter().map(|entry| signer(contract, texts, entry, reader)).collect(),
            milestones: contract.milestones().iter().map(|milestone| milestone_entry(contract, milestone)).collect(),
            provider: contract.provider().to_string(),
            envelope_id: contract.envelope().map(|envelope| envelope.envelope_id.clone()).filter(|_| staff),
            message: texts.open_some(contract.message()),
            void_reason: contract.void_reason().map(str::to_owned),
        }
    }
}

impl SigningPage {
    pub(super) fn of(row: &Stored<Contract>, signer_id: SignerId) -> Option<Self> {
        let (contract, texts) = (&row.state, &row.texts);
        let entry = contract.signer(signer_id)?;
        let current = contract.current_version()?;
        if contract.contract_status() == ContractStatus::Draft {
            return None;
        }
        Some(Self {
            contract_id: row.id,
            signer_id: signer_id.uuid(),
            contract_status: contract.contract_status().to_string(),
            title: current.title.clone(),
            body_md: texts.open(&current.body),
            document_hash: current.hash.clone(),
            name: texts.open_some(entry.signer.name.as_ref()),
            status: signer_status(contract, entry).to_owned(),
            message: texts.open_some(contract.message()),
        })
    }
}

fn text(contract: &Contract, texts: &Texts) -> Option<ContractText> {
    let current = contract.current_version()?;
    let created_at = contract.versions().last()?.at;
    let body_md = texts.open(&current.body);
    Some(ContractText { number: current.number, title: current.title.clone(), hash: current.hash.clone(), body_md, created_at })
}

fn version(mark: &VersionMark) -> VersionEntry {
    VersionEntry { number: mark.number, title: mark.title.clone(), hash: mark.hash.clone(), created_at: mark.at }
}

fn signer(contract: &Contract, texts: &Texts, entry: &Entry, reader: Reader) -> SignerEntry {
    let Signer { signer_id, party_id, party_type, name, email, order } = &entry.signer;
    // Where somebody signed from is between that person and the tenant.
    let may_see_traces = match reader {
        Reader::Staff => true,
        Reader::Party(reader) => *party_id == Some(reader),
    };
    let signature = entry.signature.as_ref().map(|signature| SignatureEntry {
        signed_at: entry.signed_at,
        typed_name: texts.open(&signature.typed_name),
        consent: signature.consent.clone(),
        document_hash: signature.document_hash.clone(),
        method: match &signature.method {
            SignatureMethod::InApp => "in_app".to_owned(),
            SignatureMethod::Link { .. } => "link".to_owned(),
            SignatureMethod::Provider { provider, .. } => provider.to_string(),
        },
        ip: texts.open_some(signature.ip.as_ref()).filter(|_| may_see_traces),
        user_agent: texts.open_some(signature.user_agent.as_ref()).filter(|_| may_see_traces),
    });
    SignerEntry {
        id: signer_id.uuid(),
        party_id: party_id.map(PartyId::uuid),
        party_type: party_type.to_string(),
        name: texts.open_some(name.as_ref()),
        email: texts.open_some(email.as_ref()).filter(|_| may_see_traces),
        order: *order,
        status: signer_status(contract, entry).to_owned(),
        signature,
    }
}

fn signer_status(contract: &Contract, entry: &Entry) -> &'static str {
    let open = matches!(contract.contract_status(), ContractStatus::Sent | ContractStatus::PartiallySigned);
    match (entry.signature.is_some(), open && contract.is_turn_of(&entry.signer)) {
        (true, _) => "signed",
        (false, true) => "due",
        (false, false) => "pending",
    }
}

fn milestone_entry(contract: &Contract, milestone: &Milestone) -> MilestoneEntry {
    let currency = milestone.amount.currency();
    let [payee, tenant, platform, tax, withholding] = milestone.share.entitlements.money(currency).map(|money| money.amount());
    let escrows = contract.escrows().iter().filter(|(_, escrow)| escrow.milestone_id == Some(milestone.milestone_id));
    MilestoneEntry {
        id: milestone.milestone_id.uuid(),
        seq: milestone.seq,
        title: milestone.title.clone(),
        amount: milestone.amount.amount(),
        currency: currency.to_string(),
        due_at: milestone.due_at,
        conditions: milestone.conditions.clone(),
        status: contract.milestone_status(milestone).to_string(),
        reached_at: milestone.reached_at,
        share: ShareEntry { payee, tenant, platform, tax, withholding },
        escrow_ids: escrows.map(|(id, _)| id.uuid()).collect(),
    }
}
