//! In-app signatures (CTR-24, CTR-40): by whoever is logged in as the signer, or by a link.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use holdfast_commands::Request;
use holdfast_domain::contract::{Contract, ContractCommand, ContractError, ContractStatus, Signature, SignatureMethod, Signer};
use holdfast_domain::kernel::{Actor, ActorKind, ContractId, Personal, Roles, SignerId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::auth::Capability::{ContractsSend, ContractsSign};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::load;
use crate::commands::{Side, execute, unsealed};
use crate::edge::EdgeContext;
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, NoContent, PathId, PathIds, PersonalText, Traces};
use crate::routes::{AccessCase, Foreign, ForeignId, Kind, RouteSpec, post};
use crate::signing_link::SigningLink;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/contracts/{contractId}/sign", &[ContractsSign], || web::post().to(sign_contract)),
    RouteSpec::command("POST", "/v1/contracts/{contractId}/signers/{signerId}/link", &[ContractsSend], || web::post().to(signing_link)),
    RouteSpec::signed("POST", "/v1/signing/{token}", Kind::Command, || web::post().to(sign_by_link)),
];

use holdfast_domain::kernel::Role::{Casting, Talent, TalentManager};

const CONTRACT: Foreign = Foreign::Path(ForeignId::Contract);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/contracts/{contractId}/sign", TalentManager, Talent, r#"{"typedName":"isolation","consent":true,"documentHash":"00"}"#, CONTRACT),
    post("/v1/contracts/{contractId}/signers/{signerId}/link", Casting, TalentManager, "{}", CONTRACT),
];

/// What every in-app signature agrees to; stored with it.
pub(crate) const CONSENT: &str =
    "I have read this document, I agree to sign it electronically, and I intend my typed name to be my signature.";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignContract {
    #[schema(value_type = String, example = "Ada Lovelace")]
    typed_name: PersonalText,
    /// Must be true: "I have read this document, I agree to sign it electronically, and I intend my typed name to be my signature."
    consent: bool,
    /// Of the text that was read; another one is `DOCUMENT_CHANGED`.
    document_hash: String,
}

/// Sign as the signer that the caller is (CTR-24). Fails with `NOT_A_SIGNER`, `ALREADY_SIGNED`, `NOT_YOUR_TURN`, `DOCUMENT_CHANGED`,
/// `CONSENT_REQUIRED` or `SIGNED_AT_PROVIDER`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/sign", tag = "contracts", params(("contractId" = Uuid, Path)),
    request_body = SignContract, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn sign_contract(
    caller: Caller,
    id: PathId<ContractId>,
    body: CommandBody<SignContract>,
    traces: Traces,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let contract = existing(&shared, &side, caller.tenant_id, id.0).await?;
    let entry = contract.signer_of(caller.actor.id).ok_or_else(|| ApiError::by_rule(&ContractError::NotASigner))?;
    let signature = signature(&shared, &side, caller.tenant_id, &entry.signer, body.content, traces, SignatureMethod::InApp).await?;
    let command = ContractCommand::Sign { signer_id: entry.signer.signer_id, signature: Box::new(signature) };
    execute::<Contract>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// For somebody without an account, or at another's desk.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningLinkAnswer {
    /// `GET` shows the text, `POST` signs it. Whoever has this path can do both: it goes to the signer and to nobody else.
    #[schema(example = "/v1/signing/eyJ0…")]
    path: String,
    expires_at: DateTime<Utc>,
}

/// A link by which one signer can read and sign without an account, for a day (CTR-24). The signature names who gave it out.
/// Fails with `SIGNER_NOT_FOUND` or, before it is sent and after it ended, `INVALID_CONTRACT_TRANSITION`.
#[utoipa::path(post, path = "/v1/contracts/{contractId}/signers/{signerId}/link", tag = "contracts",
    params(("contractId" = Uuid, Path), ("signerId" = Uuid, Path)), request_body = NoContent,
    responses((status = 201, body = SigningLinkAnswer)))]
pub(crate) async fn signing_link(
    caller: Caller,
    ids: PathIds<ContractId, SignerId>,
    _body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let PathIds(contract_id, signer_id) = ids;
    let contract = existing(&shared, &side, caller.tenant_id, contract_id).await?;
    contract.signer(signer_id).ok_or_else(|| ApiError::not_found("SIGNER_NOT_FOUND", "signer"))?;
    let status = contract.contract_status();
    if !matches!(status, ContractStatus::Sent | ContractStatus::PartiallySigned) {
        let action = holdfast_domain::contract::ContractAction::Sign;
        return Err(ApiError::by_rule(&ContractError::NotAllowed { status, action }));
    }
    let link = SigningLink::new(caller.tenant_id, contract_id, signer_id, caller.actor.id, Utc::now());
    let token = link.token(&shared.request_hash_key).ok_or_else(ApiError::internal_silent)?;
    Ok(HttpResponse::Created().json(SigningLinkAnswer { path: format!("/v1/signing/{token}"), expires_at: link.expires_at }))
}

/// Sign by a link (CTR-24). Fails like the signature of somebody who is logged in, and with `SIGNING_LINK_INVALID`.
#[utoipa::path(post, path = "/v1/signing/{token}", tag = "contracts", params(("token" = String, Path)), request_body = SignContract,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn sign_by_link(
    request: HttpRequest,
    context: EdgeContext,
    body: CommandBody<SignContract>,
    traces: Traces,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let link = link_of(&request, &shared)?;
    let contract = existing(&shared, &side, link.tenant_id, link.contract_id).await?;
    let entry = contract.signer(link.signer_id).ok_or_else(|| ApiError::by_rule(&ContractError::NotASigner))?;
    let method = SignatureMethod::Link { issued_by: link.issued_by };
    let signature = signature(&shared, &side, link.tenant_id, &entry.signer, body.content, traces, method).await?;
    // Whoever holds the link acts as the signer, and as nobody else.
    let actor = Actor { id: entry.signer.subject(), kind: ActorKind::User, roles: Roles::new(), amount_limits: Vec::new() };
    let command = Request::<Contract> {
        tenant_id: link.tenant_id,
        aggregate_id: link.contract_id.uuid(),
        command: ContractCommand::Sign { signer_id: link.signer_id, signature: Box::new(signature) },
        actor,
        request_id: context.request_id,
        correlation_id: context.correlation_id,
        causation_id: None,
        hops: 0,
        key: None,
        if_match: None,
        not_before: None,
    };
    let writers = side.writers.clone();
    let signed = async move { writers.execute(command).await.map_err(|refusal| ApiError::refused(refusal, false)) };
    shared.tasks.run(signed).await.map(Answered::ok)
}

/// The link in the path, if it is one of ours and has not ended.
pub(crate) fn link_of(request: &HttpRequest, shared: &Shared) -> Result<SigningLink, ApiError> {
    let token = request.match_info().get("token").unwrap_or_default();
    SigningLink::read(token, &shared.request_hash_key, Utc::now()).ok_or_else(ApiError::signing_link_invalid)
}

async fn existing(shared: &Shared, side: &Side, tenant_id: TenantId, id: ContractId) -> Result<Contract, ApiError> {
    let contract = load::<Contract>(shared, side, tenant_id, id.uuid()).await?;
    contract.ok_or_else(|| ApiError::by_rule(&ContractError::NotFound))
}

async fn signature(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    signer: &Signer,
    signed: SignContract,
    traces: Traces,
    method: SignatureMethod,
) -> Result<Signature, ApiError> {
    if !signed.consent {
        let details = json!({ "field": "consent", "sentence": CONSENT });
        return Err(ApiError::invalid("CONSENT_REQUIRED", "nobody signs without saying so", details));
    }
    let evidence = Evidence { typed_name: signed.typed_name.into_plain(), ip: traces.ip, user_agent: traces.user_agent };
    evidence.sealed(shared, side, tenant_id, signer, CONSENT.to_owned(), signed.document_hash, method).await
}

/// CTR-40: who, and from where.
pub(crate) struct Evidence {
    pub(crate) typed_name: String,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl Evidence {
    /// Under the signer's own key.
    #[expect(clippy::too_many_arguments, reason = "a signature has that many parts")]
    pub(crate) async fn sealed(
        self,
        shared: &Shared,
        side: &Side,
        tenant_id: TenantId,
        signer: &Signer,
        consent: String,
        document_hash: String,
        method: SignatureMethod,
    ) -> Result<Signature, ApiError> {
        let (sealer, subject) = (side.sealer.clone(), signer.subject());
        let sealing = async move {
            let seal = async |text: String| -> Result<Personal<String>, ApiError> {
                let sealed = sealer.seal(tenant_id, subject, &text).await;
                sealed.map_err(|error| unsealed(&error, "signatures cannot be sealed at the moment"))
            };
            let typed_name = seal(self.typed_name).await?;
            let ip = match self.ip {
                Some(ip) => Some(seal(ip).await?),
                None => None,
            };
            let user_agent = match self.user_agent {
                Some(user_agent) => Some(seal(user_agent).await?),
                None => None,
            };
            Ok(Signature { typed_name, consent, ip, user_agent, document_hash, method })
        };
        shared.tasks.run(sealing).await
    }
}
