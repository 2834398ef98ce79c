//! The OpenAPI document (NFR-10). Handlers say what is special about them; what holds for every route (headers,
//! errors, security) is added here from the route table, so that it cannot be forgotten.

mod links; // from what is made to where its id is used

use holdfast_projections::query::Page;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, SchemaFormat,
    Type,
};

use crate::error::ErrorBody;
use crate::routes::{self, Access, Kind, RouteSpec};
use crate::{commands, event_pages, files, platform, queries};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "Holds other people's money until the work is done: escrows, wallets and the double-entry ledger under them. \
            Commands and queries are apart. A command answers only after its events are stored; send its `position` as `X-Min-Position` \
            to see it in a query. Amounts are decimal strings beside an ISO 4217 currency; times are RFC 3339, UTC."
    ),
    paths(
        commands::escrow::create_escrow,
        commands::escrow::fund_escrow,
        commands::escrow::lock_escrow,
        commands::escrow::start_work,
        commands::escrow::submit_delivery,
        commands::escrow::approve_delivery,
        commands::escrow::make_releasable,
        commands::escrow::release_escrow,
        commands::escrow::release_partially,
        commands::escrow_end::refund_escrow,
        commands::escrow_end::decline_refund,
        commands::escrow_end::cancel_escrow,
        commands::escrow::create_escrow_short,
        commands::escrow::fund_named_escrow,
        commands::escrow::release_named_escrow,
        commands::escrow_end::refund_named_escrow,
        commands::dispute::dispute_escrow,
        commands::dispute::dispute_named_escrow,
        commands::dispute::raise_dispute,
        commands::dispute::widen_dispute,
        commands::dispute::concede_dispute,
        commands::dispute::add_evidence,
        commands::dispute::assign_dispute,
        commands::dispute::request_decision,
        commands::dispute::decide_dispute,
        commands::dispute::close_dispute,
        commands::dispute::escalate_dispute,
        commands::wallet::freeze_wallet,
        commands::wallet::unfreeze_wallet,
        commands::wallet::close_wallet,
        commands::wallet::transfer,
        commands::wallet::approve_transfer,
        commands::wallet::reject_transfer,
        commands::credits::issue_credits,
        commands::credits::revoke_credits,
        commands::credits::purchase_credits,
        commands::credits::consume_credits,
        commands::credits::reserve_credits,
        commands::credits::consume_reserved_credits,
        commands::credits::release_credits,
        commands::asset::presign_upload,
        commands::asset::confirm_upload,
        commands::asset::delete_asset,
        commands::person::erase_person,
        commands::session::revoke_session,
        commands::session::end_session,
        commands::bank_receipt::record_bank_receipt,
        commands::bank_receipt::assign_bank_receipt,
        commands::tenant::change_settings,
        commands::dead_letter::redrive_own,
        commands::dead_letter::redrive_any,
        commands::dead_letter::replay_any,
        commands::projection::rebuild_projection,
        commands::projection::verify_projection,
        commands::projection::swap_back_projection,
        commands::projection::try_projection,
        commands::projection::pause_projection,
        commands::projection::resume_projection,
        commands::projection::swap_run,
        commands::template::create_template,
        commands::template::update_template,
        commands::template::create_clause,
        commands::contract::create_contract,
        commands::contract::edit_contract,
        commands::contract::add_signer,
        commands::contract::send_contract,
        commands::contract::void_contract,
        commands::contract::reach_milestone,
        commands::signing::sign_contract,
        commands::signing::signing_link,
        commands::signing::sign_by_link,
        commands::esign_webhook::receive,
        commands::job::create_job,
        commands::job::update_job,
        commands::job::publish_job,
        commands::job::close_job,
        commands::job::add_submission,
        commands::job::update_submission,
        commands::job::shortlist,
        commands::booking::place_hold,
        commands::booking::release_hold,
        commands::booking::create_booking,
        commands::booking::change_booking,
        commands::booking::confirm_booking,
        commands::booking::cancel_booking,
        commands::booking_work::accept_booking,
        commands::booking_work::start_booking,
        commands::booking_work::complete_booking,
        commands::booking_work::issue_otp,
        commands::call_sheet::save_call_sheet,
        commands::call_sheet::publish_call_sheet,
        commands::batch::execute_batch,
        queries::escrow::list_escrows,
        queries::escrow::due_escrows,
        queries::escrow::escrow_detail,
        queries::escrow::escrow_timeline,
        queries::escrow::escrow_accounts,
        queries::escrow::escrow_transactions,
        queries::escrow::escrow_ledger,
        queries::dispute::list_disputes,
        queries::dispute::dispute_detail,
        queries::wallet::list_wallets,
        queries::wallet::wallet_balance,
        queries::wallet::wallet_ledger,
        queries::wallet::list_transfers,
        queries::statement::list_statements,
        queries::statement::statement_detail,
        queries::credits::credits_balance,
        queries::credits::credits_ledger,
        queries::ledger::trial_balance,
        queries::ledger::ledger_health,
        queries::audit::list_audit_logs,
        queries::audit::list_audit,
        queries::audit::export_audit_logs,
        queries::replay::stream_events,
        queries::replay::stream_state,
        queries::replay::explain,
        queries::proof::export_log,
        queries::proof::list_seals,
        queries::proof::prove_inclusion,
        queries::proof::prove_consistency,
        queries::proof::seal_keys,
        queries::contract::list_templates,
        queries::contract::template_detail,
        queries::contract::list_clauses,
        queries::contract::list_contracts,
        queries::contract::contract_detail,
        queries::contract::contract_version,
        queries::contract::list_artifacts,
        queries::contract::signing_page,
        queries::job::list_jobs,
        queries::job::job_detail,
        queries::job::list_submissions,
        queries::booking::list_holds,
        queries::booking::list_bookings,
        queries::booking::booking_detail,
        queries::booking::call_sheet,
        queries::booking::call_sheet_document,
        queries::asset::list_assets,
        queries::asset::asset_detail,
        queries::asset::download_asset,
        queries::person::erasure_certificate,
        queries::dead_letter::list_dead_letters,
        queries::projection::list_projections,
        queries::projection::list_runs,
        queries::projection::run_detail,
        queries::push::push_events,
        files::take_file,
        files::give_file,
        platform::healthz,
        platform::readyz,
        platform::prometheus,
        platform::published_keys,
        platform::openapi_document,
        event_pages::async_api_document,
        event_pages::events_page,
    ),
    components(schemas(ErrorBody))
)]
struct Handlers;

/// The whole document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Handlers::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_with(Components::new).add_security_scheme("bearer", bearer);
    for spec in routes::all() {
        if let Some(operation) = document.paths.paths.get_mut(spec.path).and_then(|item| operation_of(item, spec.method)) {
            complete(operation, spec);
        }
    }
    links::add(&mut document);
    document
}

fn operation_of<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// Adds what the route table and the edge make true of this route.
fn complete(operation: &mut Operation, spec: &RouteSpec) {
    let needed: Vec<_> = match spec.access {
        Access::Requires(any_of) => any_of.iter().map(|capability| format!("`{}`", capability.as_str())).collect(),
        Access::Authenticated => vec!["a token; each command what its own route needs".to_owned()],
        Access::Public => return,
        // Without a token of ours, and refused in the same ways.
        Access::Signed => return add_errors(operation, spec),
    };
    let description = operation.description.take().or_else(|| operation.summary.clone()).unwrap_or_default();
    operation.description = Some(format!("{description}\n\nNeeds {}.", needed.join(" or ")));
    operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(headers(spec).into_iter().map(RefOr::T));
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "limit"
        {
            parameter.schema = Some(RefOr::T(page_size()));
        }
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let position =
                HeaderBuilder::new().schema(Some(integer())).description(Some("The position of the tenant's log that this shows."));
            response.headers.insert("X-Position".to_owned(), RefOr::T(position.build()));
        }
    }
    add_errors(operation, spec);
}

fn add_errors(operation: &mut Operation, spec: &RouteSpec) {
    for (status, description) in errors(spec) {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let response = ResponseBuilder::new().description(*description).content("application/json", body).build();
        operation.responses.responses.entry((*status).to_owned()).or_insert(RefOr::T(response));
    }
}

fn headers(spec: &RouteSpec) -> Vec<Parameter> {
    let mut headers = vec![header("X-Tenant-Id", id(), false, "Must be the tenant of the token.")];
    match spec.kind {
        // Its commands carry their own.
        Kind::Command if spec.access == Access::Authenticated => {}
        Kind::Command => {
            let about = "1 to 255 visible characters. The same key with the same request gets the first answer again, marked `Idempotency-Replayed`.";
            headers.push(header("Idempotency-Key", text("^[!-~]{1,255}$"), spec.money, about));
            let version = text(r#"^(W/)?([0-9]{1,18}|"[0-9]{1,18}")$"#);
            headers.push(header("If-Match", version, false, "The version that you have seen; another one is 412 `VERSION_CONFLICT`."));
        }
        Kind::Query => headers.push(header("X-Min-Position", integer(), false, "Wait until this position of the tenant's log is visible.")),
        Kind::Platform => {}
    }
    headers
}

fn header(name: &str, schema: Schema, required: bool, about: &str) -> Parameter {
    let required = if required { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn text(pattern: &str) -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build())
}

fn id() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build())
}

/// Zero or more, of 64 bits.
fn integer() -> Schema {
    let integer = ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    Schema::Object(integer.minimum(Some(0)).build())
}

/// Of every list (`projections::query::Page`).
fn page_size() -> Schema {
    let most = u32::try_from(Page::MAX).unwrap_or(u32::MAX);
    Schema::Object(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most)).build())
}

/// What any route of this kind may answer besides success.
fn errors(spec: &RouteSpec) -> &'static [(&'static str, &'static str)] {
    const QUERY: &[(&str, &str)] = &[
        ("400", "`VALIDATION_FAILED`: names the field"),
        ("401", "`UNAUTHENTICATED`, `SESSION_REVOKED`"),
        ("403", "`POLICY_DENIED`"),
        ("404", "`*_NOT_FOUND`: missing, or another's"),
        ("500", "`INTERNAL`"),
        ("503", "`PROJECTION_BEHIND`, `UNAVAILABLE`, `OVERLOADED`; with `Retry-After`"),
    ];
    const COMMAND: &[(&str, &str)] = &[
        ("400", "`VALIDATION_FAILED`, `IDEMPOTENCY_KEY_REQUIRED`"),
        ("401", "`UNAUTHENTICATED`, `SESSION_REVOKED`"),
        ("403", "`POLICY_DENIED`, `TENANT_DISABLED`"),
        ("404", "`*_NOT_FOUND`: missing, or another's"),
        ("408", "`REQUEST_TIMEOUT`: the body did not arrive in time"),
        ("409", "`INVALID_*_TRANSITION`, `IDEMPOTENCY_KEY_IN_FLIGHT`"),
        ("412", "`VERSION_CONFLICT`: If-Match names another version"),
        ("413", "`PAYLOAD_TOO_LARGE`"),
        ("415", "`UNSUPPORTED_MEDIA_TYPE`"),
        ("422", "A rule refuses these values; `AMOUNT_INVALID`, `AMOUNT_PRECISION`, `IDEMPOTENCY_KEY_REUSED`"),
        ("500", "`INTERNAL`"),
        ("503", "`OVERLOADED`, `UNAVAILABLE`, `OUTCOME_UNKNOWN`: repeat with the same key; with `Retry-After`"),
    ];
    if spec.kind == Kind::Command { COMMAND } else { QUERY }
}

/// Method and path of every operation in the document.
#[cfg(test)]
pub(crate) fn operations() -> std::collections::BTreeSet<(String, String)> {
    let mut document = document();
    let mut found = std::collections::BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if operation_of(item, method).is_some() {
                found.insert((method.to_owned(), path.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_documents_its_headers_errors_and_capability() {
        let mut document = document();
        for spec in routes::all().filter(|spec| matches!(spec.access, Access::Requires(_))) {
            let item = document.paths.paths.get_mut(spec.path).unwrap();
            let operation = serde_json::to_value(operation_of(item, spec.method).unwrap()).unwrap();
            let names: Vec<_> =
                operation["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert!(names.contains(&"X-Tenant-Id"), "{}", spec.path);
            assert_eq!(names.contains(&"Idempotency-Key"), spec.kind == Kind::Command, "{}", spec.path);
            assert_eq!(names.contains(&"X-Min-Position"), spec.kind == Kind::Query, "{}", spec.path);
            assert!(spec.path.split('{').skip(1).all(|rest| names.contains(&rest.split('}').next().unwrap())), "{}", spec.path);
            for (status, _) in errors(spec) {
                assert!(operation["responses"].get(status).is_some(), "{} has no {status}", spec.path);
            }
            assert!(operation["description"].as_str().unwrap().contains("Needs `"), "{}", spec.path);
            assert!(operation["security"].is_array(), "{}", spec.path);
        }
    }

    #[test]
    fn what_comes_with_a_signature_of_its_own_documents_its_errors_too() {
        let mut document = document();
        for spec in routes::all().filter(|spec| spec.access == Access::Signed) {
            let item = document.paths.paths.get_mut(spec.path).unwrap();
            let operation = serde_json::to_value(operation_of(item, spec.method).unwrap()).unwrap();
            for (status, _) in errors(spec) {
                assert!(operation["responses"].get(status).is_some(), "{} has no {status}", spec.path);
            }
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let text = serde_json::to_value(document()).unwrap();
        let ids: Vec<_> = text["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .filter_map(|operation| operation.get("operationId").and_then(serde_json::Value::as_str))
            .collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(ids.len(), unique.len());
    }
}
