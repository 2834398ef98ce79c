//! Projections beside a fold of the log in memory.

use holdfast_domain::kernel::TenantId;
use serde::Serialize;

use crate::rebuild::fold::live_positions;
use crate::rebuild::{RebuildError, Rebuilder, projection};
use crate::runtime::{TableCheck, VerifyError, verify};

impl Rebuilder {
    /// Folds the log in memory and compares; changes nothing, also not what is kept aside. All tenants, or one.
    ///
    /// # Errors
    /// When something cannot be read; differences are not errors.
    pub async fn verify(&self, name: &str, tenant: Option<TenantId>) -> Result<Verified, VerifyOrRebuildError> {
        let projection = projection(name)?;
        let mut connection = self.live.acquire().await?;
        let tenants = live_positions(&mut connection, projection.name(), tenant, false).await?;
        drop(connection);
        let mut verified = Verified { ok: true, different: 0, tenants: Vec::new() };
        for (tenant_id, _) in tenants {
            let tables = verify(&projection, &self.live, &self.log, self.keys.as_ref(), tenant_id).await?;
            verified.different += tables.iter().map(|table| table.different).sum::<i64>();
            verified.tenants.push(VerifiedTenant { tenant_id, tables });
        }
        verified.ok = verified.different == 0;
        Ok(verified)
    }
}

/// A projection beside a fold of the log in memory.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub ok: bool,
    /// Rows of all tenants and tables.
    pub different: i64,
    pub tenants: Vec<VerifiedTenant>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedTenant {
    pub tenant_id: TenantId,
    pub tables: Vec<TableCheck>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyOrRebuildError {
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
}
