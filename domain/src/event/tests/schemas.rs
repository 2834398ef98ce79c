//! The schemas say exactly what is stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::example::example;
use crate::event::{AnyEvent, EventSchema, current_version, schemas};
use crate::ledger::tests::samples;

/// As many as the longest list of alternatives has.
const TURNS: usize = 24;

pub(super) fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

fn catalogue() -> BTreeMap<String, EventSchema> {
    schemas().into_iter().map(|entry| (entry.name.clone(), entry)).collect()
}

#[test]
fn whatever_a_schema_allows_is_read_and_written_again_as_that_event() {
    // NFR-30.
    for entry in schemas() {
        let valid = validator(&entry.schema);
        for turn in 0..TURNS {
            let data = example(&entry.schema, turn);
            let event = AnyEvent::decode(entry.aggregate_type, &entry.name, "1", &data.to_string())
                .unwrap_or_else(|error| panic!("{} turn {turn}: {error:?}\n{data:#}", entry.name));
            assert_eq!(event.name(), entry.name, "{data:#}");
            assert_eq!(event.version(), entry.version);
            assert_eq!(event.payload(), data, "{} turn {turn}", entry.name);
            let errors: Vec<_> = valid.iter_errors(&data).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{} turn {turn}: {errors:?}\n{data:#}", entry.name);
        }
    }
}

#[test]
fn events_of_the_ledgers_samples_fit_their_own_schema_and_no_other() {
    let catalogue = catalogue();
    let validators: Vec<_> = catalogue.values().map(|entry| (&entry.name, validator(&entry.schema))).collect();
    let samples = samples::every();
    assert!(samples.len() > 40);
    for event in &samples {
        let data = event.payload();
        for (name, validator) in &validators {
            assert_eq!(validator.is_valid(&data), *name == event.name(), "{} and the schema of {name}", event.name());
        }
    }
}

#[test]
fn something_else_does_not_fit() {
    let catalogue = catalogue();
    let entry = &catalogue["wallet.credited"];
    let valid = validator(&entry.schema);
    let good = example(&entry.schema, 0);
    let changed = |pointer: &str, value: Value| {
        let mut data = good.clone();
        *data.pointer_mut(pointer).unwrap() = value;
        data
    };
    assert!(valid.is_valid(&good));
    for (pointer, value) in [
        ("/fact/credited/amount/amount", Value::from(12)),
        ("/fact/credited/amount/amount", "12,50".into()),
        ("/fact/credited/amount/currency", "euro".into()),
        ("/owner/ownerId", "me".into()),
        ("/owner/ownerType", "nobody".into()),
        ("/at", "yesterday".into()),
        ("/fact", "opened".into()),
    ] {
        assert!(!valid.is_valid(&changed(pointer, value.clone())), "{pointer} = {value}");
    }
}

#[test]
fn names_are_unique_and_so_are_the_names_of_their_parts() {
    // Consumers that put all definitions into one place (as the AsyncAPI document does) need one meaning per name.
    let all = schemas();
    assert_eq!(all.iter().map(|entry| &entry.name).collect::<BTreeSet<_>>().len(), all.len());
    let mut parts: BTreeMap<&String, &Value> = BTreeMap::new();
    for entry in &all {
        for (name, part) in entry.schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            assert_eq!(*parts.entry(name).or_insert(part), part, "{name} in {}", entry.name);
            // schemars tells two types of one name apart by a number that depends on their order.
            assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{name} in {}: name it with #[schemars(rename)]", entry.name);
        }
    }
}

/// The sealed values in a payload, wherever they stand.
fn sealed_in<'a>(data: &'a Value, found: &mut Vec<&'a Value>) {
    match data {
        Value::Object(fields) if fields.contains_key("ciphertext") => found.push(data),
        Value::Object(fields) => fields.values().for_each(|value| sealed_in(value, found)),
        Value::Array(items) => items.iter().for_each(|value| sealed_in(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_sealed_value_of_an_event_is_among_its_personal_ones() {
    // ADM-25, CNF-33: what `personal()` forgets is neither opened nor blanked by read models.
    let mut met = 0;
    for entry in schemas() {
        for turn in 0..TURNS {
            let data = example(&entry.schema, turn);
            let event = AnyEvent::decode(entry.aggregate_type, &entry.name, "1", &data.to_string()).unwrap();
            let mut found = Vec::new();
            sealed_in(&data, &mut found);
            assert_eq!(event.personal().len(), found.len(), "{} turn {turn}: {data:#}", entry.name);
            met += found.len();
        }
    }
    assert!(met > TURNS);
}

#[test]
fn personal_data_is_the_sealed_value() {
    let catalogue = catalogue();
    let remitter = &catalogue["bank_receipt.recorded"].schema["properties"]["recorded"]["properties"]["remitter"];
    assert!(remitter.to_string().contains("#/$defs/Sealed"), "{remitter}");
}

#[test]
fn an_event_that_never_changed_is_version_1() {
    assert_eq!(current_version("escrow.unheard_of"), 1);
    let event = samples::every().remove(0);
    let AnyEvent::Escrow(escrow) = &event else { panic!("the first sample is an escrow's") };
    assert_eq!(cqrs_es::DomainEvent::event_version(escrow.as_ref()), event.version().to_string());
}
