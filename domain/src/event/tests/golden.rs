//! `docs/events/<name>.v<version>.json`: every shape that was ever written, kept for ever (NFR-30).
//!
//! `HOLDFAST_BLESS=1` writes files for new events and new versions. It never changes the shape that a file describes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::example::example;
use super::schemas::validator;
use crate::event::{AnyEvent, EventSchema, schemas};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events"))
}

fn file_name(name: &str, version: u32) -> String {
    format!("{name}.v{version}.json")
}

fn stored(name: &str, version: u32) -> Option<Value> {
    let text = std::fs::read_to_string(folder().join(file_name(name, version))).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn page(entry: &EventSchema) -> Value {
    json!({
        "event": entry.name,
        "version": entry.version,
        "aggregateType": entry.aggregate_type,
        "schema": entry.schema,
        "example": example(&entry.schema, 0),
    })
}

/// What a schema allows, however it says so: without words, without references, alternatives one by one.
fn shape(schema: &Value) -> Value {
    shape_in(schema, schema)
}

fn shape_in(whole: &Value, schema: &Value) -> Value {
    let fields = match schema {
        Value::Object(fields) => fields,
        Value::Array(items) => return items.iter().map(|item| shape_in(whole, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return schema.clone(),
    };
    if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
        return shape_in(whole, whole.pointer(&to[1..]).unwrap());
    }
    // A field may be called `description`: then its value is a schema, not a text.
    let is_shape = |name: &str, value: &Value| name != "$defs" && !(name == "description" && value.is_string());
    let kept = fields.iter().filter(|(name, value)| is_shape(name, value));
    let mut made: Map<_, _> = kept.map(|(name, value)| (name.clone(), shape_in(whole, value))).collect();
    if let Some(Value::Array(values)) = made.remove("enum") {
        let one = |value| json!({ "type": "string", "const": value });
        made.remove("type");
        made.insert("oneOf".to_owned(), values.into_iter().map(one).collect());
    }
    if let Some(Value::Array(alternatives)) = made.remove("oneOf") {
        let mut flat: Vec<_> =
            alternatives.into_iter().flat_map(|one| one.get("oneOf").and_then(Value::as_array).cloned().unwrap_or(vec![one])).collect();
        flat.sort_by_key(|one| sorted(one).to_string());
        made.insert("oneOf".to_owned(), flat.into());
    }
    Value::Object(made)
}

/// The same value with its fields in order, whatever `serde_json` was built with.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// What is wrong with what is stored for an event; none when it may be (or was) written.
fn objection(entry: &EventSchema, found: Option<&Value>) -> Option<String> {
    let EventSchema { name, version, .. } = entry;
    let Some(found) = found else {
        return Some(format!("{name} has no {}: HOLDFAST_BLESS=1 writes it", file_name(name, *version)));
    };
    (shape(&found["schema"]) != shape(&entry.schema)).then(|| {
        format!(
            "the shape of {name} is no longer version {version}: add an upcaster from {version}, then HOLDFAST_BLESS=1 (docs/events.md)"
        )
    })
}

#[test]
fn every_event_has_the_shape_that_its_file_says() {
    let bless = std::env::var_os("HOLDFAST_BLESS").is_some();
    let mut objections = Vec::new();
    for entry in schemas() {
        let found = stored(&entry.name, entry.version);
        let objection = objection(&entry, found.as_ref());
        let only_words = objection.is_none() && found.as_ref().is_some_and(|found| found["schema"] != entry.schema);
        if bless && (found.is_none() || only_words) {
            let mut page = page(&entry);
            if let Some(found) = found {
                page["example"] = found["example"].clone();
            }
            std::fs::create_dir_all(folder()).unwrap();
            let text = serde_json::to_string_pretty(&sorted(&page)).unwrap();
            std::fs::write(folder().join(file_name(&entry.name, entry.version)), text + "\n").unwrap();
            continue;
        }
        objections.extend(objection);
        if only_words {
            objections.push(format!("the words about {} have changed: HOLDFAST_BLESS=1 writes them", entry.name));
        }
    }
    assert!(objections.is_empty(), "{objections:#?}");
}

#[test]
fn every_version_that_was_ever_written_can_still_be_read() {
    for entry in schemas() {
        for version in 1..=entry.version {
            let file = stored(&entry.name, version).unwrap_or_else(|| panic!("{} v{version} has no file", entry.name));
            assert_eq!((&file["event"], &file["version"]), (&json!(entry.name), &json!(version)));
            assert!(validator(&file["schema"]).is_valid(&file["example"]), "{} v{version}", entry.name);
            let event = AnyEvent::decode(entry.aggregate_type, &entry.name, &version.to_string(), &file["example"].to_string())
                .unwrap_or_else(|error| panic!("{} v{version}: {error:?}", entry.name));
            assert_eq!(event.name(), entry.name);
            if version == entry.version {
                assert_eq!(event.payload(), file["example"], "{} v{version}", entry.name);
            }
        }
    }
}

#[test]
fn no_file_describes_an_event_that_is_not_there() {
    // An event that is no longer written is still in logs: its type and file stay.
    let known: BTreeSet<_> =
        schemas().iter().flat_map(|entry| (1..=entry.version).map(|version| file_name(&entry.name, version))).collect();
    let found: BTreeSet<_> = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, known);
}

#[test]
fn a_changed_shape_is_noticed_and_changed_words_are_not() {
    let entry = schemas().into_iter().find(|entry| entry.name == "wallet.credited").unwrap();
    let mut page = page(&entry);
    assert_eq!(objection(&entry, Some(&page)), None);
    page["schema"]["description"] = "other words".into();
    assert_eq!(objection(&entry, Some(&page)), None);
    // A described variant stands alone, a described type gets a name: the values are the same.
    page["schema"]["properties"]["at"] = json!({ "$ref": "#/$defs/Time" });
    page["schema"]["$defs"]["Time"] = json!({ "description": "a new word", "type": "string", "format": "date-time" });
    page["schema"]["$defs"]["OwnerType"] = json!({ "type": "string", "enum": ["tenant", "user", "talent"] });
    assert_eq!(objection(&entry, Some(&page)), None);
    assert!(objection(&entry, None).unwrap().contains("has no wallet.credited.v1.json"));
    // A field more, a field less, another type, another name of an alternative.
    let changes: [fn(&mut Value); 4] = [
        |schema| schema["properties"]["note"] = json!({ "type": "string" }),
        |schema| schema["required"] = json!(["owner", "at"]),
        |schema| schema["$defs"]["Money"]["properties"]["amount"] = json!({ "type": "number" }),
        |schema| schema["$defs"]["OwnerType"] = json!({ "const": "user" }),
    ];
    for change in changes {
        let mut entry = entry.clone();
        change(&mut entry.schema);
        assert!(objection(&entry, Some(&page)).unwrap().contains("add an upcaster from 1"), "{}", entry.schema);
    }
}
