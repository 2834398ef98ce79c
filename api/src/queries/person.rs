//! Certificates of erasure (ADM-25).

use actix_web::web;
use actix_web::web::Data;
use holdfast_domain::kernel::{PartyId, Role, TenantId};
use holdfast_domain::person::ErasureReason;
use holdfast_eventlog::seal::{self, ErasureCertificate};
use holdfast_projections::person;
use holdfast_projections::person::CertificateView;
use holdfast_projections::query::Read;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit::AuditSide;
use crate::auth::Capability::PrivacyErase;
use crate::error::ApiError;
use crate::queries::proof::{SealView, hex, unavailable};
use crate::queries::{MinPosition, Shown, Side, ask, found};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] =
    &[RouteSpec::query("/v1/privacy/persons/{personId}/certificate", &[PrivacyErase], || web::get().to(erasure_certificate))];

pub(crate) const CASES: &[AccessCase] =
    &[get("/v1/privacy/persons/{personId}/certificate", Role::Auditor, Role::TenantAdmin, Foreign::Path(ForeignId::Party))];

/// How far the erasure has come, and the proof that it was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasureView {
    #[serde(flatten)]
    erasure: CertificateView,
    /// Null until a seal covers the end of the keys. Verified offline with `holdfast person verify`.
    signed: Option<SignedCertificateView>,
}

/// What the sealing key has signed; docs/privacy.md has every byte.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedCertificateView {
    #[schema(value_type = Uuid)]
    tenant_id: TenantId,
    #[schema(value_type = Uuid)]
    subject: PartyId,
    #[schema(value_type = Uuid)]
    requested_by: PartyId,
    #[schema(value_type = String)]
    reason: ErasureReason,
    erased_event_id: Uuid,
    erased_position: i64,
    /// As it is signed: RFC 3339 with six decimals.
    #[schema(value_type = String, format = DateTime)]
    erased_at: String,
    keys_destroyed_event_id: Uuid,
    keys_destroyed_position: i64,
    #[schema(value_type = String, format = DateTime)]
    keys_destroyed_at: String,
    keys: u32,
    /// Of `person.keys_destroyed` in the tenant's tree, in hexadecimal.
    leaf_hash: String,
    /// The head that covers both events.
    seal: SealView,
    key_id: String,
    /// Ed25519 in base64.
    signature: String,
}

impl From<ErasureCertificate> for SignedCertificateView {
    fn from(certificate: ErasureCertificate) -> Self {
        Self {
            tenant_id: certificate.tenant_id,
            subject: certificate.subject,
            requested_by: certificate.requested_by,
            reason: certificate.reason,
            erased_event_id: certificate.erased_event_id,
            erased_position: certificate.erased_position,
            erased_at: certificate.erased_at.as_str().to_owned(),
            keys_destroyed_event_id: certificate.keys_destroyed_event_id,
            keys_destroyed_position: certificate.keys_destroyed_position,
            keys_destroyed_at: certificate.keys_destroyed_at.as_str().to_owned(),
            keys: certificate.keys,
            leaf_hash: hex(&certificate.leaf_hash),
            seal: certificate.seal.into(),
            key_id: certificate.key_id,
            signature: certificate.signature,
        }
    }
}

/// That a person was erased: by which events, how many keys were destroyed, when; signed. Fails with `PERSON_NOT_ERASED`.
#[utoipa::path(get, path = "/v1/privacy/persons/{personId}/certificate", tag = "privacy", params(("personId" = Uuid, Path)),
    responses((status = 200, body = ErasureView)))]
pub(crate) async fn erasure_certificate(
    caller: Caller,
    id: PathId<PartyId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
    audit: Option<Data<AuditSide>>,
) -> Result<Shown<ErasureView>, ApiError> {
    let (tenant_id, subject) = (caller.tenant_id, id.0);
    let question = |pool| async move { person::certificate(&pool, tenant_id, subject).await };
    let read = ask(&shared, &side, &caller, minimum, &[person::PROJECTION], question).await?;
    let Shown(Read { position, value: erasure }) = found(read, "PERSON_NOT_ERASED", "certificate")?;
    let Some(pool) = audit.map(|side| side.pool.clone()) else {
        return Ok(Shown(Read { position, value: ErasureView { erasure, signed: None } }));
    };
    let signed = async move {
        let mut tx = pool.begin_tenant_read(tenant_id).await.map_err(|error| unavailable(&error))?;
        let signed = seal::erasure_certificate(&mut tx, tenant_id, subject).await.map_err(|error| unavailable(&error))?;
        tx.rollback().await.map_err(|error| unavailable(&error))?;
        Ok(signed)
    };
    let signed = shared.tasks.run(signed).await?.map(SignedCertificateView::from);
    Ok(Shown(Read { position, value: ErasureView { erasure, signed } }))
}
