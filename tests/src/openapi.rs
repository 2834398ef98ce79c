//! The OpenAPI document as the tests read it: every operation with every field that can name something.

use serde_json::{Map, Value, json};

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    pub method: String,
    pub path: String,
    /// With a bearer token; others carry their authority themselves, or are public.
    pub secured: bool,
    /// Its answer never ends (`text/event-stream`).
    pub endless: bool,
    /// All fields that name something, wherever they stand.
    pub ids: Vec<Field>,
}

/// A field that names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub place: Place,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Header,
    /// The way down from the body; `[]` is the first element of a list.
    Body(Vec<String>),
}

/// Names of fields that name something and do not end in `Id`.
const ALSO: &[&str] = &["bankReference", "cursor", "escrow", "raisedBy", "stream", "wallet", "X-Tenant-Id"];
/// They end in `Id` and name nothing that is stored.
const NOT: &[&str] = &["X-Request-Id"];

fn names_something(name: &str, schema: &Value) -> bool {
    let is_uuid = |schema: &Value| schema["format"] == "uuid";
    let by_name = name.ends_with("Id") || name.ends_with("Ids") || ALSO.contains(&name);
    (by_name || is_uuid(schema) || is_uuid(&schema["items"])) && !NOT.contains(&name)
}

/// All operations of the document.
#[must_use]
pub fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten().filter(|(_, operation)| operation["responses"].is_object()) {
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                secured: operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()),
                endless: operation["responses"].to_string().contains("text/event-stream"),
                ids: ids(document, operation),
            });
        }
    }
    found
}

fn ids(document: &Value, operation: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let place = match parameter["in"].as_str() {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            _ => Place::Header,
        };
        // Whatever a path names is something, but for numbers.
        let is_number = parameter["schema"]["type"] == "integer";
        if (place == Place::Path && !is_number) || names_something(name, resolve(document, &parameter["schema"])) {
            found.push(Field { place, name: name.to_owned() });
        }
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    body_ids(document, body, &mut Vec::new(), &mut found);
    found
}

fn body_ids(document: &Value, schema: &Value, way: &mut Vec<String>, found: &mut Vec<Field>) {
    if way.len() > 8 {
        return;
    }
    for schema in alternatives(document, schema) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            way.push(name.clone());
            let inner = resolve(document, inner);
            let field = Field { place: Place::Body(way.clone()), name: name.clone() };
            if alternatives(document, inner).any(|inner| names_something(name, inner)) && !found.contains(&field) {
                found.push(field);
            }
            body_ids(document, inner, way, found);
            way.pop();
        }
        if schema["items"].is_object() {
            way.push("[]".to_owned());
            body_ids(document, &schema["items"], way, found);
            way.pop();
        }
    }
}

/// The schema that is referred to.
#[must_use]
pub fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|to| document.pointer(to.trim_start_matches('#')));
    target.map_or(schema, |target| resolve(document, target))
}

/// The schema itself, or what it is one or all of; null left out.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
    let schema = resolve(document, schema);
    let several = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[*key].as_array());
    let list = several.map_or_else(|| vec![schema], |all| all.iter().map(|one| resolve(document, one)).collect());
    list.into_iter().filter(|one| one["type"] != "null")
}

/// `body` with `value` at the end of the way; what is missing on the way is made as its schema says.
#[must_use]
pub fn with_value(document: &Value, schema: &Value, body: &Value, way: &[String], value: &Value) -> Value {
    let Some((step, rest)) = way.split_first() else { return value.clone() };
    let mut made = body.clone();
    if step == "[]" {
        let items = alternatives(document, schema).find(|one| one["items"].is_object()).map_or(&Value::Null, |one| &one["items"]);
        let first = made.as_array().and_then(|list| list.first()).cloned().unwrap_or_else(|| example(document, items, ""));
        return json!([with_value(document, items, &first, rest, value)]);
    }
    let inner =
        alternatives(document, schema).find(|one| one["properties"][step].is_object()).map_or(&Value::Null, |one| &one["properties"][step]);
    if !made.is_object() {
        made = example(document, schema, "");
    }
    let below = &made[step];
    let is_list_of_ids = rest.is_empty() && alternatives(document, inner).any(|one| one["type"] == "array" || one["items"].is_object());
    let below = if is_list_of_ids { json!([value]) } else { with_value(document, inner, below, rest, value) };
    made[step] = below;
    made
}

/// The least that the schema allows.
fn example(document: &Value, schema: &Value, name: &str) -> Value {
    let Some(schema) = alternatives(document, schema).next() else { return Value::Null };
    for given in ["example", "const", "default"] {
        if !schema[given].is_null() {
            return schema[given].clone();
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array().and_then(|kinds| kinds.first()?.as_str()));
    match (kind, schema["format"].as_str(), name) {
        (Some("object"), _, _) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.map(|name| (name.to_owned(), example(document, &schema["properties"][name], name))).collect::<Map<_, _>>().into()
        }
        (Some("array"), _, _) => json!([]),
        (Some("integer" | "number"), _, _) => json!(1),
        (Some("boolean"), _, _) => json!(true),
        (_, Some("uuid"), _) => json!("00000000-0000-4000-8000-000000000001"),
        (_, Some("date-time"), _) => json!("2036-01-01T00:00:00Z"),
        (_, _, "partyType") => json!("witness"),
        _ => json!("isolation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_and_filled_wherever_they_stand() {
        let document = json!({
            "paths": { "/v1/things/{thingId}": { "post": {
                "security": [{}], "responses": {},
                "parameters": [
                    { "name": "thingId", "in": "path", "schema": { "type": "string" } },
                    { "name": "number", "in": "path", "schema": { "type": "integer" } },
                    { "name": "raisedBy", "in": "query", "schema": { "type": ["string", "null"], "format": "uuid" } },
                    { "name": "limit", "in": "query", "schema": { "type": "integer" } },
                ],
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
            } } },
            "components": { "schemas": {
                "Thing": { "type": "object", "properties": {
                    "fileIds": { "type": "array", "items": { "type": "string", "format": "uuid" } },
                    "signers": { "type": "array", "items": { "$ref": "#/components/schemas/Signer" } },
                    "note": { "type": "string" },
                } },
                "Signer": { "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string" }, "party": { "oneOf": [{ "type": "null" }, { "type": "string", "format": "uuid" }] },
                } },
            } },
        });
        let [operation] = &operations(&document)[..] else { panic!() };
        let names: Vec<_> = operation.ids.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["thingId", "raisedBy", "fileIds", "party"]);
        assert!(operation.secured && !operation.endless);
        let schema = json!({ "$ref": "#/components/schemas/Thing" });
        let fill = |field: &Field| {
            let Place::Body(way) = &field.place else { panic!() };
            with_value(&document, &schema, &json!({ "note": "x" }), way, &json!("id"))
        };
        assert_eq!(fill(&operation.ids[2]), json!({ "note": "x", "fileIds": ["id"] }));
        assert_eq!(fill(&operation.ids[3]), json!({ "note": "x", "signers": [{ "name": "isolation", "party": "id" }] }));
    }
}
