//! Every event by name, with the JSON schema of its `data`: made from the types, so that it cannot forget one (NFR-30, ANA-81).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{AnyEvent, current_version};

/// The shape that is written today for one event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSchema {
    /// `escrow.funded`.
    pub name: String,
    pub version: u32,
    pub aggregate_type: &'static str,
    /// JSON Schema 2020-12 of the payload. Complete in itself: what it refers to is in its `$defs`.
    pub schema: Value,
}

/// A variant whose stored name is not `<aggregate>.<variant>`.
struct Renamed {
    aggregate_type: &'static str,
    variant: &'static str,
    /// The variant of this field's value decides the name.
    by: Option<(&'static str, &'static str)>,
    name: &'static str,
}

const fn renamed(aggregate_type: &'static str, variant: &'static str, name: &'static str) -> Renamed {
    Renamed { aggregate_type, variant, by: None, name }
}

const fn step(step: &'static str, name: &'static str) -> Renamed {
    Renamed { aggregate_type: "job", variant: "submission_moved", by: Some(("step", step)), name }
}

/// The tests hold it against what the events say of themselves.
const RENAMED: &[Renamed] = &[
    renamed("job", "submission_added", "submission.added"),
    renamed("job", "submission_updated", "submission.updated"),
    step("shortlist", "submission.shortlisted"),
    step("schedule_audition", "audition.scheduled"),
    step("record_audition", "audition.attended"),
    step("select", "submission.selected"),
    step("reject", "submission.rejected"),
    step("withdraw", "submission.withdrawn"),
    renamed("booking", "hold_placed", "hold.placed"),
    renamed("booking", "hold_released", "hold.released"),
    renamed("booking", "hold_expired", "hold.expired"),
    renamed("booking", "hold_converted", "hold.converted"),
    renamed("booking", "call_sheet_saved", "callsheet.saved"),
    renamed("booking", "call_sheet_published", "callsheet.published"),
];

/// All events, by aggregate and then as their types list them.
#[must_use]
pub fn schemas() -> Vec<EventSchema> {
    AnyEvent::type_schemas().iter().flat_map(|(aggregate_type, schema)| by_name(aggregate_type, schema)).collect()
}

/// What serialising an `E` gives, whichever variant it is.
pub(super) fn type_schema<E: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<E>().to_value()
}

fn by_name(aggregate_type: &'static str, whole: &Value) -> Vec<EventSchema> {
    let facts = whole.pointer("/properties/fact").map_or(whole, |fact| resolve(whole, fact));
    let mut found = Vec::new();
    for (variant, shape) in variants(facts) {
        let own_names: Vec<_> = RENAMED.iter().filter(|row| row.aggregate_type == aggregate_type && row.variant == variant).collect();
        if own_names.is_empty() {
            found.push(entry(aggregate_type, format!("{aggregate_type}.{variant}"), whole, shape));
            continue;
        }
        for row in own_names {
            let shape = row.by.map_or_else(|| shape.clone(), |(field, value)| narrowed(whole, &shape, &variant, field, value));
            found.push(entry(aggregate_type, row.name.to_owned(), whole, shape));
        }
    }
    found
}

/// The variants of an enum's schema by their tags. Serde writes `"tag"` or `{"tag": …}`.
fn variants(schema: &Value) -> Vec<(String, Value)> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array).map_or(std::slice::from_ref(schema), Vec::as_slice);
    let mut found = Vec::new();
    for shape in alternatives {
        let properties = shape.get("properties").and_then(Value::as_object);
        let plain = shape.get("enum").and_then(Value::as_array).into_iter().flatten().chain(shape.get("const"));
        found.extend(plain.filter_map(Value::as_str).map(|tag| {
            let mut shape = shape.clone();
            if let Some(fields) = shape.as_object_mut() {
                fields.remove("enum");
                fields.insert("const".to_owned(), tag.into());
            }
            (tag.to_owned(), shape)
        }));
        found.extend(properties.into_iter().flat_map(Map::keys).map(|tag| (tag.clone(), shape.clone())));
    }
    found
}

/// `shape` with only one variant left of the enum in `field`.
fn narrowed(whole: &Value, shape: &Value, variant: &str, field: &str, value: &str) -> Value {
    let mut narrow = shape.clone();
    if let Some(slot) = narrow.pointer_mut(&format!("/properties/{variant}/properties/{field}")) {
        let only = variants(resolve(whole, slot)).into_iter().find(|(tag, _)| tag == value);
        *slot = only.map_or_else(|| json!(false), |(_, shape)| shape);
    }
    narrow
}

/// The schema of one event: the type's, with this variant alone.
fn entry(aggregate_type: &'static str, name: String, whole: &Value, shape: Value) -> EventSchema {
    let mut schema = if whole.pointer("/properties/fact").is_some() { whole.clone() } else { shape.clone() };
    let about = shape.get("description").or_else(|| schema.get("description")).cloned();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$defs");
        fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".to_owned(), name.clone().into());
        if let Some(about) = about {
            fields.insert("description".to_owned(), about);
        }
        if let Some(fact) = fields.get_mut("properties").and_then(|properties| properties.get_mut("fact")) {
            *fact = shape;
        }
    }
    let definitions = reachable(whole, &schema);
    if let (Some(fields), false) = (schema.as_object_mut(), definitions.is_empty()) {
        fields.insert("$defs".to_owned(), Value::Object(definitions));
    }
    EventSchema { version: current_version(&name), name, aggregate_type, schema }
}

/// The definitions of `whole` that `schema` needs.
fn reachable(whole: &Value, schema: &Value) -> Map<String, Value> {
    let mut names = BTreeSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"))
                    && names.insert(name)
                {
                    open.extend(whole.pointer(&format!("/$defs/{name}")));
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    names.into_iter().filter_map(|name| Some((name.to_owned(), whole.pointer(&format!("/$defs/{name}"))?.clone()))).collect()
}

fn resolve<'a>(whole: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    target.and_then(|pointer| whole.pointer(pointer)).unwrap_or(schema)
}
