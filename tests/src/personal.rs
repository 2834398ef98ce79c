//! Which fields of which events hold text, by the events' own schemas: sealed for a person, or plain.

use std::collections::BTreeSet;

use holdfast_domain::event::schemas;
use serde_json::Value;

/// `booking.completed /fact/completed/attendance/note`; a list's items and a map's values are `*`.
pub type Field = String;

/// Every field that is stored sealed.
#[must_use]
pub fn sealed_fields() -> BTreeSet<Field> {
    fields(|name, _| name == Some("Sealed"))
}

/// Every field that may hold any text: no format, no pattern, no list of values; or any JSON.
#[must_use]
pub fn plain_texts() -> BTreeSet<Field> {
    let bound = ["format", "pattern", "enum", "const"];
    let shapes = ["type", "enum", "const", "oneOf", "anyOf", "allOf"];
    let text = |schema: &Value| match schema["type"].as_array() {
        Some(kinds) => kinds.iter().any(|kind| kind == "string"),
        None => schema["type"] == "string" || shapes.iter().all(|word| schema.get(word).is_none()),
    };
    fields(|name, schema| name != Some("Sealed") && text(schema) && bound.iter().all(|word| schema.get(word).is_none()))
}

/// The fields of one stored payload that are sealed, with what they hold.
#[must_use]
pub fn sealed_in(event: &str, payload: &Value) -> Vec<(Field, Value)> {
    let mut found = Vec::new();
    values(payload, &mut format!("{event} "), &mut found);
    found
}

fn values(value: &Value, path: &mut String, found: &mut Vec<(Field, Value)>) {
    let length = path.len();
    let mut within = |name: &str, value: &Value| {
        path.push('/');
        path.push_str(name);
        values(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::Object(fields) if fields.contains_key("ciphertext") => found.push((path.clone(), value.clone())),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| within(name, value)),
        Value::Array(items) => items.iter().for_each(|value| within("*", value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `wanted` sees a schema with the name that it is referred to by.
fn fields(wanted: impl Fn(Option<&str>, &Value) -> bool) -> BTreeSet<Field> {
    let mut found = BTreeSet::new();
    for event in schemas() {
        let walk = Walk { whole: &event.schema, wanted: &wanted };
        walk.schema(&event.schema, None, &format!("{} ", event.name), &mut found);
    }
    found
}

struct Walk<'a, W> {
    whole: &'a Value,
    wanted: &'a W,
}

impl<W: Fn(Option<&str>, &Value) -> bool> Walk<'_, W> {
    fn schema(&self, schema: &Value, name: Option<&str>, path: &str, found: &mut BTreeSet<Field>) {
        if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.whole.pointer(to.trim_start_matches('#')).unwrap_or(&Value::Null);
            return self.schema(target, to.rsplit('/').next(), path, found);
        }
        if (self.wanted)(name, schema) {
            found.insert(path.to_owned());
        }
        if name == Some("Sealed") {
            return;
        }
        for (field, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.schema(schema, None, &format!("{path}/{field}"), found);
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            for schema in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
                self.schema(schema, None, path, found);
            }
        }
        for word in ["items", "additionalProperties"] {
            if let Some(schema) = schema.get(word).filter(|schema| schema.is_object()) {
                self.schema(schema, None, &format!("{path}/*"), found);
            }
        }
    }
}
