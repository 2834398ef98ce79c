//! What signing providers tell us (CTR-25). The signature over the body is the only thing that is trusted: it says which
//! provider speaks, and tenant and contract are what we sent along with the document.

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_commands::esign::{ProviderEvent, SignerSigned, WebhookSecret};
use holdfast_commands::{IdempotencyKey, KeyOwner, Refusal, Request};
use holdfast_domain::contract::{Contract, ContractCommand, ESignProvider, SignatureMethod};
use holdfast_domain::kernel::{Actor, PartyId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::commands::Side;
use crate::commands::facts::load;
use crate::commands::signing::Evidence;
use crate::edge::EdgeContext;
use crate::error::ApiError;
use crate::routes::{Kind, RouteSpec};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[RouteSpec::signed("POST", "/v1/esign/webhook", Kind::Command, || web::post().to(receive))];

/// Providers whose messages we take, each with the secret that we share.
#[derive(Debug, Clone, Default)]
pub struct WebhookSecrets(pub Vec<(ESignProvider, WebhookSecret)>);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookAnswer {
    /// `recorded`; `repeated` when it had been before; `ignored` when it is not about anything of ours, or comes too late.
    #[schema(example = "recorded")]
    outcome: &'static str,
}

/// A message of a signing provider, signed as Standard Webhooks says: headers `webhook-id`, `webhook-timestamp`, `webhook-signature`
/// (CTR-25). The same id again changes nothing. Fails with `WEBHOOK_SIGNATURE_INVALID`; anything but 200 asks for a repetition.
#[utoipa::path(post, path = "/v1/esign/webhook", tag = "contracts", request_body = Object,
    responses((status = 200, body = WebhookAnswer), (status = 401, description = "`WEBHOOK_SIGNATURE_INVALID`")))]
pub(crate) async fn receive(
    request: HttpRequest,
    context: EdgeContext,
    body: Bytes,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let provider = sender(&side.webhooks, &request, &body).ok_or_else(ApiError::webhook_signature_invalid)?;
    let message_id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let event: ProviderEvent = serde_json::from_slice(&body).map_err(|error| ApiError::validation("body", error))?;
    if event.kind != ProviderEvent::SIGNER_SIGNED {
        return Ok(answer("ignored"));
    }
    let signed: SignerSigned = serde_json::from_value(event.data).map_err(|error| ApiError::validation("data", error))?;
    record(&shared, &side, context, provider, message_id, signed).await.map(answer)
}

/// Whose secret the message was signed with.
fn sender(secrets: &WebhookSecrets, request: &HttpRequest, body: &[u8]) -> Option<ESignProvider> {
    let headers = || request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    secrets.0.iter().find(|(_, secret)| secret.verify(headers(), body).is_ok()).map(|(provider, _)| *provider)
}

async fn record(
    shared: &Shared,
    side: &Side,
    context: EdgeContext,
    provider: ESignProvider,
    message_id: &str,
    signed: SignerSigned,
) -> Result<&'static str, ApiError> {
    let (tenant_id, contract_id) = (signed.metadata.tenant_id, signed.metadata.contract_id);
    let ignored = |why: &'static str| {
        tracing::warn!(%provider, %tenant_id, contract = %contract_id, why, "a provider's message was ignored");
        Ok("ignored")
    };
    let Some(contract) = load::<Contract>(shared, side, tenant_id, contract_id.uuid()).await? else { return ignored("no such contract") };
    let Some(envelope) = contract.envelope() else {
        if contract.provider() != provider {
            return ignored("not this provider's");
        }
        // It was faster than we are: its id is on its way into the log.
        return Err(ApiError::unavailable("this envelope is not known yet"));
    };
    if envelope.provider != provider || envelope.envelope_id != signed.envelope_id {
        return ignored("no such envelope");
    }
    let Some(entry) = contract.signer(signed.signer_id) else { return ignored("no such signer") };
    let method = SignatureMethod::Provider { provider, envelope_id: signed.envelope_id, provider_event_id: message_id.to_owned() };
    let consent = format!("Signed at the provider {provider}, by its procedure.");
    let evidence = Evidence { typed_name: signed.typed_name, ip: signed.ip, user_agent: signed.user_agent };
    let document_hash = signed.metadata.document_hash;
    let signature = evidence.sealed(shared, side, tenant_id, &entry.signer, consent, document_hash, method).await?;
    let command = ContractCommand::Sign { signer_id: signed.signer_id, signature: Box::new(signature) };
    let key =
        IdempotencyKey { owner: KeyOwner::System("esign_webhook"), key: format!("{provider}/{message_id}"), request_hash: Vec::new() };
    let request = Request::<Contract> {
        tenant_id,
        aggregate_id: contract_id.uuid(),
        command,
        actor: Actor::system(PartyId(Uuid::nil())),
        request_id: context.request_id,
        correlation_id: context.correlation_id,
        causation_id: None,
        hops: 0,
        key: Some(key),
        if_match: None,
        not_before: None,
    };
    let writers = side.writers.clone();
    match shared.tasks.run(async move { Ok(writers.execute(request).await) }).await? {
        Ok(accepted) if accepted.replayed || accepted.events.is_empty() => Ok("repeated"),
        Ok(_) => Ok("recorded"),
        // It would be refused again: the contract is void, or the text is another one.
        Err(Refusal::Rejected { rejection, .. }) => {
            tracing::error!(%provider, %tenant_id, contract = %contract_id, code = rejection.code, "a provider's signature was refused");
            Ok("ignored")
        }
        Err(refusal) => Err(ApiError::refused(refusal, false)),
    }
}

fn answer(outcome: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(WebhookAnswer { outcome })
}
