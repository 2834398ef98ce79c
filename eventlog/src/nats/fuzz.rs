//! Messages from NATS under attack. Anybody who can publish there can say anything; what is no message of a log is refused.

use chrono::DateTime;
use holdfast_domain::event::schemas;
use holdfast_domain::kernel::TenantId;
use holdfast_fuzzing::{Dice, Target};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cloud_event::{decode, encode};
use crate::types::StoredEvent;

/// One message for every event of `docs/events/`.
fn messages() -> Vec<Vec<u8>> {
    schemas().iter().zip(1..).map(|(entry, n)| encode(&stored(entry.aggregate_type, &entry.name, n)).unwrap()).collect()
}

fn stored(aggregate_type: &str, event_type: &str, n: i64) -> StoredEvent {
    let file = format!("{}/../docs/events/{event_type}.v1.json", env!("CARGO_MANIFEST_DIR"));
    let page: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    StoredEvent {
        tenant_id: TenantId(Uuid::from_u128(1)),
        position: n,
        aggregate_type: aggregate_type.to_owned(),
        aggregate_id: Uuid::from_u128(2),
        sequence: n,
        event_type: event_type.to_owned(),
        event_version: "1".to_owned(),
        payload: page["example"].to_string(),
        metadata: json!({ "hops": 0, "note": "\"é\"" }).to_string(),
        recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_450 + n).unwrap(),
    }
}

/// What a decoded message says is all that stands in it: nothing in it says otherwise and is overlooked.
fn holds(input: &[u8]) -> bool {
    let Ok(event) = decode(input) else { return false };
    let written = encode(&event).unwrap();
    assert_eq!(decode(&written).unwrap(), event, "it comes out otherwise than it went in");
    let (sent, written): (Value, Value) = (serde_json::from_slice(input).unwrap(), serde_json::from_slice(&written).unwrap());
    for (attribute, value) in written.as_object().unwrap() {
        assert_eq!(said(attribute, &sent[attribute]), said(attribute, value), "{attribute}");
    }
    true
}

/// Ids and times have several spellings; each means one thing.
fn said(attribute: &str, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    match attribute {
        "id" | "subject" | "tenantid" | "aggregateid" => Uuid::parse_str(text).unwrap().to_string(),
        "time" => DateTime::parse_from_rfc3339(text).unwrap().to_utc().to_string(),
        _ => value.to_string(),
    }
}

#[test]
fn fuzz_nats() {
    let words =
        ["\"position\":", "\"sequence\":-1", "\"tenantid\":\"", "\"data\":", "\"metadata\":\"{}\"", "\"specversion\":\"2.0\"", "\\u0000"];
    Target { name: "nats", corpus: messages(), words: &words }.run(holds);
}

#[test]
fn a_message_with_a_changed_attribute_is_refused_or_says_so() {
    let mut dice = Dice::new(1);
    for (entry, n) in schemas().iter().zip(1..) {
        let event = stored(entry.aggregate_type, &entry.name, n);
        let message: Value = serde_json::from_slice(&encode(&event).unwrap()).unwrap();
        for attribute in message.as_object().unwrap().keys() {
            let mut changed = message.clone();
            changed[attribute] = match &message[attribute] {
                Value::Number(_) => json!(1_000_000 + dice.below(1000)),
                Value::String(text) if Uuid::parse_str(text).is_ok() => json!(Uuid::new_v4()),
                Value::String(text) if attribute == "time" => json!(text.replace("2023", "2024")),
                Value::String(text) => json!(format!("{text}x")),
                other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => json!([other]),
            };
            let read = decode(changed.to_string().as_bytes());
            // These are all made from others; alone they can only be wrong.
            let derived =
                ["specversion", "id", "source", "subject", "datacontenttype", "tenantid", "sequence", "aggregatetype", "aggregateid"];
            if derived.contains(&attribute.as_str()) {
                assert!(read.is_err(), "{attribute} of {}", entry.name);
            } else {
                assert_ne!(read.unwrap(), event, "{attribute} of {}", entry.name);
            }
        }
    }
}
