//! What a contract is made of.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::escrow::Entitlements;
use crate::kernel::{BookingId, JobId, MilestoneId, Money, PartyId, Personal, SignerId, TemplateId};
use crate::named;
use crate::tenant::{SplitPolicy, TaxPolicy};

/// Never changes after creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractTerms {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    /// None: the standard text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer_id: Option<PartyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_id: Option<PartyId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    pub id: TemplateId,
    pub version: u32,
}

/// CTR-04. Sealed under the contract's own id, so that its text outlives the keys of the persons that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractVersion {
    /// 1, 2, 3 …; given by the domain.
    pub number: u32,
    pub title: String,
    pub body: Personal<String>,
    /// What the text was made with, for the next draft; none when it comes from a booking, which has no drafts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Personal<BTreeMap<String, String>>>,
    /// SHA-256 of the rendered body, hex.
    pub hash: String,
}

/// CTR-07.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Milestone {
    pub milestone_id: MilestoneId,
    pub seq: u32,
    pub title: String,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    pub share: MilestoneShare,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<DateTime<Utc>>,
}

/// MNY-03: its part of the one division of the contract's total; its escrow gets exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MilestoneShare {
    pub split: SplitPolicy,
    pub tax: TaxPolicy,
    pub entitlements: Entitlements,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    pub signer_id: SignerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<PartyId>,
    pub party_type: PartyType,
    pub name: Option<Personal<String>>,
    pub email: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
}

impl Signer {
    /// Whose key seals what is personal about this signer, and who acts when the signer signs: the party, or, for
    /// somebody without an account, the signer itself.
    #[must_use]
    pub fn subject(&self) -> PartyId {
        self.party_id.unwrap_or(PartyId(self.signer_id.uuid()))
    }
}

named! {
    #[derive(schemars::JsonSchema)]
    PartyType {
        Payer = "payer",
        Talent = "talent",
        Tenant = "tenant",
        Witness = "witness",
        Other = "other",
    }
}

/// CTR-40: who, when, from where, to which text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    pub typed_name: Personal<String>,
    /// The sentence that the signer agreed to.
    pub consent: String,
    pub ip: Option<Personal<String>>,
    pub user_agent: Option<Personal<String>>,
    /// Must be the sent version's.
    pub document_hash: String,
    pub method: SignatureMethod,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SignatureMethod {
    InApp,
    /// Without an account, by a link that somebody of the tenant gave out.
    Link {
        issued_by: PartyId,
    },
    Provider {
        provider: ESignProvider,
        envelope_id: String,
        provider_event_id: String,
    },
}

named! {
    /// CTR-40, CTR-41: which one is a tenant's setting.
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    ESignProvider {
        #[default]
        InApp = "in_app",
        /// Behaves like a provider, faults included.
        Sandbox = "sandbox",
        /// A provider that is reached over HTTPS, as the server's settings name it.
        Http = "http",
    }
}

/// The document at a provider (CTR-41).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub provider: ESignProvider,
    pub envelope_id: String,
}

/// CTR-06.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ContractArtifact")]
pub struct Artifact {
    pub kind: ArtifactKind,
    pub storage_key: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    pub size: u64,
    pub mime: String,
}

named! {
    #[derive(schemars::JsonSchema)]
    #[schemars(rename = "ContractArtifactKind")]
    ArtifactKind {
        /// As it was sent, without signatures.
        RenderedPdf = "rendered_pdf",
        /// With the page that says who signed when and from where.
        SignedPdf = "signed_pdf",
        CompletionCertificate = "completion_certificate",
        AuditTrail = "audit_trail",
    }
}
