//! Many commands of one caller in one request. Each goes through the door that it would have come through alone: the same
//! guard, the same handler, an answer of its own. What is saved is a request's worth of HTTP; the writers see them all at once.

use std::rc::Rc;

use actix_http::{Payload, Request};
use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER};
use actix_web::http::{Method, Uri};
use actix_web::web::{Bytes, Json};
use actix_web::{Error, HttpRequest, web};
use futures::future::LocalBoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use utoipa::ToSchema;

use crate::edge::EdgeContext;
use crate::error::ApiError;
use crate::request::read_json;
use crate::routes::RouteSpec;
use crate::server::{self, Sides};
use crate::state::Shared;

pub(crate) const PATH: &str = "/v1/commands";

pub(crate) const ROUTES: &[RouteSpec] = &[RouteSpec::authenticated("POST", PATH, || web::post().to(execute_batch))];

const MAX_COMMANDS: usize = 1_000;
const MAX_BYTES: usize = 1024 * 1024;
/// Of one batch at once; those of all batches share `InFlightLimits::batched_commands`.
const IN_FLIGHT: usize = 256;

/// Up to 1,000 commands of the caller's tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CommandBatch {
    #[schema(min_items = 1, max_items = 1000)]
    commands: Vec<BatchedCommand>,
}

/// What would have been a request of its own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchedCommand {
    /// `POST` unless it says otherwise.
    #[serde(default)]
    method: CommandMethod,
    /// Of a command route, with its ids.
    #[schema(example = "/v1/escrows/0190a7a5-0000-7000-8000-000000000001/approve")]
    path: String,
    /// 1 to 255 visible characters; its own for every command.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
    /// The version that the caller has seen.
    if_match: Option<u32>,
    /// What the route takes; `{}` when it is left out.
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CommandMethod {
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// One answer per command, in the order of the commands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchAnswer {
    answers: Vec<BatchedAnswer>,
}

/// What the command would have been answered alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchedAnswer {
    #[schema(example = 200)]
    status: u16,
    /// True: the first answer to this key, once more.
    replayed: bool,
    /// Seconds after which to try again with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    /// `CommandAnswer` or another one of the route, `ErrorBody` when it was refused; null when there is nothing to say.
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
}

/// Execute up to 1,000 commands of one tenant, each by itself.
///
/// Commands stand beside each other: one that is refused changes nothing for the others, and no order among them is promised. Each is
/// checked, authorised and answered as if it had been sent to its own route; the status of the whole is 200 even when all were refused.
/// After a lost answer send the same batch again: every key gets its first answer.
#[utoipa::path(post, path = "/v1/commands", tag = "commands", request_body = CommandBatch,
    responses((status = 200, body = BatchAnswer), (status = 413, body = crate::error::ErrorBody, description = "`PAYLOAD_TOO_LARGE`: more than 1 MiB")))]
pub(crate) async fn execute_batch(
    request: HttpRequest,
    payload: web::Payload,
    context: EdgeContext,
) -> Result<Json<BatchAnswer>, ApiError> {
    let batch: CommandBatch = read_json(&request, payload.into_inner(), MAX_BYTES).await?;
    if batch.commands.is_empty() || batch.commands.len() > MAX_COMMANDS {
        return Err(ApiError::validation("commands", format_args!("must be 1 to {MAX_COMMANDS} commands")));
    }
    let door = request.app_data::<Door>().ok_or_else(ApiError::internal_silent)?.open().await?;
    let common = common_headers(request.headers(), context);
    let requests: Vec<Request> = batch
        .commands
        .into_iter()
        .enumerate()
        .map(|(nth, command)| command.into_request(&common).map_err(|(field, problem)| named(nth, field, problem)))
        .collect::<Result<_, _>>()?;
    metrics::histogram!("holdfast_http_batch_commands").record(f64::from(u32::try_from(requests.len()).unwrap_or(u32::MAX)));
    let shared = request.app_data::<Shared>().ok_or_else(ApiError::internal_silent)?;
    let answer = |command| {
        let door = Rc::clone(&door);
        async move {
            let place = shared.in_flight.batched().await?;
            Ok(place.hold(answered(door(command))).await)
        }
    };
    let answers = futures::stream::iter(requests).map(answer).buffered(IN_FLIGHT).try_collect().await?;
    Ok(Json(BatchAnswer { answers }))
}

fn named(nth: usize, field: &str, problem: &str) -> ApiError {
    ApiError::validation(&format!("commands[{nth}].{field}"), problem)
}

/// What every command inherits: who calls, for which tenant, and what ties them together.
fn common_headers(of_batch: &HeaderMap, context: EdgeContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in [AUTHORIZATION, HeaderName::from_static("x-tenant-id")] {
        if let Some(value) = of_batch.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Ok(value) = HeaderValue::try_from(context.correlation_id.0.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

impl BatchedCommand {
    /// # Errors
    /// The field that cannot be part of a request, and why.
    fn into_request(self, common: &HeaderMap) -> Result<Request, (&'static str, &'static str)> {
        let path = Some(&self.path).filter(|path| path.starts_with('/'));
        let uri: Uri = path.and_then(|path| path.parse().ok()).ok_or(("path", "must be the path of a command"))?;
        let key =
            HeaderValue::try_from(self.idempotency_key).map_err(|_| ("idempotencyKey", "must be 1 to 255 visible ASCII characters"))?;
        let body = self.body.map_or_else(Bytes::new, |body| Bytes::from(Box::<str>::from(body).into_string()));
        let mut request = Request::with_payload(Payload::from(body));
        let head = request.head_mut();
        head.method = self.method.into();
        head.uri = uri;
        head.headers = common.clone();
        head.headers.insert(HeaderName::from_static("idempotency-key"), key);
        if let Some(version) = self.if_match {
            head.headers.insert(IF_MATCH, HeaderValue::from(version));
        }
        Ok(request)
    }
}

impl From<CommandMethod> for Method {
    fn from(method: CommandMethod) -> Self {
        match method {
            CommandMethod::Post => Self::POST,
            CommandMethod::Put => Self::PUT,
            CommandMethod::Patch => Self::PATCH,
            CommandMethod::Delete => Self::DELETE,
        }
    }
}

async fn answered(answer: LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>) -> BatchedAnswer {
    let response = match answer.await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("Idempotency-Replayed");
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    BatchedAnswer { status, replayed, retry_after, body: serde_json::from_slice(&body).ok() }
}

/// The command routes behind guard and edge, once more, for requests that came inside another one. One per HTTP worker, made
/// when it is first needed.
pub(crate) struct Door {
    shared: Shared,
    sides: Sides,
    opened: OnceCell<Opened>,
}

pub(crate) type Opened = Rc<dyn Fn(Request) -> LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>>;

impl Door {
    pub(crate) fn new(shared: &Shared, sides: &Sides) -> Self {
        Self { shared: shared.clone(), sides: sides.clone(), opened: OnceCell::new() }
    }

    async fn open(&self) -> Result<Opened, ApiError> {
        let opened = self.opened.get_or_try_init(|| server::inner_door(self.shared.clone(), self.sides.clone())).await;
        opened.map(Rc::clone).map_err(|()| ApiError::internal_silent())
    }
}
