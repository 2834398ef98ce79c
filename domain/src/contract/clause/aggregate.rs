//! The clause's few rules.

use std::collections::BTreeSet;

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ClauseCommand, ClauseError, ClauseEvent};
use crate::contract::placeholder::{Piece, is_clause_key, pieces};
use crate::kernel::{Claim, Context, TenantAggregate};

/// The longest text of a clause, in bytes.
pub(super) const MAX_CLAUSE_BYTES: usize = 64 * 1024;
const MAX_TAGS: usize = 20;

/// Once written it stays as it is: contracts refer to what a key said.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    text: Option<ClauseText>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClauseText {
    pub key: String,
    pub title: String,
    pub body_md: String,
    pub tags: Vec<String>,
}

impl Clause {
    /// None before it was created.
    #[must_use]
    pub fn text(&self) -> Option<&ClauseText> {
        self.text.as_ref()
    }

    fn decide(&self, command: ClauseCommand, _context: &Context) -> Result<Vec<ClauseEvent>, ClauseError> {
        let ClauseCommand::Create { key, title, body_md, tags } = command;
        let text = ClauseText { key, title, body_md, tags };
        if self.text.is_some() {
            return Err(ClauseError::KeyTaken);
        }
        check(&text)?;
        Ok(vec![ClauseEvent::Created(text)])
    }
}

fn check(clause: &ClauseText) -> Result<(), ClauseError> {
    let ClauseText { key, title, body_md, tags } = clause;
    if !is_clause_key(key) {
        return Err(ClauseError::KeyInvalid);
    }
    if title.trim().is_empty() || title.chars().count() > 200 {
        return Err(ClauseError::TitleInvalid);
    }
    if body_md.trim().is_empty() || body_md.len() > MAX_CLAUSE_BYTES {
        return Err(ClauseError::BodyInvalid);
    }
    let mut placeholders = Vec::new();
    for piece in pieces(body_md) {
        match piece {
            Piece::Broken(whole) => placeholders.push(whole.chars().take(80).collect()),
            Piece::Clause(key) => placeholders.push(format!("clause:{key}")),
            Piece::Text(_) | Piece::Variable(_) => {}
        }
    }
    if !placeholders.is_empty() {
        return Err(ClauseError::PlaceholderInvalid { placeholders });
    }
    let once: BTreeSet<_> = tags.iter().collect();
    let of_good_length = tags.iter().all(|tag| (1..=50).contains(&tag.trim().chars().count()));
    if tags.len() > MAX_TAGS || once.len() != tags.len() || !of_good_length {
        return Err(ClauseError::TagsInvalid);
    }
    Ok(())
}

impl cqrs_es::Aggregate for Clause {
    const TYPE: &'static str = "clause";
    type Command = ClauseCommand;
    type Event = ClauseEvent;
    type Error = ClauseError;
    type Services = Context;

    async fn handle(&mut self, command: ClauseCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), ClauseError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ClauseEvent) {
        let ClauseEvent::Created(text) = event;
        self.text = Some(text);
    }
}

impl TenantAggregate for Clause {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.text.is_some()
    }

    fn status(&self) -> &'static str {
        if self.text.is_some() { "active" } else { "unopened" }
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> ClauseError {
        ClauseError::KeyTaken
    }
}
