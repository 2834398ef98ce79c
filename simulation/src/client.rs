//! Clients: they send commands with keys, repeat what was not answered, and write down what they were told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use futures::FutureExt as _;
use holdfast_commands::{Accepted, IdempotencyKey, KeyOwner, Refusal, Request};
use holdfast_domain::kernel::{Actor, ActorKind, Context, CorrelationId, DomainError, PartyId, RequestId, Role, TenantAggregate, TenantId};
use holdfast_domain::tenant::Tenant;
use holdfast_eventlog::StoredEvent;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::chance::Chance;
use crate::store::TenantLog;
use crate::world::World;

/// Longer than the program needs to say that it does not know.
const PATIENCE: Duration = Duration::from_secs(20);

/// One command as its client saw it.
pub struct Sent {
    pub tenant_id: TenantId,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
    pub what: String,
    /// Owner and key, as stored.
    pub key: Option<(String, String)>,
    pub correlation_id: Uuid,
    /// The furthest position of the tenant that any client had been told of before.
    pub known_before: i64,
    pub sent_at: DateTime<Utc>,
    pub answered_at: DateTime<Utc>,
    /// A try before the last one may still be under way in a process that is frozen.
    pub in_doubt: bool,
    /// None: never answered, or not for certain.
    pub answer: Option<Result<Accepted, Refusal>>,
    pub repeats: Vec<Result<Accepted, Refusal>>,
    pub decide_again: DecideAgain,
}

/// What the domain says to the command in the state of that position, at that time: none, or the code of its refusal.
type DecideAgain = Box<dyn Fn(&TenantLog, i64, DateTime<Utc>) -> Option<&'static str> + Send>;

/// What all clients have learned.
#[derive(Default)]
pub struct Told {
    pub sent: Mutex<Vec<Sent>>,
    positions: Mutex<BTreeMap<TenantId, i64>>,
    pub broken: Mutex<Vec<String>>,
}

impl Told {
    fn position(&self, tenant_id: TenantId) -> i64 {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant_id).copied().unwrap_or(0)
    }

    fn learn(&self, tenant_id: TenantId, position: i64) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = positions.entry(tenant_id).or_default();
        *known = position.max(*known);
    }

    fn broken(&self, what: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// How a command is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    pub keyless: bool,
    pub if_match: Option<i64>,
    /// Asks once and lives with what it does not know.
    pub once: bool,
}

#[derive(Clone)]
pub struct Client {
    pub world: Arc<World>,
    pub told: Arc<Told>,
    pub chance: Chance,
    /// Clients of other tenants use the same keys.
    pub keys: Chance,
    pub tenant_id: TenantId,
}

impl Client {
    pub async fn ask<A: TenantAggregate>(&self, id: Uuid, command: A::Command, actor: &Actor) -> Option<Result<Accepted, Refusal>>
    where
        A::Command: std::fmt::Debug,
    {
        let how = How { keyless: self.chance.in_1000(200), once: self.chance.in_1000(80), if_match: None };
        self.send::<A>(id, command, actor, how).await
    }

    pub async fn send<A: TenantAggregate>(
        &self,
        id: Uuid,
        command: A::Command,
        actor: &Actor,
        how: How,
    ) -> Option<Result<Accepted, Refusal>>
    where
        A::Command: std::fmt::Debug,
    {
        let key = (!how.keyless).then(|| self.keys.uuid().to_string());
        let correlation_id = self.chance.uuid();
        let (known_before, sent_at) = (self.told.position(self.tenant_id), self.world.store.now());
        let what = format!("{command:?}").chars().take(120).collect::<String>();
        let request = |request_id| Request::<A> {
            tenant_id: self.tenant_id,
            aggregate_id: id,
            command: command.clone(),
            actor: actor.clone(),
            request_id: RequestId(request_id),
            correlation_id: CorrelationId(correlation_id),
            causation_id: None,
            hops: 0,
            key: key.clone().map(|key| IdempotencyKey { owner: KeyOwner::Actor(actor.id), request_hash: key.as_bytes().to_vec(), key }),
            if_match: how.if_match,
            not_before: None,
        };
        let (answer, in_doubt) = self.until_answered(&request, how, &what).await;
        let answered_at = self.world.store.now();
        let mut repeats = Vec::new();
        if answer.is_some() && key.is_some() && self.chance.in_1000(150) {
            sleep(self.chance.micros(0, 3_000_000)).await;
            repeats.extend(self.until_answered(&request, How::default(), &what).await.0);
        }
        let decide_again: DecideAgain = {
            let (actor, tenant_id) = (actor.clone(), self.tenant_id);
            Box::new(move |log, position, now| decide_again::<A>(log, position, now, tenant_id, id, &actor, &command))
        };
        let sent = Sent {
            tenant_id: self.tenant_id,
            aggregate_type: <A as cqrs_es::Aggregate>::TYPE,
            aggregate_id: id,
            what,
            key: key.map(|key| (actor.id.to_string(), key)),
            correlation_id,
            known_before,
            sent_at,
            answered_at,
            in_doubt,
            answer: answer.clone(),
            repeats,
            decide_again,
        };
        self.told.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        answer
    }

    /// Asks one process after the other; what is in doubt is asked again with the same key.
    async fn until_answered<A: TenantAggregate>(
        &self,
        request: &(impl Fn(Uuid) -> Request<A> + Sync),
        how: How,
        what: &str,
    ) -> (Option<Result<Accepted, Refusal>>, bool) {
        let mut in_doubt = false;
        loop {
            let running = self.chance.pick(&self.world.processes()).clone();
            if running.process.is_dead() {
                sleep(Duration::from_millis(200)).await;
                continue;
            }
            let request = request(self.chance.uuid());
            let name = running.process.name.clone();
            let answer = tokio::select! {
                biased;
                answer = timeout(PATIENCE, running.writers.execute(request)) => answer.unwrap_or(Err(Refusal::OutcomeUnknown)),
                () = running.process.died() => Err(Refusal::OutcomeUnknown),
            };
            self.world.trace.note(&format!("{name} answers {what}: {}", said(&answer)));
            match answer {
                Ok(accepted) => {
                    self.told.learn(self.tenant_id, accepted.position);
                    return (Some(Ok(accepted)), in_doubt);
                }
                Err(Refusal::OutcomeUnknown) if how.once || how.keyless => return (None, true),
                Err(refusal @ (Refusal::Busy { .. } | Refusal::OutcomeUnknown | Refusal::KeyInFlight)) => {
                    in_doubt |= refusal == Refusal::OutcomeUnknown;
                    sleep(self.chance.micros(20_000, 1_500_000)).await;
                }
                Err(Refusal::Internal) => {
                    self.told.broken(format!("{what}: could not be executed"));
                    return (None, in_doubt);
                }
                Err(refusal) => return (Some(Err(refusal)), in_doubt),
            }
        }
    }
}

fn said(answer: &Result<Accepted, Refusal>) -> String {
    match answer {
        Ok(accepted) => {
            format!("version {} at {}{}", accepted.version, accepted.position, if accepted.replayed { ", as before" } else { "" })
        }
        Err(Refusal::Rejected { rejection, replayed }) => format!("{}{}", rejection.code, if *replayed { ", as before" } else { "" }),
        Err(refusal) => refusal.to_string(),
    }
}

fn decide_again<A: TenantAggregate>(
    log: &TenantLog,
    position: i64,
    now: DateTime<Utc>,
    tenant_id: TenantId,
    id: Uuid,
    actor: &Actor,
    command: &A::Command,
) -> Option<&'static str> {
    let then = |aggregate_type: &str, id: Uuid| -> Vec<Arc<StoredEvent>> {
        log.stream(aggregate_type, id).filter(|event| event.position <= position).cloned().collect()
    };
    let tenant = folded::<Tenant>(&then(<Tenant as cqrs_es::Aggregate>::TYPE, tenant_id.uuid()))?;
    let mut state = folded::<A>(&then(<A as cqrs_es::Aggregate>::TYPE, id))?;
    let context = Context { tenant_id, actor: actor.clone(), now, settings: tenant.settings() };
    let sink = EventSink::default();
    let decided = state.handle(command.clone(), &context, &sink).now_or_never()?;
    decided.err().map(|error| error.describe().1)
}

fn folded<A: TenantAggregate>(events: &[Arc<StoredEvent>]) -> Option<A> {
    let mut state = A::default();
    for event in events {
        state.apply(serde_json::from_str(&event.payload).ok()?);
    }
    Some(state)
}

#[must_use]
pub fn user(id: PartyId, roles: &[Role]) -> Actor {
    Actor { id, kind: ActorKind::User, roles: roles.iter().copied().collect(), amount_limits: Vec::new() }
}

#[must_use]
pub fn platform() -> Actor {
    user(PartyId(Uuid::from_u128(0x99)), &[Role::PlatformAdmin])
}

#[must_use]
pub fn staff() -> Actor {
    user(PartyId(Uuid::from_u128(0x77)), &[Role::TenantAdmin])
}
