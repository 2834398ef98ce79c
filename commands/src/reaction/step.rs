//! A reaction as data: its name, its events, and the pure function from an event to the commands that follow.

use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Actor, PartyId, Recorded, TenantAggregate};
use uuid::Uuid;

use crate::request::{Accepted, IdempotencyKey, KeyOwner, Refusal, Request};
use crate::writer::Writers;

/// One rule of the kind "when this has happened, do that".
#[derive(Debug, Clone, Copy)]
pub struct Reaction {
    /// Names the key space (`system:<name>`), dead letters and metrics. Never changes.
    pub name: &'static str,
    /// Stored names of the events that it answers.
    pub on: &'static [&'static str],
    /// Pure: the same event always gives the same steps.
    pub steps: fn(&Recorded<AnyEvent>) -> Vec<Step>,
}

/// One command that follows from an event.
pub struct Step {
    /// Unique within the event: part of the idempotency key.
    pub name: String,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
    run: Box<Run>,
}

type Run = dyn Fn(&Writers, Cause) -> BoxFuture<'static, Result<Accepted, Refusal>> + Send + Sync;

/// What the command inherits from the event that it answers.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) key: IdempotencyKey,
    pub(crate) event: CauseFacts,
}

#[derive(Debug, Clone)]
pub(crate) struct CauseFacts {
    pub(crate) tenant_id: holdfast_domain::kernel::TenantId,
    pub(crate) event_id: holdfast_domain::kernel::EventId,
    pub(crate) request_id: holdfast_domain::kernel::RequestId,
    pub(crate) correlation_id: holdfast_domain::kernel::CorrelationId,
    pub(crate) hops: u8,
    pub(crate) actor: Actor,
}

impl CauseFacts {
    pub(crate) fn of(event: &Recorded<AnyEvent>) -> Self {
        Self {
            tenant_id: event.origin.tenant_id,
            event_id: event.metadata.event_id,
            request_id: event.metadata.request_id,
            correlation_id: event.metadata.correlation_id,
            hops: event.metadata.hops,
            actor: event.metadata.actor.clone(),
        }
    }
}

impl Step {
    /// By the machinery itself. `name` tells the steps of one event apart.
    #[must_use]
    pub fn new<A: TenantAggregate>(name: impl Into<String>, aggregate_id: Uuid, command: A::Command) -> Self {
        Self::by::<A>(name.into(), aggregate_id, command, |_| system_actor())
    }

    /// As whoever did what the event tells: for what a person decided here and the machinery carries out there (MNY-18).
    #[must_use]
    pub fn in_the_name_of_the_actor<A: TenantAggregate>(name: impl Into<String>, aggregate_id: Uuid, command: A::Command) -> Self {
        Self::by::<A>(name.into(), aggregate_id, command, |event| event.actor.clone())
    }

    fn by<A: TenantAggregate>(name: String, aggregate_id: Uuid, command: A::Command, actor: fn(&CauseFacts) -> Actor) -> Self {
        let run = move |writers: &Writers, cause: Cause| {
            let request = Request::<A> {
                tenant_id: cause.event.tenant_id,
                aggregate_id,
                command: command.clone(),
                actor: actor(&cause.event),
                request_id: cause.event.request_id,
                correlation_id: cause.event.correlation_id,
                causation_id: Some(cause.event.event_id),
                hops: cause.event.hops.saturating_add(1),
                key: Some(cause.key),
                if_match: None,
                not_before: None,
            };
            let writers = writers.clone();
            async move { writers.execute(request).await }.boxed()
        };
        Self { name, aggregate_type: A::TYPE, aggregate_id, run: Box::new(run) }
    }

    pub(crate) fn run(
        &self,
        writers: &Writers,
        rule: &'static str,
        event: &CauseFacts,
        attempt: i32,
    ) -> BoxFuture<'static, Result<Accepted, Refusal>> {
        let key = IdempotencyKey {
            owner: KeyOwner::System(rule),
            key: format!("{}/{}/{attempt}", event.event_id, self.name),
            request_hash: Vec::new(),
        };
        (self.run)(writers, Cause { key, event: event.clone() })
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {} {}", self.name, self.aggregate_type, self.aggregate_id)
    }
}

/// The machinery of Holdfast as an actor.
pub(crate) fn system_actor() -> Actor {
    Actor::system(PartyId(Uuid::nil()))
}
