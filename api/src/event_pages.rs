//! The catalogue of events for people and programs (NFR-30, ANA-81): `/docs/events/` and `/docs/asyncapi.json`.

use std::fmt::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};
use holdfast_domain::event::{EventSchema, schemas};

use crate::routes::RouteSpec;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::platform("/docs/asyncapi.json", || web::get().to(async_api_document)),
    RouteSpec::platform("/docs/events/", || web::get().to(events_page)),
];

/// What can be subscribed to on NATS: an `AsyncAPI` 3.0 document.
#[utoipa::path(get, path = "/docs/asyncapi.json", tag = "platform", responses((status = 200, body = Object)))]
pub(crate) async fn async_api_document() -> HttpResponse {
    static TEXT: LazyLock<web::Bytes> = LazyLock::new(|| holdfast_eventlog::nats::async_api().to_string().into());
    HttpResponse::Ok().content_type(ContentType::json()).insert_header((CACHE_CONTROL, PUBLIC)).body(TEXT.clone())
}

/// Every event with the schema of its data, to read.
#[utoipa::path(get, path = "/docs/events/", tag = "platform", responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn events_page() -> HttpResponse {
    static TEXT: LazyLock<web::Bytes> = LazyLock::new(|| page(&schemas()).into());
    HttpResponse::Ok().content_type(ContentType::html()).insert_header((CACHE_CONTROL, PUBLIC)).body(TEXT.clone())
}

/// They change with the program only.
const PUBLIC: &str = "public, max-age=300";

/// Without scripts and styles: the content policy allows none.
fn page(events: &[EventSchema]) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Holdfast events</title></head><body><h1>Events</h1>\
         <p>Every event that is stored and published on NATS, with the JSON schema of its <code>data</code>. \
         How to subscribe: <a href=\"/docs/asyncapi.json\">AsyncAPI document</a>.</p>",
    );
    let mut aggregate = "";
    for event in events {
        if event.aggregate_type != aggregate {
            aggregate = event.aggregate_type;
            heading(&mut html, aggregate);
        }
        entry(&mut html, event);
    }
    html.push_str("</body></html>\n");
    html
}

fn heading(html: &mut String, aggregate: &str) {
    let _ = write!(html, "<h2 id=\"{aggregate}\">{aggregate}</h2>");
}

fn entry(html: &mut String, event: &EventSchema) {
    let about = event.schema.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
    let schema = serde_json::to_string_pretty(&event.schema).unwrap_or_default();
    let (name, version, about, schema) = (&event.name, event.version, escaped(about), escaped(&schema));
    let _ = write!(
        html,
        "<details id=\"{name}\"><summary><code>{name}</code>, version {version}</summary><p>{about}</p><pre>{schema}</pre></details>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_event_and_nothing_that_the_content_policy_refuses() {
        let events = schemas();
        let html = page(&events);
        assert!(events.iter().all(|event| html.contains(&format!("<details id=\"{}\">", event.name))));
        assert!(["<script", "<style", " style=", "<img", "<link"].iter().all(|refused| !html.contains(refused)));
        assert_eq!(escaped("a <b> & c"), "a &lt;b&gt; &amp; c");
    }
}
