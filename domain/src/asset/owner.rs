//! What a file belongs to, and what sort of file it is there (TAL-06).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::named;

named! {
    #[derive(schemars::JsonSchema)]
    #[schemars(rename = "AssetOwnerType")]
    OwnerType {
        /// Of a talent.
        TalentPortfolio = "talent_portfolio",
        /// Of a dispute.
        DisputeEvidence = "dispute_evidence",
        /// Of an escrow.
        DeliveryArtifact = "delivery_artifact",
        /// Of a contract; made by the machinery, never uploaded.
        ContractArtifact = "contract_artifact",
        /// Of a job.
        JobBrief = "job_brief",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetOwner {
    pub owner_type: OwnerType,
    /// Of the talent, dispute, escrow, contract or job.
    pub owner_id: Uuid,
}

impl OwnerType {
    /// It proves something to somebody else: once there, it stays, also while what refers to it is only on its way (DSP-38).
    #[must_use]
    pub const fn is_proof(self) -> bool {
        match self {
            Self::DisputeEvidence | Self::DeliveryArtifact | Self::ContractArtifact => true,
            Self::TalentPortfolio | Self::JobBrief => false,
        }
    }
}

/// What its owner calls this sort of file (`headshot`, `invoice`): 1 to 50 of `a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetKind(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 50 of a-z, 0-9, - and _")]
pub struct NoAssetKind;

impl AssetKind {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AssetKind {
    type Error = NoAssetKind;

    fn try_from(text: String) -> Result<Self, NoAssetKind> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if (1..=50).contains(&text.len()) && text.chars().all(plain) { Ok(Self(text)) } else { Err(NoAssetKind) }
    }
}

impl schemars::JsonSchema for AssetKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AssetKind".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9_-]{1,50}$" })
    }
}

impl From<AssetKind> for String {
    fn from(kind: AssetKind) -> Self {
        kind.0
    }
}
