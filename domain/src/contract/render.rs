//! From template and variables to the text that is signed. Pure: the same inputs give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::contract::Variable;
use crate::contract::placeholder::{MAX_BODY_BYTES, Piece, pieces};
use crate::kernel::{DomainError, ErrorKind};

/// Why a text cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// CTR-17: all of them at once.
    #[error("values are missing for: {}", names.join(", "))]
    MissingVariables { names: Vec<String> },
    #[error("the template has no variables named: {}", names.join(", "))]
    UnknownVariables { names: Vec<String> },
    #[error("there are no clauses with these keys: {}", keys.join(", "))]
    UnknownClauses { keys: Vec<String> },
    #[error("the text would be longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
}

impl DomainError for RenderError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::MissingVariables { .. } => (ErrorKind::Invalid, "MISSING_VARIABLE"),
            Self::UnknownVariables { .. } => (ErrorKind::Invalid, "UNKNOWN_VARIABLE"),
            Self::UnknownClauses { .. } => (ErrorKind::Invalid, "CLAUSE_UNKNOWN"),
            Self::TooLong => (ErrorKind::Invalid, "DOCUMENT_TOO_LONG"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::MissingVariables { names } | Self::UnknownVariables { names } => json!({ "names": names }),
            Self::UnknownClauses { keys } => json!({ "keys": keys }),
            Self::TooLong => json!({ "maxBytes": MAX_BODY_BYTES }),
        }
    }
}

/// A value for each declared variable: what was given, else its default, else, when it is not required, nothing.
///
/// # Errors
/// `UnknownVariables` names what was given and is not declared, `MissingVariables` what is required and was not given
/// (an empty value counts as none).
pub fn values_for(declared: &[Variable], given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, RenderError> {
    let known: BTreeSet<&str> = declared.iter().map(|variable| variable.name.as_str()).collect();
    let unknown: Vec<String> = given.keys().filter(|name| !known.contains(name.as_str())).cloned().collect();
    if !unknown.is_empty() {
        return Err(RenderError::UnknownVariables { names: unknown });
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for variable in declared {
        let value = given.get(&variable.name).filter(|value| !value.trim().is_empty()).or(variable.default.as_ref());
        if value.is_none() && variable.required {
            missing.push(variable.name.clone());
        }
        values.insert(variable.name.clone(), value.cloned().unwrap_or_default());
    }
    if missing.is_empty() { Ok(values) } else { Err(RenderError::MissingVariables { names: missing }) }
}

/// Puts `values` into every `{{name}}` of `body_md` and the texts of the clauses, by key, into every `{{clause:key}}`.
///
/// One pass: a value is put in as it is, whatever it looks like, with all that markdown might take for markup escaped, so
/// that it can make no heading, link or new paragraph. A clause is a text of the tenant like the template: it may ask
/// for values, not for other clauses.
///
/// # Errors
/// `UnknownClauses`, `MissingVariables` (all names without a value), `TooLong`.
pub fn render(body_md: &str, values: &BTreeMap<String, String>, clauses: &BTreeMap<String, String>) -> Result<String, RenderError> {
    let mut text = Rendered::default();
    for piece in pieces(body_md) {
        match piece {
            Piece::Text(literal) | Piece::Broken(literal) => text.body.push_str(literal),
            Piece::Variable(name) => text.put(name, values),
            Piece::Clause(key) => match clauses.get(key) {
                Some(clause) => text.put_clause(clause, values),
                None => note(&mut text.unknown_clauses, key),
            },
        }
        if text.body.len() > MAX_BODY_BYTES {
            return Err(RenderError::TooLong);
        }
    }
    if !text.unknown_clauses.is_empty() {
        return Err(RenderError::UnknownClauses { keys: text.unknown_clauses });
    }
    if !text.missing.is_empty() {
        return Err(RenderError::MissingVariables { names: text.missing });
    }
    Ok(text.body)
}

#[derive(Default)]
struct Rendered {
    body: String,
    missing: Vec<String>,
    unknown_clauses: Vec<String>,
}

impl Rendered {
    fn put(&mut self, name: &str, values: &BTreeMap<String, String>) {
        match values.get(name) {
            Some(value) => push_escaped(&mut self.body, value),
            None => note(&mut self.missing, name),
        }
    }

    fn put_clause(&mut self, clause: &str, values: &BTreeMap<String, String>) {
        for piece in pieces(clause) {
            match piece {
                Piece::Text(literal) | Piece::Broken(literal) => self.body.push_str(literal),
                Piece::Variable(name) => self.put(name, values),
                Piece::Clause(key) => note(&mut self.unknown_clauses, key),
            }
        }
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// `CommonMark` lets a backslash take the meaning from any ASCII punctuation; what has none anywhere is left as it is.
/// Line breaks and runs of white space become one space; what turns the direction of reading is left out.
fn push_escaped(body: &mut String, value: &str) {
    for (i, word) in value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).enumerate() {
        if i > 0 {
            body.push(' ');
        }
        for c in word.chars().filter(|c| !turns_direction(*c)) {
            if c.is_ascii_punctuation() && !matches!(c, ',' | ';' | '/' | '%' | '?' | '\'' | '"') {
                body.push('\\');
            }
            body.push(c);
        }
    }
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
