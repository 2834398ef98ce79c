//! Certificates of erasure (ADM-25).

use actix_web::web;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_projections::person;
use holdfast_projections::person::CertificateView;

use crate::auth::Capability::PrivacyErase;
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, found};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] =
    &[RouteSpec::query("/v1/privacy/persons/{personId}/certificate", &[PrivacyErase], || web::get().to(erasure_certificate))];

pub(crate) const CASES: &[AccessCase] =
    &[get("/v1/privacy/persons/{personId}/certificate", Role::Auditor, Role::TenantAdmin, Foreign::Path(ForeignId::Party))];

/// That a person was erased: by which events, how many keys were destroyed, when. Fails with `PERSON_NOT_ERASED`.
#[utoipa::path(get, path = "/v1/privacy/persons/{personId}/certificate", tag = "privacy", params(("personId" = Uuid, Path)),
    responses((status = 200, body = CertificateView)))]
pub(crate) async fn erasure_certificate(
    caller: Caller,
    id: PathId<PartyId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<CertificateView>, ApiError> {
    let tenant_id = caller.tenant_id;
    let question = |pool| async move { person::certificate(&pool, tenant_id, id.0).await };
    let read = ask(&shared, &side, &caller, minimum, &[person::PROJECTION], question).await?;
    found(read, "PERSON_NOT_ERASED", "certificate")
}
