//! Every refusal has a kind (what sort of answer it is) and a stable code (which one exactly).

use serde::{Deserialize, Serialize};

/// What sort of refusal it is; the HTTP edge maps it to a status, and nobody else knows status numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A rule of the business refuses these values.
    Invalid,
    /// The state does not allow it now.
    Conflict,
    /// It does not exist for this tenant; also the answer for what belongs to another.
    NotFound,
    /// This actor may not.
    Forbidden,
}

/// A refusal by the domain. `Display` is the sentence for people; nothing in it is personal.
pub trait DomainError: std::error::Error {
    /// Kind and stable code; one code per meaning, never reused.
    fn describe(&self) -> (ErrorKind, &'static str);

    /// Values that help a program to react, as JSON (`{"status": .., "action": ..}`).
    fn details(&self) -> serde_json::Value {
        serde_json::Value::Object(serde_json::Map::new())
    }
}
