//! Free text in bodies: bounded, not blank.

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

const MAX_CHARACTERS: usize = 2_000;

/// 1 to 2,000 characters, of which at least one is visible; no control characters but line breaks and tabs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 2000)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// A [`Text`] about a person. Nothing reads it but the sealing, and it prints as nothing (ADM-25, CNF-33): a personal field of a body
/// is of this type.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 2000)]
pub(crate) struct PersonalText(Text);

impl PersonalText {
    /// What was put together here.
    pub(crate) fn made(text: String) -> Self {
        Self(Text(text))
    }

    /// Looks at it without keeping it.
    pub(crate) fn satisfies(&self, rule: impl FnOnce(&str) -> bool) -> bool {
        rule(self.0.as_str())
    }

    /// For sealing, and for nothing else: `tests/tests/house.rs` knows who may.
    pub(crate) fn into_plain(self) -> String {
        self.0.into_string()
    }
}

impl std::fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalText(..)")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let visible = !text.trim().is_empty();
        let short = text.chars().count() <= MAX_CHARACTERS;
        let clean = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
        if visible && short && clean {
            return Ok(Self(text));
        }
        Err(de::Error::custom("must be 1 to 2000 characters of text, not blank, without control characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_long_and_control_characters_are_refused() {
        for text in ["", "  ", "a\u{0}b", &"x".repeat(2_001)] {
            assert!(serde_json::from_value::<Text>(serde_json::json!(text)).is_err(), "{text:?}");
        }
        assert!(serde_json::from_value::<PersonalText>(serde_json::json!("  ")).is_err());
        assert_eq!(format!("{:?}", PersonalText::made("Ada".to_owned())), "PersonalText(..)");
        assert_eq!(serde_json::from_str::<Text>(r#""two\nlines""#).unwrap().into_string(), "two\nlines");
    }
}
