//! Values made from a schema: they show its shape, not a story. Amounts do not add up.

use serde_json::{Map, Value, json};

/// A value of the event that `schema` describes. Turn 0 is the fullest one; others take other alternatives, nulls and empty lists.
pub(super) fn example(schema: &Value, turn: usize) -> Value {
    Maker { whole: schema, turn }.value("data", schema)
}

struct Maker<'a> {
    whole: &'a Value,
    turn: usize,
}

impl Maker<'_> {
    fn value(&self, field: &str, schema: &Value) -> Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            if name.ends_with("/Money") {
                return json!({ "amount": "1250.00", "currency": "EUR" });
            }
            return self.value(field, self.whole.pointer(&name[1..]).unwrap());
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        for any in ["enum", "oneOf", "anyOf"] {
            if let Some(all) = schema.get(any).and_then(Value::as_array) {
                let one = &all[self.turn % all.len()];
                return if any == "enum" { one.clone() } else { self.value(field, one) };
            }
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds[self.turn % kinds.len()].as_str().unwrap(),
            Some(kind) => kind.as_str().unwrap(),
            None => return json!({ "note": "as agreed", "days": 3 }),
        };
        match kind {
            "object" => self.object(schema),
            "array" if self.turn % 3 == 1 => json!([]),
            "array" => json!([self.value(field, &schema["items"])]),
            "string" => text(field, schema),
            "integer" => if field == "size" { 48_213 } else { 1 }.into(),
            "boolean" => self.turn.is_multiple_of(2).into(),
            "null" => Value::Null,
            other => panic!("no example for {other} ({field})"),
        }
    }

    fn object(&self, schema: &Value) -> Value {
        let required: Vec<_> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        let mut made = Map::new();
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            // Fields that may be missing are present with a value, or missing; serialising leaves nulls and empty lists out.
            let value = self.value(name, inner);
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if required.iter().any(|one| *one == name) || !is_empty {
                made.insert(name.clone(), value);
            }
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            made.insert("key".to_owned(), self.value("value", inner));
        }
        Value::Object(made)
    }
}

fn text(field: &str, schema: &Value) -> Value {
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("uuid"), _) => {
            let number = field.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_000_000);
            format!("01957a00-0000-7000-8000-{number:012}")
        }
        (Some("date-time"), _) => "2026-03-01T12:00:00Z".to_owned(),
        (_, Some(pattern)) if pattern.contains("A-Z") => "EUR".to_owned(),
        (_, Some(pattern)) if pattern.contains("a-z") => "headshot".to_owned(),
        (_, Some(_)) => "48".to_owned(),
        _ => match field {
            "hash" | "sha256" | "bodyHash" => "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "nonce" => "c2l4dHkgYml0cyBt",
            "ciphertext" => "b3BhcXVlIHRvIHdob2V2ZXIgaGFzIG5vdCBnb3QgdGhlIGtleQ==",
            "mime" => "image/jpeg",
            "slug" => "north-light",
            "reason" => "as agreed",
            "code" => "INVALID_ESCROW_TRANSITION",
            "bankReference" => "2026-0301-88",
            _ => "North Light",
        }
        .to_owned(),
    }
    .into()
}
