//! The template's few rules.

use std::collections::BTreeSet;

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::MAX_VARIABLES;
use super::{TemplateCommand, TemplateError, TemplateEvent, TemplateStatus, Variable};
use crate::contract::MAX_BODY_BYTES;
use crate::contract::placeholder::{Piece, is_variable_name, pieces};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    current: Option<TemplateVersion>,
}

/// One version, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersion {
    pub version: u32,
    pub name: String,
    pub body_md: String,
    pub variables: Vec<Variable>,
    pub status: TemplateStatus,
}

impl Template {
    /// What it says now; none before it was created.
    #[must_use]
    pub fn current(&self) -> Option<&TemplateVersion> {
        self.current.as_ref()
    }

    /// The version that contracts are made of (CTR-30).
    ///
    /// # Errors
    /// `NotFound`; `NotPublished` while it is a draft or when it was archived.
    pub fn published(&self) -> Result<&TemplateVersion, TemplateError> {
        let current = self.current.as_ref().ok_or(TemplateError::NotFound)?;
        if current.status == TemplateStatus::Published { Ok(current) } else { Err(TemplateError::NotPublished) }
    }

    fn decide(&self, command: TemplateCommand, _context: &Context) -> Result<Vec<TemplateEvent>, TemplateError> {
        match (command, &self.current) {
            (TemplateCommand::Create { .. }, Some(_)) => Err(TemplateError::Exists),
            (TemplateCommand::Update { .. }, None) => Err(TemplateError::NotFound),
            (TemplateCommand::Create { name, body_md, variables, status }, None) => {
                let first = TemplateVersion { version: 1, name, body_md, variables, status };
                check(&first)?;
                Ok(vec![TemplateEvent::Created(first)])
            }
            (TemplateCommand::Update { name, body_md, variables, status }, Some(current)) => {
                let next = TemplateVersion {
                    version: current.version + 1,
                    name: name.unwrap_or_else(|| current.name.clone()),
                    body_md: body_md.unwrap_or_else(|| current.body_md.clone()),
                    variables: variables.unwrap_or_else(|| current.variables.clone()),
                    status: status.unwrap_or(current.status),
                };
                if (TemplateVersion { version: current.version, ..next.clone() }) == *current {
                    return Ok(Vec::new());
                }
                check(&next)?;
                Ok(vec![TemplateEvent::Updated(next)])
            }
        }
    }
}

/// A text that can be rendered as soon as its variables have values.
fn check(template: &TemplateVersion) -> Result<(), TemplateError> {
    let TemplateVersion { name, body_md, variables, .. } = template;
    if name.trim().is_empty() || name.chars().count() > 200 {
        return Err(TemplateError::NameInvalid);
    }
    if body_md.trim().is_empty() || body_md.len() > MAX_BODY_BYTES {
        return Err(TemplateError::BodyInvalid);
    }
    if variables.len() > MAX_VARIABLES {
        return Err(TemplateError::TooManyVariables);
    }
    let mut declared = BTreeSet::new();
    for Variable { name, .. } in variables {
        if !is_variable_name(name) {
            return Err(TemplateError::VariableNameInvalid { name: name.chars().take(64).collect() });
        }
        if !declared.insert(name.as_str()) {
            return Err(TemplateError::VariableDeclaredTwice { name: name.clone() });
        }
    }
    let (mut broken, mut undeclared) = (Vec::new(), BTreeSet::new());
    for piece in pieces(body_md) {
        match piece {
            Piece::Broken(whole) => broken.push(whole.chars().take(80).collect()),
            Piece::Variable(name) if !declared.contains(name) => {
                undeclared.insert(name.to_owned());
            }
            Piece::Text(_) | Piece::Variable(_) | Piece::Clause(_) => {}
        }
    }
    if !broken.is_empty() {
        return Err(TemplateError::PlaceholderInvalid { placeholders: broken });
    }
    if !undeclared.is_empty() {
        return Err(TemplateError::VariableUndeclared { names: undeclared.into_iter().collect() });
    }
    Ok(())
}

impl cqrs_es::Aggregate for Template {
    const TYPE: &'static str = "template";
    type Command = TemplateCommand;
    type Event = TemplateEvent;
    type Error = TemplateError;
    type Services = Context;

    async fn handle(&mut self, command: TemplateCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), TemplateError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TemplateEvent) {
        match event {
            TemplateEvent::Created(version) | TemplateEvent::Updated(version) => self.current = Some(version),
        }
    }
}

impl TenantAggregate for Template {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.current.is_some()
    }

    fn status(&self) -> &'static str {
        self.current.as_ref().map_or("unopened", |current| current.status.as_str())
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> TemplateError {
        TemplateError::Exists
    }
}
