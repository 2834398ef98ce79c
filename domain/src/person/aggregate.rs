//! State, decisions, and how events change it.

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{Claim, Context, PartyId, Role, TenantAggregate};
use crate::person::{ErasureReason, PersonCommand, PersonError, PersonEvent};

/// Who may erase a person (ADM-25).
const MAY_ERASE: [Role; 3] = [Role::TenantAdmin, Role::Superadmin, Role::PlatformAdmin];

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    status: PersonStatus,
    erasure: Option<Erasure>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonStatus {
    /// Nothing was decided about them: they have no stream.
    #[default]
    Unmentioned,
    Erased,
    KeysDestroyed,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    pub subject: PartyId,
    pub requested_by: PartyId,
    pub reason: ErasureReason,
    /// None until the keys are destroyed.
    pub keys: Option<u32>,
    pub keys_destroyed_at: Option<DateTime<Utc>>,
}

impl Person {
    #[must_use]
    pub fn person_status(&self) -> PersonStatus {
        self.status
    }

    /// None when they were not erased.
    #[must_use]
    pub fn erasure(&self) -> Option<&Erasure> {
        self.erasure.as_ref()
    }

    fn decide(&self, command: PersonCommand, context: &Context) -> Result<Vec<PersonEvent>, PersonError> {
        match command {
            PersonCommand::Erase { subject, reason } => {
                if !context.actor.roles.iter().any(|role| MAY_ERASE.contains(role)) {
                    return Err(PersonError::NotPermitted);
                }
                let erased = PersonEvent::Erased { subject, requested_by: context.actor.id, reason };
                Ok((!self.exists()).then_some(erased).into_iter().collect())
            }
            PersonCommand::RecordKeysDestroyed { subject, keys, at } => {
                if !context.actor.is_system() {
                    return Err(PersonError::NotPermitted);
                }
                match self.status {
                    PersonStatus::Unmentioned => Err(PersonError::NotErased),
                    PersonStatus::Erased => Ok(vec![PersonEvent::KeysDestroyed { subject, keys, at }]),
                    PersonStatus::KeysDestroyed => Ok(Vec::new()),
                }
            }
        }
    }
}

impl PersonStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmentioned => "unmentioned",
            Self::Erased => "erased",
            Self::KeysDestroyed => "keys_destroyed",
        }
    }
}

impl cqrs_es::Aggregate for Person {
    const TYPE: &'static str = "person";
    type Command = PersonCommand;
    type Event = PersonEvent;
    type Error = PersonError;
    type Services = Context;

    async fn handle(&mut self, command: PersonCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), PersonError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: PersonEvent) {
        match event {
            PersonEvent::Erased { subject, requested_by, reason } => {
                self.status = PersonStatus::Erased;
                self.erasure = Some(Erasure { subject, requested_by, reason, keys: None, keys_destroyed_at: None });
            }
            PersonEvent::KeysDestroyed { keys, at, .. } => {
                self.status = PersonStatus::KeysDestroyed;
                if let Some(erasure) = &mut self.erasure {
                    (erasure.keys, erasure.keys_destroyed_at) = (Some(keys), Some(at));
                }
            }
        }
    }
}

impl TenantAggregate for Person {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != PersonStatus::Unmentioned
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// A person takes nothing that another could hold.
    fn claim_taken(_claim: &Claim, _holder: Uuid) -> PersonError {
        PersonError::NotErased
    }
}
