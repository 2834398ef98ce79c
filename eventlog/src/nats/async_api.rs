//! The `AsyncAPI` 3.0 document of what can be subscribed to on NATS (NFR-30, ANA-81): made from the catalogue of events
//! and the subjects that the relay publishes to.

use holdfast_domain::event::{EventSchema, schemas};
use serde_json::{Map, Value, json};

use super::cloud_event::happened;

const ABOUT: &str = "What Holdfast publishes on NATS, from the side of whoever subscribes.\n\n\
    **Order and uniqueness.** Delivery is at least once, and messages can arrive late, twice or out of order. `position` counts the \
    events of one tenant 1, 2, 3 … without gap: order by it, drop what you have had, and never rely on the order of arrival. An event is \
    the same event when `tenantid` and `position` (or `id`) are the same.\n\n\
    **Gaps.** The stream keeps 7 days. A position that is missing, and everything older, is in the log: \
    `GET /v1/audit/export?after=N` gives the events after position N.\n\n\
    **Shapes.** `type` and `eventversion` say which schema `data` has. A stored event never changes; a new shape is a new version of the \
    event, so be ready for versions that you do not know. Personal data is sealed: consumers see ciphertext.";

/// The whole document.
#[must_use]
pub fn async_api() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    let mut parts = Map::new();
    for event in schemas() {
        let address = format!("events.{{tenant}}.{}.{}", event.aggregate_type, happened(event.aggregate_type, &event.name));
        add_channel(&mut channels, &mut operations, &event.name, &address, event.schema.get("description"));
        messages.insert(event.name.clone(), event_message(&event));
        add_schemas(&mut parts, event);
    }
    add_channel(
        &mut channels,
        &mut operations,
        "seals",
        "seals.{tenant}",
        Some(
            &"Signed heads of the tenant's log, in the stream `SEALS`. `previousSize` shows gaps; `GET /v1/audit/seals` has them all."
                .into(),
        ),
    );
    messages.insert("seals".to_owned(), seal_message());
    parts.insert("CloudEvent".to_owned(), cloud_event());
    parts.insert("Seal".to_owned(), seal());
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:holdfast:events",
        "info": {
            "title": "Holdfast events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": { "nats": {
            "host": "{host}",
            "protocol": "nats",
            "description": "JetStream stream `EVENTS` holds `events.>`: limits retention, 7 days, oldest go first. `SEALS` holds `seals.*` for 90 days.",
            "variables": { "host": { "default": "127.0.0.1:4222", "description": "Where the operator runs NATS." } },
            "security": [{ "$ref": "#/components/securitySchemes/nkey" }],
        } },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "parameters": { "tenant": { "description": "The tenant's id (UUID); a subscription may say `*`." } },
            "schemas": parts,
            "securitySchemes": { "nkey": {
                "type": "asymmetricEncryption",
                "description": "NATS nkey: an Ed25519 key per component; the server knows its public half. Consumers may subscribe, never publish.",
            } },
        },
    })
}

fn add_channel(channels: &mut Map<String, Value>, operations: &mut Map<String, Value>, name: &str, address: &str, about: Option<&Value>) {
    let mut channel = json!({
        "address": address,
        "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
        "parameters": { "tenant": { "$ref": "#/components/parameters/tenant" } },
        "servers": [{ "$ref": "#/servers/nats" }],
    });
    if let (Some(fields), Some(about)) = (channel.as_object_mut(), about) {
        fields.insert("description".to_owned(), about.clone());
    }
    channels.insert(name.to_owned(), channel);
    let receive = json!({
        "action": "receive",
        "channel": { "$ref": format!("#/channels/{name}") },
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    });
    operations.insert(format!("receive.{name}"), receive);
}

/// The name of the schema of an event's `data`.
fn data_schema(event: &EventSchema) -> String {
    format!("{}.v{}", event.name, event.version)
}

fn event_message(event: &EventSchema) -> Value {
    json!({
        "name": event.name,
        "title": event.name,
        "contentType": "application/cloudevents+json",
        "payload": { "allOf": [
            { "$ref": "#/components/schemas/CloudEvent" },
            { "type": "object", "properties": {
                "type": { "const": event.name },
                "aggregatetype": { "const": event.aggregate_type },
                "eventversion": { "const": event.version.to_string() },
                "data": { "$ref": format!("#/components/schemas/{}", data_schema(event)) },
            } },
        ] },
    })
}

/// What [`super::encode`] writes.
fn cloud_event() -> Value {
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let text = |about: &str| json!({ "type": "string", "description": about });
    let count = |about: &str| json!({ "type": "integer", "minimum": 1, "description": about });
    json!({
        "type": "object",
        "description": "CloudEvents 1.0, structured JSON mode. `data` is the stored payload, byte for byte.",
        "properties": {
            "specversion": { "const": "1.0" },
            "id": uuid(),
            "source": text("`/holdfast/tenants/<tenant>`"),
            "type": text("The event's name."),
            "subject": uuid(),
            "time": { "type": "string", "format": "date-time", "description": "When it was recorded." },
            "datacontenttype": { "const": "application/json" },
            "tenantid": uuid(),
            "position": count("1, 2, 3 … within the tenant, without gap."),
            "sequence": count("1, 2, 3 … within the aggregate."),
            "aggregatetype": text("The stored name of the aggregate."),
            "aggregateid": uuid(),
            "eventversion": text("Which version of the event's shape `data` has."),
            "metadata": text("JSON text: who acted, in which request, because of what, when."),
            "data": {},
        },
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "tenantid", "position", "sequence",
            "aggregatetype", "aggregateid", "eventversion", "metadata", "data",
        ],
    })
}

fn seal_message() -> Value {
    json!({
        "name": "seal",
        "title": "Seal",
        "summary": "Keep them: whoever has an old seal can show that the log was changed.",
        "contentType": "application/json",
        "payload": { "$ref": "#/components/schemas/Seal" },
    })
}

fn seal() -> Value {
    json!({
        "type": "object",
        "description": "The head of a tenant's log as a Merkle tree (RFC 6962), signed.",
        "properties": {
            "tenantId": { "type": "string", "format": "uuid" },
            "size": { "type": "integer", "minimum": 1, "description": "How many events it covers: positions 1 to `size`." },
            "root": { "type": "string", "description": "The root hash." },
            "sealedAt": { "type": "string", "format": "date-time" },
            "previousSize": { "type": "integer", "minimum": 0, "description": "Of the seal before it; 0 for the first. Not signed." },
            "keyId": { "type": "string", "description": "Which key signed." },
            "signature": { "type": "string" },
        },
        "required": ["tenantId", "size", "root", "sealedAt", "keyId", "signature"],
    })
}

/// The event's schema and its parts, which become everybody's: their names mean the same in all events.
fn add_schemas(parts: &mut Map<String, Value>, event: EventSchema) {
    let name = data_schema(&event);
    let Value::Object(mut schema) = event.schema else { return };
    schema.remove("$schema");
    if let Some(Value::Object(own)) = schema.remove("$defs") {
        parts.extend(own.into_iter().map(|(name, part)| (name, lifted(part))));
    }
    parts.insert(name, lifted(Value::Object(schema)));
}

/// Points at the components instead of the schema's own `$defs`.
fn lifted(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| match (name.as_str(), value.as_str().and_then(|to| to.strip_prefix("#/$defs/"))) {
                ("$ref", Some(part)) => (name, format!("#/components/schemas/{part}").into()),
                _ => (name, lifted(value)),
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::Array(items) => items.into_iter().map(lifted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::DateTime;
    use holdfast_domain::kernel::TenantId;
    use uuid::Uuid;

    use super::super::{encode, subject};
    use super::*;
    use crate::types::StoredEvent;

    const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

    /// The event of a golden file, as it stands in a log.
    fn stored(event: &EventSchema) -> StoredEvent {
        let file = Path::new(DOCS).join(format!("events/{}.v{}.json", event.name, event.version));
        let page: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        StoredEvent {
            tenant_id: TenantId(Uuid::from_u128(1)),
            position: 7,
            aggregate_type: event.aggregate_type.to_owned(),
            aggregate_id: Uuid::from_u128(2),
            sequence: 3,
            event_type: event.name.clone(),
            event_version: event.version.to_string(),
            payload: page["example"].to_string(),
            metadata: "{}".to_owned(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_450).unwrap(),
        }
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn words<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.keys().map(String::as_str));
                fields.values().for_each(|field| words(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| words(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_page_in_docs_is_current() {
        let file = Path::new(DOCS).join("asyncapi.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, serde_json::to_string_pretty(&async_api()).unwrap() + "\n").unwrap();
        }
        let found: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap_or_default()).unwrap_or_default();
        assert!(found == async_api(), "docs/asyncapi.json differs: UPDATE_DOCS=1 writes it");
    }

    #[test]
    fn it_has_what_async_api_3_requires_and_every_reference_leads_somewhere() {
        let document = async_api();
        assert_eq!(document["asyncapi"], "3.0.0");
        assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
        assert!(document["servers"]["nats"]["host"].is_string() && document["servers"]["nats"]["protocol"] == "nats");
        for channel in document["channels"].as_object().unwrap().values() {
            assert!(channel["address"].as_str().unwrap().contains(".{tenant}") && channel["parameters"]["tenant"].is_object());
            assert_eq!(channel["messages"].as_object().unwrap().len(), 1);
        }
        for operation in document["operations"].as_object().unwrap().values() {
            // An operation names a channel of the root and that channel's own messages.
            let channel = operation["channel"]["$ref"].as_str().unwrap();
            assert!(operation["action"] == "receive" && channel.starts_with("#/channels/"));
            assert!(operation["messages"][0]["$ref"].as_str().unwrap().starts_with(&format!("{channel}/messages/")));
        }
        let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        for components in document["components"].as_object().unwrap().values() {
            assert!(components.as_object().unwrap().keys().all(|key| is_key(key)));
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 500);
        for reference in found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
        }
        // Schemas of AsyncAPI are JSON Schema draft 7, which has the words that we use and not these.
        let mut used = Vec::new();
        words(&document, &mut used);
        for newer in ["$defs", "$schema", "prefixItems", "unevaluatedProperties", "dependentRequired", "$dynamicRef"] {
            assert!(!used.contains(&newer), "{newer}");
        }
    }

    #[test]
    fn what_the_relay_publishes_is_what_the_document_says() {
        // NFR-30, ANA-81: subject and message of every event.
        let document = async_api();
        for event in schemas() {
            let stored = stored(&event);
            let address = document["channels"][&event.name]["address"].as_str().unwrap();
            assert_eq!(address.replace("{tenant}", &stored.tenant_id.to_string()), subject("events", &stored));
            let schema = json!({
                "$schema": "http://json-schema.org/draft-07/schema#",
                "components": document["components"],
                "allOf": [{ "$ref": format!("#/components/messages/{}/payload", event.name) }],
            });
            let valid = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            let mut message: Value = serde_json::from_slice(&encode(&stored).unwrap()).unwrap();
            let errors: Vec<_> = valid.iter_errors(&message).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", event.name);
            message["eventversion"] = "99".into();
            assert!(!valid.is_valid(&message));
        }
    }
}
