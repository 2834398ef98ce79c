//! How this program folds streams, in one word per aggregate: a state that was folded otherwise is not used (protocols 2.5).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::{AnyEvent, UPCASTERS};

/// What the state of a stream depends on, besides its events.
pub(super) struct Fold {
    pub aggregate_type: &'static str,
    /// `FOLD_VERSION`.
    pub version: u32,
    /// Schema of the state.
    pub state: Value,
    /// Schema of the events: a program that does not know one of them could not have folded it.
    pub events: Value,
}

static FINGERPRINTS: LazyLock<BTreeMap<&'static str, String>> =
    LazyLock::new(|| AnyEvent::folds().iter().map(|fold| (fold.aggregate_type, fold.fingerprint(UPCASTERS.len()))).collect());

/// `<fold version>-<hash>`: equal in two programs only if they fold the same streams into the same states. None: not ours.
#[must_use]
pub fn fingerprint(aggregate_type: &str) -> Option<&'static str> {
    FINGERPRINTS.get(aggregate_type).map(String::as_str)
}

impl Fold {
    /// Upcasters only ever become more: their number says which there are.
    fn fingerprint(&self, upcasters: usize) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{} {upcasters}", self.aggregate_type).as_bytes());
        feed(&mut hasher, &self.state);
        feed(&mut hasher, &self.events);
        format!("{}-{:.32}", self.version, hasher.finalize().to_hex())
    }
}

/// What the schema allows, not its words, in an order that no build of `serde_json` changes.
fn feed(hasher: &mut blake3::Hasher, schema: &Value) {
    match schema {
        Value::Object(fields) => {
            // A field may be called `description`: then its value is a schema, not a text.
            let is_shape = |name: &str, value: &Value| !(matches!(name, "description" | "title") && value.is_string());
            let mut fields: Vec<_> = fields.iter().filter(|(name, value)| is_shape(name, value)).collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"{");
            for (name, value) in fields {
                hasher.update(format!("{name:?}:").as_bytes());
                feed(hasher, value);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| feed(hasher, item));
            hasher.update(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            hasher.update(schema.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AGGREGATE_TYPES;

    fn wallet() -> Fold {
        AnyEvent::folds().into_iter().find(|fold| fold.aggregate_type == "wallet").unwrap()
    }

    #[test]
    fn every_aggregate_has_a_fingerprint_of_its_own() {
        let all: std::collections::BTreeSet<_> = AGGREGATE_TYPES.iter().map(|name| fingerprint(name).unwrap()).collect();
        assert_eq!(all.len(), AGGREGATE_TYPES.len());
        assert!(fingerprint("wallet").unwrap().starts_with("2-"), "the fold version is to be seen");
        assert_eq!(fingerprint("unheard_of"), None);
    }

    #[test]
    fn whatever_changes_the_fold_changes_it_and_words_do_not() {
        let before = wallet().fingerprint(0);
        assert_eq!(before, wallet().fingerprint(0));
        assert_ne!(before, wallet().fingerprint(1), "one more upcaster");
        let changes: [fn(&mut Fold); 5] = [
            |fold| fold.version += 1,
            |fold| fold.state["properties"]["note"] = serde_json::json!({ "type": "string" }),
            |fold| fold.state["properties"]["available"]["type"] = "string".into(),
            |fold| fold.state["properties"]["description"] = serde_json::json!({ "type": "string" }),
            |fold| fold.events["properties"]["fact"] = serde_json::json!({ "const": "opened" }),
        ];
        for change in changes {
            let mut fold = wallet();
            change(&mut fold);
            assert_ne!(fold.fingerprint(0), before, "{:#}", fold.state);
        }
        let mut fold = wallet();
        fold.state["description"] = "other words".into();
        fold.events["properties"]["at"]["description"] = "other words".into();
        assert_eq!(fold.fingerprint(0), before);
    }
}
