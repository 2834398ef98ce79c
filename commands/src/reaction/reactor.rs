//! Runs reactions and effects: a subscription whose outcome is commands. Each kind has a subscription of its own, so that
//! money never waits for a document or a provider.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{CorrelationId, Recorded, TenantId};
use holdfast_domain::tenant::{Tenant, TenantEvent};
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};
use holdfast_eventlog::{EventLog, failpoint};
use uuid::Uuid;

use crate::effect::Ports;
use crate::reaction::dead_letter::{self, DeadLetter, Refused};
use crate::reaction::rule::{Rule, Unsolved};
use crate::reaction::step::CauseFacts;
use crate::reaction::{Step, lock_checkpoint, move_checkpoint, pass};
use crate::request::Refusal;
use crate::writer::Writers;

/// Chains of different requests that run side by side, per tenant.
const CONCURRENT_CHAINS: usize = 64;

/// Tries of one attempt while the failure is passing; then the whole batch waits and is tried again.
const TRIES: u32 = 6;

/// What a dead letter names as its step when an effect never came to its steps.
const WHOLE: &str = "run";

/// The consumer that runs every reaction, or every effect.
pub struct Reactor {
    subscription: &'static str,
    pace: Duration,
    log: EventLog,
    pool: Pool,
    /// Those of this subscription, over `pool`.
    checkpoints: EventLog,
    writers: Writers,
    rules: Vec<Arc<dyn Rule>>,
}

/// One rule's part in one event.
struct Task<'a> {
    rule: &'a dyn Rule,
    event: &'a Recorded<AnyEvent>,
}

/// What has to be written with the checkpoint.
#[derive(Default)]
struct Results {
    refused: Vec<Refused>,
    parked: Vec<Parked>,
}

struct Parked {
    reaction: &'static str,
    correlation_id: CorrelationId,
    position: i64,
}

impl Reactor {
    /// `pool`: the role `reactor`; its commands go through `writers` like everybody's.
    #[must_use]
    pub fn new(log: EventLog, pool: Pool, writers: Writers) -> Self {
        let rules = crate::reaction::all().into_iter().map(|reaction| Arc::new(reaction) as Arc<dyn Rule>).collect();
        Self {
            subscription: "reactor",
            pace: Duration::from_millis(12),
            log,
            checkpoints: EventLog::new(pool.clone()),
            pool,
            writers,
            rules,
        }
    }

    /// The same for the effects, which reach what lies outside through `ports`.
    #[must_use]
    pub fn of_effects(log: EventLog, pool: Pool, writers: Writers, ports: &Ports) -> Self {
        let bound = |effect: crate::effect::Effect| Arc::new(effect.with(ports.clone())) as Arc<dyn Rule>;
        let rules = crate::effect::all().into_iter().map(bound).collect();
        Self {
            subscription: "effects",
            pace: Duration::from_millis(50),
            log,
            checkpoints: EventLog::new(pool.clone()),
            pool,
            writers,
            rules,
        }
    }

    fn tasks<'a>(&'a self, event: &'a Recorded<AnyEvent>) -> impl Iterator<Item = Task<'a>> {
        let name = event.event.name();
        self.rules
            .iter()
            .filter(move |rule| rule.on().contains(&name) && rule.concerns(event))
            .map(move |rule| Task { rule: &**rule, event })
    }

    /// Works one chain's events in order. A refused step parks what the same reaction would do later in this chain.
    async fn run_chain(&self, tasks: Vec<Task<'_>>, parked: &HashSet<(String, Uuid)>) -> Result<Results, ConsumeError> {
        let mut results = Results::default();
        let mut stopped: HashSet<&'static str> = HashSet::new();
        for task in tasks {
            let correlation_id = task.event.metadata.correlation_id;
            let reaction = task.rule.name();
            if stopped.contains(reaction) || parked.contains(&(reaction.to_owned(), correlation_id.uuid())) {
                results.parked.push(Parked { reaction, correlation_id, position: task.event.position });
                continue;
            }
            let refused = self.run_task(&task).await?;
            if !refused.is_empty() {
                stopped.insert(reaction);
                results.refused.extend(refused);
            }
        }
        Ok(results)
    }

    async fn run_task(&self, task: &Task<'_>) -> Result<Vec<Refused>, ConsumeError> {
        match steps(task.rule, task.event).await? {
            Ok(steps) => self.run_steps(task, &steps, 1).await,
            Err(refusal) => Ok(vec![refused_step(task, WHOLE, 1, refusal)]),
        }
    }

    /// Runs all steps: they belong to different parties, and one that is refused must not keep the others waiting.
    async fn run_steps(&self, task: &Task<'_>, steps: &[Step], attempt: i32) -> Result<Vec<Refused>, ConsumeError> {
        let mut refused = Vec::new();
        for step in steps {
            if let Err(refusal) = self.run_step(task, step, attempt).await? {
                refused.push(refused_step(task, &step.name, attempt, refusal));
            }
        }
        Ok(refused)
    }

    /// `Ok(Err(_))`: refused for good. `Err(_)`: not answered yet; the same attempt will be repeated.
    async fn run_step(&self, task: &Task<'_>, step: &Step, attempt: i32) -> Result<Result<(), Refusal>, ConsumeError> {
        let facts = CauseFacts::of(task.event);
        let mut refusal = Refusal::Internal;
        for tried in 0..TRIES {
            refusal = match step.run(&self.writers, task.rule.name(), &facts, attempt).await {
                Ok(_) => {
                    failpoint::reached("reactor.after_step");
                    return Ok(Ok(()));
                }
                Err(refusal) if is_passing(&refusal) => refusal,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tokio::time::sleep(Duration::from_millis(20 << tried)).await;
        }
        if refusal == Refusal::Internal { Ok(Err(refusal)) } else { Err(ConsumeError::Failed(Box::new(refusal))) }
    }

    /// Another attempt at a refused step, asked for by an admin.
    async fn redrive(&self, tenant_id: TenantId, id: Uuid) -> Result<(), ConsumeError> {
        let Some(letter) = dead_letter::find(&self.pool, tenant_id, id).await? else { return Ok(()) };
        let Some((rule, event)) = self.cause(tenant_id, &letter).await? else { return Ok(()) };
        let task = Task { rule, event: &event };
        let attempt = letter.attempt + 1;
        let refused = match steps(rule, &event).await? {
            Err(refusal) => vec![refused_step(&task, WHOLE, attempt, refusal)],
            Ok(steps) => {
                // Of a version of the program that knows no such step any more nothing is left to do.
                let asked: Vec<Step> = steps.into_iter().filter(|step| letter.step == WHOLE || step.name == letter.step).collect();
                self.run_steps(&task, &asked, attempt).await?
            }
        };
        let mut tx = self.pool.begin().await?;
        dead_letter::resolve(&mut tx, tenant_id, id).await?;
        for refused in &refused {
            dead_letter::insert(&mut tx, tenant_id, refused).await?;
        }
        tx.commit().await?;
        if refused.is_empty() {
            self.run_parked(tenant_id, rule, letter.correlation_id).await?;
        }
        Ok(())
    }

    /// What waited behind a step that has now been done, in order.
    async fn run_parked(&self, tenant_id: TenantId, rule: &dyn Rule, correlation_id: Uuid) -> Result<(), ConsumeError> {
        let parked = "SELECT position FROM parked_events p WHERE tenant_id = $1 AND reaction = $2 AND correlation_id = $3
                      AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.tenant_id = p.tenant_id AND d.reaction = p.reaction
                                      AND d.correlation_id = p.correlation_id AND d.resolved_at IS NULL)
                      ORDER BY position LIMIT 1";
        loop {
            let next: Option<i64> = match self.pool.port() {
                Some(port) => port.next_parked(tenant_id, rule.name(), correlation_id).await?,
                None => {
                    sqlx::query_scalar(parked)
                        .bind(tenant_id.uuid())
                        .bind(rule.name())
                        .bind(correlation_id)
                        .fetch_optional(&mut *self.pool.acquire().await?)
                        .await?
                }
            };
            let Some(position) = next else { return Ok(()) };
            let refused = match self.event_at(tenant_id, position).await? {
                Some(event) => self.run_task(&Task { rule, event: &event }).await?,
                None => Vec::new(),
            };
            let mut tx = self.pool.begin().await?;
            for refused in &refused {
                dead_letter::insert(&mut tx, tenant_id, refused).await?;
            }
            unpark(&mut tx, tenant_id, rule.name(), position).await?;
            tx.commit().await?;
        }
    }

    /// None when the letter is not of this subscription.
    async fn cause(&self, tenant_id: TenantId, letter: &DeadLetter) -> Result<Option<(&dyn Rule, Recorded<AnyEvent>)>, ConsumeError> {
        let Some(rule) = self.rules.iter().find(|rule| rule.name() == letter.reaction) else { return Ok(None) };
        let event = self.event_at(tenant_id, letter.event_position).await?;
        Ok(event.map(|event| (&**rule, event)))
    }

    async fn event_at(&self, tenant_id: TenantId, position: i64) -> Result<Option<Recorded<AnyEvent>>, ConsumeError> {
        let stored = self.log.read(tenant_id, position - 1, 1).await.map_err(|error| ConsumeError::Failed(Box::new(error)))?;
        let decoded = stored.first().map(|stored| stored.decode()).transpose();
        decoded.map_err(|error| ConsumeError::Failed(Box::new(error)))
    }

    async fn parked_chains(&self, tenant_id: TenantId) -> Result<HashSet<(String, Uuid)>, ConsumeError> {
        let sql = "SELECT reaction, correlation_id FROM dead_letters WHERE tenant_id = $1 AND resolved_at IS NULL
                   UNION SELECT reaction, correlation_id FROM parked_events WHERE tenant_id = $1";
        let rows: Vec<(String, Uuid)> = match self.pool.port() {
            Some(port) => port.parked_chains(tenant_id).await?,
            None => {
                let mut connection = self.pool.acquire().await?;
                let rows = sqlx::query_as(sql).bind(tenant_id.uuid()).fetch_all(&mut *connection).await?;
                connection.answered();
                rows
            }
        };
        Ok(rows.into_iter().collect())
    }

    async fn consume_batch(&self, tenant_id: TenantId, after: i64, events: &[Arc<FeedEvent>]) -> Result<(), ConsumeError> {
        let mut chains = BTreeMap::<CorrelationId, Vec<Task<'_>>>::new();
        let mut redrives = Vec::new();
        let mut last = after;
        for event in events {
            // An unreadable event stops the reactor for this tenant: nothing may be skipped.
            let recorded = event.recorded().map_err(|error| ConsumeError::Failed(error.to_string().into()))?;
            if let Some(TenantEvent::ReactionRedriven { dead_letter_id, .. }) = recorded.event.of::<Tenant>() {
                redrives.push(*dead_letter_id);
            }
            for task in self.tasks(recorded) {
                chains.entry(recorded.metadata.correlation_id).or_default().push(task);
            }
            last = recorded.position;
        }
        let parked = if chains.is_empty() { HashSet::new() } else { self.parked_chains(tenant_id).await? };
        let mut results = Results::default();
        let chains: Vec<BoxFuture<'_, _>> = chains.into_values().map(|tasks| self.run_chain(tasks, &parked).boxed()).collect();
        let mut running = futures::stream::iter(chains).buffer_unordered(CONCURRENT_CHAINS);
        let mut failure = None;
        while let Some(done) = running.next().await {
            match done {
                Ok(done) => {
                    results.refused.extend(done.refused);
                    results.parked.extend(done.parked);
                }
                Err(error) => failure = Some(error),
            }
        }
        drop(running);
        if let Some(error) = failure {
            return Err(error);
        }
        for id in redrives {
            self.redrive(tenant_id, id).await?;
        }
        self.store(tenant_id, after, last, &results).await
    }

    async fn store(&self, tenant_id: TenantId, after: i64, last: i64, results: &Results) -> Result<(), ConsumeError> {
        if results.refused.is_empty() && results.parked.is_empty() {
            failpoint::reached("reactor.before_commit");
            return pass(&self.pool, &self.checkpoints, self.subscription, tenant_id, after, last).await;
        }
        let mut tx: Tx = self.pool.begin().await?;
        lock_checkpoint(&mut tx, self.subscription, tenant_id, after).await?;
        for refused in &results.refused {
            dead_letter::insert(&mut tx, tenant_id, refused).await?;
        }
        for parked in &results.parked {
            park(&mut tx, tenant_id, parked).await?;
        }
        move_checkpoint(&mut tx, self.subscription, tenant_id, last).await?;
        failpoint::reached("reactor.before_commit");
        tx.commit().await?;
        Ok(())
    }
}

impl Consumer for Reactor {
    fn name(&self) -> &str {
        self.subscription
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        async { Ok(self.checkpoints.checkpoints(self.subscription).await?) }.boxed()
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        self.consume_batch(tenant_id, after, events).boxed()
    }

    fn pace(&self) -> Duration {
        self.pace
    }
}

async fn park(tx: &mut Tx, tenant_id: TenantId, parked: &Parked) -> Result<(), sqlx::Error> {
    let Parked { reaction, correlation_id, position } = parked;
    if let Some(port) = tx.port() {
        return port.park(tenant_id, reaction, correlation_id.uuid(), *position).await;
    }
    sqlx::query("INSERT INTO parked_events (tenant_id, reaction, correlation_id, position) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(tenant_id.uuid())
        .bind(reaction)
        .bind(correlation_id.uuid())
        .bind(position)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn unpark(tx: &mut Tx, tenant_id: TenantId, reaction: &str, position: i64) -> Result<(), sqlx::Error> {
    if let Some(port) = tx.port() {
        return port.unpark(tenant_id, reaction, position).await;
    }
    sqlx::query("DELETE FROM parked_events WHERE tenant_id = $1 AND reaction = $2 AND position = $3")
        .bind(tenant_id.uuid())
        .bind(reaction)
        .bind(position)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// `Ok(Err(_))`: there will be none, whoever asks. `Err(_)`: not answered yet.
async fn steps(rule: &dyn Rule, event: &Recorded<AnyEvent>) -> Result<Result<Vec<Step>, Refusal>, ConsumeError> {
    match rule.steps(event).await {
        Ok(steps) => Ok(Ok(steps)),
        Err(Unsolved::ForGood(rejection)) => Ok(Err(Refusal::Rejected { rejection, replayed: false })),
        Err(Unsolved::NotYet(error)) => Err(ConsumeError::Failed(error)),
    }
}

fn refused_step(task: &Task<'_>, step: &str, attempt: i32, refusal: Refusal) -> Refused {
    Refused {
        reaction: task.rule.name(),
        step: step.to_owned(),
        event_position: task.event.position,
        event_id: task.event.metadata.event_id,
        correlation_id: task.event.metadata.correlation_id,
        attempt,
        refusal,
    }
}

/// Worth the same attempt again. `Internal` may be passing too (a panic may depend on memory); it is tried a few times.
fn is_passing(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Busy { .. } | Refusal::OutcomeUnknown | Refusal::KeyInFlight | Refusal::Internal => true,
        Refusal::Rejected { .. }
        | Refusal::TenantUnknown
        | Refusal::TenantSuspended
        | Refusal::VersionMismatch { .. }
        | Refusal::KeyReused { .. }
        | Refusal::TooManyHops => false,
    }
}
