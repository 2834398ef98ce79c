//! Questions about contracts (CTR-16, CTR-18, CTR-22).

use chrono::{DateTime, Utc};
use holdfast_domain::contract::{Contract, ContractStatus};
use holdfast_domain::kernel::{BookingId, ContractId, JobId, PartyId, SignerId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::PROJECTION;
use crate::contract::detail::{ContractDetail, ContractText, SigningPage};
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, Stored};

/// Who sees a contract as its own, for `a`, an event of it.
pub(crate) const PARTIES: &str =
    "SELECT c.party_ids FROM contracts c WHERE c.tenant_id = a.tenant_id AND c.id = a.entity_id AND c.status <> 'draft'";

/// Who asks: staff see all; a party sees, once they were sent, the contracts that it signs, pays or is paid by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Staff,
    Party(PartyId),
}

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct ContractFilter {
    pub status: Option<ContractStatus>,
    pub job_id: Option<JobId>,
    pub booking_id: Option<BookingId>,
    /// Created at or after.
    pub from: Option<DateTime<Utc>>,
    /// Created before.
    pub to: Option<DateTime<Utc>>,
    pub direction: Direction,
}

/// CTR-16.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractSummary {
    pub id: Uuid,
    /// What `If-Match` takes.
    pub version: i64,
    /// `draft`, `sent`, `partially_signed`, `signed` or `void`: the attribute that policies ask for (CTR-47).
    pub status: String,
    pub title: String,
    pub job_id: Option<Uuid>,
    pub booking_id: Option<Uuid>,
    pub template_id: Option<Uuid>,
    pub payer_id: Option<Uuid>,
    pub payee_id: Option<Uuid>,
    /// How many are to sign.
    pub signers: usize,
    /// How many have.
    pub signed: usize,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub signed_at: Option<DateTime<Utc>>,
    pub voided_at: Option<DateTime<Utc>>,
}

/// CTR-22, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactEntry {
    pub kind: String,
    pub storage_key: String,
    pub sha256: String,
    pub size: u64,
    pub mime: String,
}

/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    reader: Reader,
    filter: &ContractFilter,
    page: &Page,
) -> Result<Read<List<ContractSummary>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows = runtime::list::<Contract>(&mut reading, page, filter.direction, |sql| narrow(sql, reader, filter)).await?;
    let rows = rows.try_map(|row| Ok(summary(&row)))?;
    reading.end(rows).await
}

fn narrow(sql: &mut QueryBuilder<'_, Postgres>, reader: Reader, filter: &ContractFilter) {
    if let Reader::Party(party_id) = reader {
        sql.push(" AND status <> 'draft' AND party_ids @> ARRAY[").push_bind(party_id.uuid()).push("]");
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(job_id) = filter.job_id {
        sql.push(" AND job_id = ").push_bind(job_id.uuid());
    }
    if let Some(booking_id) = filter.booking_id {
        sql.push(" AND booking_id = ").push_bind(booking_id.uuid());
    }
    if let Some(from) = filter.from {
        sql.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND created_at < ").push_bind(to);
    }
}

pub(super) fn summary(row: &Stored<Contract>) -> ContractSummary {
    let contract = &row.state;
    let terms = contract.terms();
    ContractSummary {
        id: row.id,
        version: row.version,
        status: contract.contract_status().as_str().to_owned(),
        title: contract.current_version().map(|version| version.title.clone()).unwrap_or_default(),
        job_id: terms.and_then(|terms| terms.job_id).map(JobId::uuid),
        booking_id: contract.booking_id().map(BookingId::uuid),
        template_id: terms.and_then(|terms| terms.template).map(|template| template.id.uuid()),
        payer_id: contract.payer_id().map(PartyId::uuid),
        payee_id: contract.payee_id().map(PartyId::uuid),
        signers: contract.signers().len(),
        signed: contract.signers().iter().filter(|entry| entry.signature.is_some()).count(),
        created_at: row.created_at,
        updated_at: row.updated_at,
        sent_at: contract.sent_at(),
        signed_at: contract.signed_at(),
        voided_at: contract.voided_at(),
    }
}

/// The tenant's contract, when the reader may see it.
async fn find(reading: &mut Reading, reader: Reader, id: ContractId) -> Result<Option<Stored<Contract>>, QueryError> {
    let row = runtime::find::<Contract>(reading, id.uuid()).await?;
    Ok(row.filter(|row| is_visible(&row.state, reader)))
}

fn is_visible(contract: &Contract, reader: Reader) -> bool {
    let Reader::Party(party_id) = reader else { return true };
    let sent = contract.contract_status() != ContractStatus::Draft;
    let named = [contract.payer_id(), contract.payee_id()].contains(&Some(party_id));
    sent && (named || contract.signers().iter().any(|entry| entry.signer.party_id == Some(party_id)))
}

/// None when the tenant has no such contract, or the reader may not see it.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(pool: &Pool, tenant_id: TenantId, reader: Reader, id: ContractId) -> Result<Read<Option<ContractDetail>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let row = find(&mut reading, reader, id).await?;
    reading.end(row.map(|row| ContractDetail::of(&row, reader))).await
}

/// Number, title, hash, body and time.
type VersionRow = (i32, String, String, Json<Value>, DateTime<Utc>);

/// One version of its text (CTR-04); to staff only, who alone have seen drafts.
///
/// # Errors
/// When the database does not answer.
pub async fn version(pool: &Pool, tenant_id: TenantId, id: ContractId, number: u32) -> Result<Read<Option<ContractText>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let row: Option<VersionRow> = sqlx::query_as(
        "SELECT number, title, hash, body, at FROM contract_versions WHERE tenant_id = $1 AND contract_id = $2 AND number = $3",
    )
    .bind(tenant_id.uuid())
    .bind(id.uuid())
    .bind(i32::try_from(number).unwrap_or(i32::MAX))
    .fetch_optional(reading.connection())
    .await?;
    let text = row.map(|(number, title, hash, body, created_at)| ContractText {
        number: number.unsigned_abs(),
        title,
        hash,
        body_md: body.0.get("value").and_then(Value::as_str).map(str::to_owned),
        created_at,
    });
    reading.end(text).await
}

/// CTR-22. None when there is no such contract for the reader.
///
/// # Errors
/// When the database does not answer.
pub async fn artifacts(
    pool: &Pool,
    tenant_id: TenantId,
    reader: Reader,
    id: ContractId,
) -> Result<Read<Option<Vec<ArtifactEntry>>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let row = find(&mut reading, reader, id).await?;
    let artifacts = row.map(|row| {
        let entry = |artifact: &holdfast_domain::contract::Artifact| ArtifactEntry {
            kind: artifact.kind.to_string(),
            storage_key: artifact.storage_key.clone(),
            sha256: artifact.sha256.clone(),
            size: artifact.size,
            mime: artifact.mime.clone(),
        };
        row.state.artifacts().iter().map(entry).collect()
    });
    reading.end(artifacts).await
}

/// What somebody with a link sees before signing (CTR-24). None when there is no such signer of a contract that was sent.
///
/// # Errors
/// When the database does not answer.
pub async fn signing_page(
    pool: &Pool,
    tenant_id: TenantId,
    id: ContractId,
    signer_id: SignerId,
) -> Result<Read<Option<SigningPage>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let row = find(&mut reading, Reader::Staff, id).await?;
    reading.end(row.and_then(|row| SigningPage::of(&row, signer_id))).await
}
