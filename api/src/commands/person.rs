//! The erasure of a person (ADM-25, CNF-33; docs/privacy.md).

use actix_web::web;
use holdfast_commands::person::{Obstacle, obstacle};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_domain::person::{ErasureReason, Person, PersonCommand};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::PrivacyErase;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] =
    &[RouteSpec::command("POST", "/v1/privacy/persons/{personId}/erase", &[PrivacyErase], || web::post().to(erase_person))];

pub(crate) const CASES: &[AccessCase] =
    &[post("/v1/privacy/persons/{personId}/erase", Role::Ops, Role::TenantAdmin, ERASE, Foreign::Path(ForeignId::Party))];

const ERASE: &str = r#"{"confirm":"{party}","reason":"person_request"}"#;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ErasePerson {
    /// The id of the path again: what follows cannot be taken back.
    confirm: Uuid,
    /// `person_request`, `retention_ended`, `legal_order` or `not_a_person`.
    #[schema(value_type = String, example = "person_request")]
    reason: ErasureReason,
}

/// Destroy every key of a person, so that nothing personal that is kept about them can be read again, by anybody (ADM-25).
/// Cannot be taken back; a second time changes nothing. Fails with `PERSON_NOT_FOUND`, `PERSON_IN_OPEN_DISPUTE`, `PERSON_IS_CONTRACT`.
#[utoipa::path(post, path = "/v1/privacy/persons/{personId}/erase", tag = "privacy", params(("personId" = Uuid, Path)),
    request_body = ErasePerson, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn erase_person(
    caller: Caller,
    id: PathId<PartyId>,
    body: CommandBody<ErasePerson>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let (tenant_id, subject) = (caller.tenant_id, id.0);
    let ErasePerson { confirm, reason } = body.content;
    if confirm != subject.uuid() {
        return Err(ApiError::validation("confirm", "must be the id of the person in the path"));
    }
    let (pool, log) = (side.pool.clone(), side.log.clone());
    let asked = async move { obstacle(&pool, &log, tenant_id, subject).await.map_err(|error| ApiError::internal(&error)) };
    match shared.tasks.run(asked).await? {
        None => {}
        Some(Obstacle::Unknown) => return Err(ApiError::not_found("PERSON_NOT_FOUND", "person")),
        Some(Obstacle::Contract) => {
            let message = "this is a contract: its text is evidence, sealed under a key of its own";
            return Err(ApiError::conflict("PERSON_IS_CONTRACT", message, json!({})));
        }
        Some(Obstacle::OpenDisputes(disputes)) => {
            let message = "the person is a party to a dispute that is not closed: what they said is evidence until then";
            return Err(ApiError::conflict("PERSON_IN_OPEN_DISPUTE", message, json!({ "disputeIds": disputes })));
        }
    }
    let command = PersonCommand::Erase { subject, reason };
    execute::<Person>(&shared, &side, caller, subject.uuid(), command, body.fingerprint).await.map(Answered::ok)
}
