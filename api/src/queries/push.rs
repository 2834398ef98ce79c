//! Events as they happen (ANA-57; docs/push.md).

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::header::CONTENT_ENCODING;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_domain::event::schemas;
use holdfast_domain::kernel::{Role, TenantId};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Capability::EventsStream;
use crate::auth::now_s;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::push::{Audience, Full, Stream};
use crate::queries::{MinPosition, Side, refused};
use crate::request::{Caller, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};
use crate::state::Shared;

pub(crate) const PATH: &str = "/v1/stream";

pub(crate) const ROUTES: &[RouteSpec] = &[RouteSpec::query(PATH, &[EventsStream], || web::get().to(push_events))];

pub(crate) const CASES: &[AccessCase] = &[get("/v1/stream", Role::Service, Role::Viewer, Foreign::Parameter("aggregate"))];

/// Sent by browsers that come back.
const LAST_EVENT_ID: &str = "Last-Event-ID";

static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| schemas().into_iter().map(|schema| schema.name).collect());

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamWanted {
    /// Only events of these names, separated by commas: `escrow.funded,escrow.released`. All when none is given.
    types: Option<String>,
    /// Only events of the aggregate with this id.
    aggregate: Option<Uuid>,
    /// The last position that the client has; the header `Last-Event-ID` wins. From now on when none is given, 0 for all.
    last_event_id: Option<String>,
}

/// The tenant's events from now on, or from `Last-Event-ID` on, as server-sent events without payload: those of aggregates that
/// the caller may query. Begins with `ready`; `bye` says why it ends. At most 20 at the same time for one user (429 `TOO_MANY_STREAMS`).
#[utoipa::path(get, path = "/v1/stream", tag = "push",
    params(StreamWanted, ("Last-Event-ID" = Option<i64>, Header, description = "The last position that the client has.")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 429, description = "`TOO_MANY_STREAMS`; with `Retry-After`")))]
pub(crate) async fn push_events(
    caller: Caller,
    wanted: QueryParameters<StreamWanted>,
    minimum: MinPosition,
    request: HttpRequest,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let StreamWanted { types, aggregate, last_event_id } = wanted.0;
    let names = types.as_deref().map(names).transpose()?;
    let resumed = last_position(&request, last_event_id)?;
    let tenant_id = caller.tenant_id;
    let place = side.push.places.take(tenant_id, caller.actor.id).map_err(|full| match full {
        Full::User(limit) => ApiError::too_many_streams(limit),
        Full::Process => ApiError::unavailable("this process has as many streams as it can serve"),
    })?;
    let position = begin(&shared, &side, tenant_id, minimum, resumed).await?;
    let stream = Stream {
        push: side.push.clone(),
        revocations: shared.revocations.clone(),
        audience: Audience::of(&caller, names, aggregate),
        tenant_id,
        session_id: caller.session_id,
        expires_in: Duration::from_secs(caller.expires_at_s.saturating_sub(now_s())),
        position,
        connection: Connection::of(&request),
        place,
    };
    let (body, work) = stream.open();
    shared.tasks.spawn(work);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // A compressor, here or in a proxy, would keep events back.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header(("X-Position", position.to_string()))
        .streaming(body))
}

fn names(text: &str) -> Result<BTreeSet<String>, ApiError> {
    let wanted: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match wanted.iter().find(|name| !NAMES.contains(*name)) {
        Some(unknown) => Err(ApiError::validation("types", format!("there is no event {unknown:?}"))),
        None => Ok(wanted),
    }
}

/// Where the client wants to go on, and by which name it said so.
type Resumed = Option<(&'static str, i64)>;

fn last_position(request: &HttpRequest, parameter: Option<String>) -> Result<Resumed, ApiError> {
    let header = request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default().to_owned());
    let (field, text) = match (header, parameter) {
        (Some(text), _) => (LAST_EVENT_ID, text),
        (None, Some(text)) => ("lastEventId", text),
        (None, None) => return Ok(None),
    };
    let position = text.trim().parse().ok().filter(|position: &i64| *position >= 0);
    position.map(|position| Some((field, position))).ok_or_else(|| ApiError::validation(field, "is not a position"))
}

/// The position after which the stream begins. One that is not there yet is waited for, since a replica may be behind.
async fn begin(shared: &Shared, side: &Side, tenant_id: TenantId, minimum: MinPosition, resumed: Resumed) -> Result<i64, ApiError> {
    let (push, wait) = (side.push.clone(), side.min_position_wait);
    let work = async move {
        let head = push.feed.head(tenant_id).await.map_err(refused)?;
        let least = minimum.0.unwrap_or_default().max(resumed.map(|(_, position)| position).unwrap_or_default());
        let head = if head < least && tokio::time::timeout(wait, push.feed.reached(tenant_id, least)).await.is_ok() {
            push.feed.head(tenant_id).await.map_err(refused)?
        } else {
            head
        };
        match (resumed, minimum.0) {
            (Some((field, position)), _) if position > head => {
                Err(ApiError::validation(field, format!("is beyond the last event, which is {head}")))
            }
            (_, Some(minimum)) if minimum > head => Err(ApiError::projection_behind(minimum, head)),
            (Some((_, position)), _) => Ok(position),
            (None, _) => Ok(head),
        }
    };
    shared.tasks.run(work).await
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn names_are_those_of_events() {
        assert_eq!(names("escrow.funded, hold.placed").unwrap().len(), 2);
        for text in ["", "escrow", "escrow.funded,", "escrow.funded,escrow.exploded"] {
            assert!(names(text).unwrap_err().to_string().contains("types"), "{text}");
        }
    }

    #[test]
    fn the_header_wins_and_only_positions_are_taken() {
        let with = |header: &str| TestRequest::default().insert_header((LAST_EVENT_ID, header)).to_http_request();
        let none = TestRequest::default().to_http_request();
        assert_eq!(last_position(&with("7"), Some("9".to_owned())).unwrap(), Some((LAST_EVENT_ID, 7)));
        assert_eq!(last_position(&none, Some("9".to_owned())).unwrap(), Some(("lastEventId", 9)));
        assert_eq!(last_position(&none, None).unwrap(), None);
        for text in ["-1", "x", "", "1.5", "99999999999999999999"] {
            assert!(last_position(&with(text), None).unwrap_err().to_string().contains(LAST_EVENT_ID), "{text}");
            assert!(last_position(&none, Some(text.to_owned())).unwrap_err().to_string().contains("lastEventId"), "{text}");
        }
    }
}
