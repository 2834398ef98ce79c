//! Commands on templates and clauses (CTR-11, CTR-13, CTR-15).

use actix_web::web;
use holdfast_domain::contract::{Clause, ClauseCommand, Template, TemplateCommand, TemplateStatus, Variable, clause_id};
use holdfast_domain::kernel::TemplateId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::TemplatesManage;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute, new_id};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId, Text};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/contract-templates", &[TemplatesManage], || web::post().to(create_template)),
    RouteSpec::command("PATCH", "/v1/contract-templates/{templateId}", &[TemplatesManage], || web::patch().to(update_template)),
    RouteSpec::command("POST", "/v1/clauses", &[TemplatesManage], || web::post().to(create_clause)),
];

use holdfast_domain::kernel::Role::{Casting, Ops, TenantAdmin};

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/contract-templates", Casting, TenantAdmin, r#"{"name":"isolation","bodyMd":"x"}"#, Foreign::OwnTenantOnly),
    with("PATCH", "/v1/contract-templates/{templateId}", Ops, TenantAdmin, r#"{"name":"isolation"}"#, Foreign::Path(ForeignId::Template)),
    post("/v1/clauses", Casting, TenantAdmin, r#"{"key":"isolation.{unique}","title":"isolation","bodyMd":"x"}"#, Foreign::OwnTenantOnly),
];

/// A declared variable: `{{name}}` in the text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewVariable {
    /// A lower-case letter, then letters, digits and `_`.
    #[schema(example = "call_time")]
    name: String,
    #[serde(default)]
    description: String,
    /// A contract cannot be made without a value or a default.
    #[serde(default)]
    required: bool,
    default: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewTemplate {
    #[schema(value_type = String)]
    name: Text,
    /// Markdown with `{{name}}` for values and `{{clause:key}}` for clauses of the library.
    body_md: String,
    #[serde(default)]
    variables: Vec<NewVariable>,
    /// `published` when none is given: only published ones make contracts.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    status: TemplateStatus,
}

/// Write a template (CTR-11). Fails with `VARIABLE_UNDECLARED` or `PLACEHOLDER_INVALID`, which name what is wrong.
#[utoipa::path(post, path = "/v1/contract-templates", tag = "contracts", request_body = NewTemplate,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_template(
    caller: Caller,
    body: CommandBody<NewTemplate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let NewTemplate { name, body_md, variables: wanted, status } = body.content;
    let id = new_id(&caller, "template.create");
    let command = TemplateCommand::Create { name: name.into_string(), body_md, variables: variables(wanted), status };
    execute::<Template>(&shared, &side, caller, id, command, body.fingerprint).await.map(Answered::created)
}

/// What is given replaces what was there and makes the next version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TemplateUpdate {
    #[schema(value_type = Option<String>)]
    name: Option<Text>,
    body_md: Option<String>,
    variables: Option<Vec<NewVariable>>,
    #[schema(value_type = Option<String>)]
    status: Option<TemplateStatus>,
}

/// Change a template; contracts made of earlier versions stay as they are (CTR-13). Fails with `TEMPLATE_NOT_FOUND`.
#[utoipa::path(patch, path = "/v1/contract-templates/{templateId}", tag = "contracts", params(("templateId" = Uuid, Path)),
    request_body = TemplateUpdate, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn update_template(
    caller: Caller,
    id: PathId<TemplateId>,
    body: CommandBody<TemplateUpdate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let TemplateUpdate { name, body_md, variables: wanted, status } = body.content;
    let command = TemplateCommand::Update { name: name.map(Text::into_string), body_md, variables: wanted.map(variables), status };
    execute::<Template>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

fn variables(wanted: Vec<NewVariable>) -> Vec<Variable> {
    let variable = |NewVariable { name, description, required, default }| Variable { name, description, required, default };
    wanted.into_iter().map(variable).collect()
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewClause {
    /// A lower-case letter, then letters, digits, `_`, `-` and `.`; what templates call it by.
    #[schema(example = "overtime")]
    key: String,
    #[schema(value_type = String)]
    title: Text,
    /// Markdown; may ask for `{{name}}`, not for other clauses.
    body_md: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// Add a clause to the library (CTR-15). Fails with `CLAUSE_KEY_TAKEN`.
#[utoipa::path(post, path = "/v1/clauses", tag = "contracts", request_body = NewClause, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_clause(caller: Caller, body: CommandBody<NewClause>, shared: Shared, side: Side) -> Result<Answered, ApiError> {
    let NewClause { key, title, body_md, tags } = body.content;
    let id = clause_id(caller.tenant_id, &key);
    let command = ClauseCommand::Create { key, title: title.into_string(), body_md, tags };
    execute::<Clause>(&shared, &side, caller, id.uuid(), command, body.fingerprint).await.map(Answered::created)
}
