//! Stored events under attack: whatever stands in the log, reading it says what is wrong or gives an event that says the same.

use holdfast_fuzzing::Target;

use super::example::example;
use crate::event::{AnyAggregate, AnyEvent, DecodeError, current_version, schemas};

/// Aggregate type, event type, version and payload, one line each: how a target sees a row of the log.
fn row(aggregate_type: &str, event_type: &str, version: u32, payload: &str) -> Vec<u8> {
    format!("{aggregate_type}\n{event_type}\n{version}\n{payload}").into_bytes()
}

/// Every event, in several of its shapes and in the shape of every file under `docs/events/`.
fn rows() -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for entry in schemas() {
        for turn in 0..4 {
            rows.push(row(entry.aggregate_type, &entry.name, entry.version, &example(&entry.schema, turn).to_string()));
        }
        for version in 1..=entry.version {
            let file = format!("{}/../docs/events/{}.v{version}.json", env!("CARGO_MANIFEST_DIR"), entry.name);
            let page: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            rows.push(row(entry.aggregate_type, &entry.name, version, &page["example"].to_string()));
        }
    }
    rows
}

fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let [aggregate_type, event_type, version, payload] = text.splitn(4, '\n').collect::<Vec<_>>()[..] else { return false };
    let event = match AnyEvent::decode(aggregate_type, event_type, version, payload) {
        Ok(event) => event,
        Err(DecodeError::UnknownAggregate(named)) => {
            assert_eq!(named, aggregate_type);
            return false;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!((event.aggregate_type(), event.name()), (aggregate_type, event_type), "it is called otherwise than it is stored");
    // Written again it is the same event, and nothing of it hangs on how it was spelled.
    let written = event.payload().to_string();
    let again = AnyEvent::decode(aggregate_type, event_type, &current_version(event_type).to_string(), &written).unwrap();
    assert_eq!(again, event, "{written}");
    assert_eq!(again.payload().to_string(), written);
    // What everybody asks of an event has an answer, and any event can be applied to any state.
    let (_, _) = (event.deadline_changes(), event.personal());
    let mut state = AnyAggregate::new(aggregate_type).unwrap();
    state.apply(&event);
    state.apply(&again);
    state.state().unwrap();
    true
}

#[test]
fn fuzz_events() {
    // NFR-30.
    let words = [
        "\"amount\":\"1e2\"",
        "\"-0\"",
        "79228162514264337593543950335",
        "\"currency\":\"JPY\"",
        "\"EUR\"",
        "\"at\":",
        "\"fact\":{",
        "\n2\n",
        "\n1\n",
    ];
    Target { name: "events", corpus: rows(), words: &words }.run(holds);
}

#[test]
fn every_corpus_row_is_taken() {
    for row in rows() {
        assert!(holds(&row), "{}", String::from_utf8_lossy(&row));
    }
}

#[test]
fn an_event_under_another_events_name_is_refused() {
    // What the stored name says decides which version it is and who is told: it may not say otherwise than the payload.
    let all = schemas();
    for entry in &all {
        let payload = example(&entry.schema, 0).to_string();
        for other in all.iter().filter(|other| other.name != entry.name && other.aggregate_type == entry.aggregate_type) {
            let read = AnyEvent::decode(entry.aggregate_type, &other.name, "1", &payload);
            assert!(matches!(read, Err(DecodeError::Misnamed { .. })), "{} was read as {}", entry.name, other.name);
        }
    }
}
