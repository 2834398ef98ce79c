//! A command on its way through a writer, with its aggregate's type hidden.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use cqrs_es::event_sink::EventSink;
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_domain::kernel::{
    Actor, Claim, ClaimChange, Context, CorrelationId, DomainError, EventId, Metadata, Origin, RequestId, TenantAggregate, event_id,
};
use holdfast_domain::ledger;
use holdfast_eventlog::{NewClaim, NewEvent, Snapshot, StoredEvent, StreamId};
use tokio::sync::oneshot;

use crate::request::{Accepted, AcceptedEvent, IdempotencyKey, KeyOwner, Refusal, Rejection};
use crate::writer::answer::Answer;
use crate::writer::in_flight::InFlight;
use crate::writer::stream::{AnyStream, Stream, Unfolded};

/// One command in a writer's queue.
pub(crate) struct Job {
    pub(crate) stream: StreamId,
    pub(crate) order: Box<dyn Order>,
    pub(crate) caller: CallerFacts,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) if_match: Option<i64>,
    pub(crate) not_before: Option<DateTime<Utc>>,
    /// Keeps the key marked as in flight until the job is answered or dropped.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) reply: oneshot::Sender<Result<Accepted, Refusal>>,
}

/// What goes into the metadata of every event of the command.
#[derive(Debug, Clone)]
pub(crate) struct CallerFacts {
    pub(crate) actor: Actor,
    pub(crate) request_id: RequestId,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) causation_id: Option<EventId>,
    pub(crate) hops: u8,
}

impl Job {
    pub(crate) fn is_system(&self) -> bool {
        self.key.as_ref().is_some_and(|key| matches!(key.owner, KeyOwner::System(_)))
    }

    /// The caller may have gone away: that changes nothing.
    pub(crate) fn answer(self, answer: Result<Accepted, Refusal>) {
        drop(self.in_flight);
        let _ = self.reply.send(answer);
    }
}

/// What a command came to, before it is stored.
pub(crate) struct Decided {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) claims: Vec<NewClaim>,
    pub(crate) answer: Answer,
}

/// Why nothing may be stored for a command.
pub(crate) enum Undecided {
    /// The state may have been changed by a handler that then failed: it must not be used again.
    Dirty(Rejection),
    /// The handler panicked or decided something that may not be stored.
    Broken,
}

/// A command that knows how to be decided on its own stream.
pub(crate) trait Order: Send + Sync {
    fn empty(&self) -> Box<dyn AnyStream>;
    fn fold(&self, snapshot: Option<&Snapshot>, events: &[StoredEvent]) -> Result<Box<dyn AnyStream>, Unfolded>;
    fn depends_on_settings(&self) -> bool;
    /// Decides on `stream` and applies what was decided to it.
    fn decide<'a>(
        &'a self,
        id: StreamId,
        stream: &'a mut dyn AnyStream,
        context: &'a Context,
        caller: &'a CallerFacts,
    ) -> BoxFuture<'a, Result<Decided, Undecided>>;
    fn claim_taken(&self, claim: &Claim, holder: uuid::Uuid) -> Rejection;
}

pub(crate) struct TypedOrder<A: TenantAggregate> {
    pub(crate) command: A::Command,
}

impl<A: TenantAggregate> Order for TypedOrder<A> {
    fn empty(&self) -> Box<dyn AnyStream> {
        Box::new(Stream::<A>::empty())
    }

    fn fold(&self, snapshot: Option<&Snapshot>, events: &[StoredEvent]) -> Result<Box<dyn AnyStream>, Unfolded> {
        Stream::<A>::boxed(snapshot, events)
    }

    fn depends_on_settings(&self) -> bool {
        A::depends_on_settings(&self.command)
    }

    fn decide<'a>(
        &'a self,
        id: StreamId,
        stream: &'a mut dyn AnyStream,
        context: &'a Context,
        caller: &'a CallerFacts,
    ) -> BoxFuture<'a, Result<Decided, Undecided>> {
        async move {
            let Some(stream) = stream.as_any_mut().downcast_mut::<Stream<A>>() else {
                tracing::error!(aggregate = id.aggregate_type, "two aggregate types share a name");
                return Err(Undecided::Broken);
            };
            self.handle(id, stream, context, caller).await
        }
        .boxed()
    }

    fn claim_taken(&self, claim: &Claim, holder: uuid::Uuid) -> Rejection {
        rejection(&A::claim_taken(claim, holder))
    }
}

impl<A: TenantAggregate> TypedOrder<A> {
    async fn handle(&self, id: StreamId, stream: &mut Stream<A>, context: &Context, caller: &CallerFacts) -> Result<Decided, Undecided> {
        let sink = EventSink::default();
        let handled = AssertUnwindSafe(stream.state.handle(self.command.clone(), context, &sink)).catch_unwind().await;
        let events = sink.collect().await;
        match handled {
            Err(_panic) => {
                tracing::error!(aggregate = id.aggregate_type, id = %id.aggregate_id, request = %caller.request_id, "a handler panicked");
                Err(Undecided::Broken)
            }
            // `EventSink::write` applies at once: an error after a write leaves a changed state behind.
            Ok(Err(error)) if !events.is_empty() => Err(Undecided::Dirty(rejection(&error))),
            Ok(Err(error)) => Ok(Decided { events: Vec::new(), claims: Vec::new(), answer: Answer::Rejected(rejection(&error)) }),
            Ok(Ok(())) => Self::record(id, stream, events, context, caller),
        }
    }

    /// Turns decided events into rows. The state has them already.
    fn record(
        id: StreamId,
        stream: &mut Stream<A>,
        events: Vec<A::Event>,
        context: &Context,
        caller: &CallerFacts,
    ) -> Result<Decided, Undecided> {
        let mut rows = Vec::with_capacity(events.len());
        let mut claims = Vec::new();
        let mut names = Vec::with_capacity(events.len());
        for event in events {
            let sequence = stream.version + 1;
            let origin = Origin { tenant_id: id.tenant_id, aggregate_type: id.aggregate_type, aggregate_id: id.aggregate_id, sequence };
            claims.extend(A::claims(&event).into_iter().map(new_claim));
            let row = NewEvent {
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: json(&event)?,
                metadata: json(&metadata(&origin, context, caller))?,
            };
            // Nothing that does not balance is ever stored (LED-60).
            if let Err(error) = ledger::post(&origin, &event.into()) {
                tracing::error!(%error, event = row.event_type, id = %id.aggregate_id, "an event does not balance");
                return Err(Undecided::Broken);
            }
            names.push(AcceptedEvent { event_type: row.event_type.clone(), sequence });
            stream.version = sequence;
            stream.last_at = context.now;
            stream.grow(row.payload.len());
            rows.push(row);
        }
        let answer =
            Answer::Accepted { id: id.aggregate_id, version: stream.version, status: stream.state.status().to_owned(), events: names };
        Ok(Decided { events: rows, claims, answer })
    }
}

fn metadata(origin: &Origin, context: &Context, caller: &CallerFacts) -> Metadata {
    Metadata {
        event_id: event_id(origin.tenant_id, origin.aggregate_type, origin.aggregate_id, origin.sequence),
        actor: caller.actor.clone(),
        request_id: caller.request_id,
        correlation_id: caller.correlation_id,
        causation_id: caller.causation_id,
        hops: caller.hops,
        occurred_at: context.now,
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Undecided> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "a decided event cannot be written as JSON");
        Undecided::Broken
    })
}

fn new_claim(change: ClaimChange) -> NewClaim {
    match change {
        ClaimChange::Take(Claim { kind, value }) => NewClaim { kind, value, take: true },
        ClaimChange::GiveBack(Claim { kind, value }) => NewClaim { kind, value, take: false },
    }
}

pub(crate) fn rejection(error: &impl DomainError) -> Rejection {
    let (kind, code) = error.describe();
    Rejection { kind, code: code.to_owned(), message: error.to_string(), details: error.details() }
}
