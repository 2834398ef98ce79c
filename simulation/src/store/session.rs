//! What one process sees of the database.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::port::{
    Answer, AppendRows, Asked, Database, DeadLetterRow, DueRow, LockSession, Notifications, Statements, Transaction,
};
use holdfast_eventlog::{HeadMove, LoadRequest, Loaded, Snapshot, StoredEvent, StreamId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

use super::state::{LockName, Owner, load, taken};
use super::tx::Tx;
use super::{Store, errors};
use crate::process::Process;

#[derive(Debug, Clone)]
pub struct Session {
    pub(super) store: Arc<Store>,
    pub(super) process: Process,
}

impl Session {
    #[must_use]
    pub fn new(store: &Arc<Store>, process: &Process) -> Self {
        Self { store: Arc::clone(store), process: process.clone() }
    }

    fn ask<'a, T: Send + 'a>(&'a self, name: &'a str, read: impl FnOnce(&Store) -> T + Send + 'a) -> Answer<'a, T> {
        Box::pin(self.store.statement(&self.process, name, async move { Ok(read(&self.store)) }))
    }
}

/// Locks the heads in order of tenants, works, and shows all of it at once.
async fn append(store: &Store, process: &Process, rows: &AppendRows) -> Result<Vec<(TenantId, HeadMove)>, sqlx::Error> {
    let owner = Owner::statement(process);
    let _guard = Unlock { store, owner: &owner };
    let mut tenants: Vec<TenantId> = rows.tenants.iter().map(|row| row.tenant_id).collect();
    tenants.sort_unstable();
    for tenant_id in &tenants {
        store.lock(LockName::Head(*tenant_id), &owner).await?;
        store.latency().await;
    }
    let now = store.now();
    let mut state = store.state();
    let mut moves = Vec::new();
    let mut written = Vec::new();
    for tenant_id in &tenants {
        let mut log = state.tenants.get(tenant_id).cloned().unwrap_or_default();
        if let Some(moved) = log.append(*tenant_id, rows, now)? {
            moves.push((*tenant_id, moved));
        }
        written.push((*tenant_id, log));
    }
    state.tenants.extend(written);
    drop(state);
    let moved: Vec<String> = moves
        .iter()
        .filter(|(_, moved)| moved.after > moved.before)
        .map(|(tenant_id, moved)| format!("{tenant_id}:{}", moved.after))
        .collect();
    if !moved.is_empty() {
        store.notify(&moved.join(","));
    }
    store.trace.note(&format!("{} commits {}", process.name, told(&moves, rows)));
    Ok(moves)
}

fn told(moves: &[(TenantId, HeadMove)], rows: &AppendRows) -> String {
    let mut told = String::new();
    for (tenant_id, moved) in moves {
        _ = write!(told, "{tenant_id} {}..{} ", moved.before, moved.after);
    }
    for event in &rows.events {
        _ = write!(told, "{} {} ", event.event_type, event.aggregate_id);
    }
    for receipt in &rows.receipts {
        _ = write!(told, "[{} {}] ", receipt.key.key_owner, receipt.key.idempotency_key);
    }
    told
}

pub(super) struct Unlock<'a> {
    pub(super) store: &'a Store,
    pub(super) owner: &'a Arc<Owner>,
}

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.store.unlock(self.owner);
    }
}

impl Statements for Session {
    fn append(&self, rows: AppendRows) -> Answer<'_, Vec<(TenantId, HeadMove)>> {
        let (store, process) = (&self.store, &self.process);
        Box::pin(store.statement(process, "append", async move { append(store, process, &rows).await }))
    }

    fn taken<'a>(&'a self, asked: Asked<'a>) -> Answer<'a, Vec<(&'static str, i64, Option<Uuid>)>> {
        self.ask("taken", move |store| {
            let state = store.state();
            taken(|tenant_id| state.tenants.get(&tenant_id), &asked)
        })
    }

    fn load<'a>(&'a self, request: &'a LoadRequest) -> Answer<'a, Loaded> {
        Box::pin(self.store.statement(&self.process, "load", async move {
            let state = self.store.state();
            load(|tenant_id| state.tenants.get(&tenant_id), &state.snapshots, request)
        }))
    }
}

impl Database for Session {
    fn begin(&self) -> Answer<'_, Box<dyn Transaction>> {
        Box::pin(self.store.statement(&self.process, "begin", async move {
            let tx: Box<dyn Transaction> = Box::new(Tx::new(self.clone()));
            Ok(tx)
        }))
    }

    fn write_snapshots<'a>(&'a self, snapshots: &'a [Snapshot]) -> Answer<'a, ()> {
        self.ask("write snapshots", |store| store.state().write_snapshots(snapshots))
    }

    fn discard_snapshots<'a>(&'a self, snapshots: &'a [Snapshot]) -> Answer<'a, ()> {
        self.ask("discard snapshots", |store| store.state().discard_snapshots(snapshots))
    }

    fn now(&self) -> Answer<'_, DateTime<Utc>> {
        self.ask("now", Store::now)
    }

    fn read(&self, tenant_id: TenantId, after: i64, limit: i64) -> Answer<'_, Vec<StoredEvent>> {
        self.ask("read", move |store| store.state().read(tenant_id, after, limit))
    }

    fn touched(&self, tenant_id: TenantId, after: i64, through: i64) -> Answer<'_, Vec<StreamId>> {
        self.ask("touched", move |store| store.state().touched(tenant_id, after, through))
    }

    fn recorded_at(&self, tenant_id: TenantId, position: i64) -> Answer<'_, Option<DateTime<Utc>>> {
        self.ask("recorded_at", move |store| store.state().read(tenant_id, position - 1, 1).first().map(|event| event.recorded_at))
    }

    fn heads(&self) -> Answer<'_, HashMap<TenantId, (i64, DateTime<Utc>)>> {
        self.ask("heads", |store| {
            let state = store.state();
            let heads = state.tenants.iter().filter_map(|(tenant_id, log)| Some((*tenant_id, log.head?)));
            heads.map(|(tenant_id, head)| (tenant_id, (head.position, head.recorded_at))).collect()
        })
    }

    fn positions<'a>(&'a self, tenants: &'a [TenantId]) -> Answer<'a, HashMap<TenantId, i64>> {
        self.ask("positions", |store| {
            let state = store.state();
            tenants.iter().filter_map(|tenant_id| Some((*tenant_id, state.tenants.get(tenant_id)?.head?.position))).collect()
        })
    }

    fn checkpoints<'a>(&'a self, subscription: &'a str) -> Answer<'a, HashMap<TenantId, i64>> {
        self.ask("checkpoints", |store| store.state().checkpoints_of(subscription))
    }

    fn move_checkpoint_from<'a>(&'a self, subscription: &'a str, tenant_id: TenantId, from: i64, to: i64) -> Answer<'a, bool> {
        self.ask("move checkpoint", move |store| {
            let mut state = store.state();
            let there = state.checkpoints.get(&(subscription.to_owned(), tenant_id)).is_none_or(|position| *position == from);
            if there {
                state.move_checkpoint(subscription, tenant_id, to, &self.process);
            }
            there
        })
    }

    fn listen(&self) -> Answer<'_, Box<dyn Notifications>> {
        self.ask("listen", |store| {
            let (sender, payloads) = unbounded_channel();
            store.state().listeners.push(sender);
            let listener: Box<dyn Notifications> = Box::new(Listener { payloads, process: self.process.clone() });
            listener
        })
    }

    fn lock_session(&self, silence: Duration) -> Answer<'_, Box<dyn LockSession>> {
        self.ask("lock session", move |_| {
            let owner = Owner::statement(&self.process);
            owner.heard(silence);
            let session: Box<dyn LockSession> = Box::new(Holder { session: self.clone(), owner, silence });
            session
        })
    }

    fn claim_due(&self, limit: i64) -> Answer<'_, Vec<DueRow>> {
        self.ask("claim due", move |store| {
            let now = store.now();
            let mut state = store.state();
            let is_due =
                |deadline: &super::state::Deadline| deadline.due_at <= now && deadline.claimed_until.is_none_or(|until| until < now);
            let mut due: Vec<_> = state.deadlines.iter_mut().filter(|(_, deadline)| is_due(deadline)).collect();
            due.sort_by_key(|(_, deadline)| deadline.due_at);
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let claim = |((tenant_id, aggregate_type, aggregate_id, key), deadline): (&_, &mut super::state::Deadline)| {
                deadline.claimed_until = Some(now + TimeDelta::seconds(2 << deadline.attempts.min(10)));
                deadline.attempts += 1;
                let (due_at, attempts) = (deadline.due_at, deadline.attempts);
                let (tenant_id, aggregate_type, aggregate_id, key): (&TenantId, &String, &Uuid, &String) =
                    (tenant_id, aggregate_type, aggregate_id, key);
                DueRow {
                    tenant_id: tenant_id.uuid(),
                    aggregate_type: aggregate_type.clone(),
                    aggregate_id: *aggregate_id,
                    key: key.clone(),
                    due_at,
                    attempts,
                    database_now: now,
                }
            };
            due.into_iter().map(claim).collect()
        })
    }

    fn parked_chains(&self, tenant_id: TenantId) -> Answer<'_, Vec<(String, Uuid)>> {
        self.ask("parked chains", move |store| {
            let state = store.state();
            let letters = state.letters.values().filter(|letter| letter.row.tenant_id == tenant_id.uuid() && !letter.resolved);
            let letters = letters.map(|letter| (letter.row.reaction.clone(), letter.row.correlation_id));
            let parked = state.parked.iter().filter(|((of, _, _), _)| *of == tenant_id);
            letters.chain(parked.map(|((_, reaction, _), chain)| (reaction.clone(), *chain))).collect()
        })
    }

    fn unresolved_letter(&self, tenant_id: TenantId, id: Uuid) -> Answer<'_, Option<DeadLetterRow>> {
        self.ask("find letter", move |store| {
            let state = store.state();
            let letter = state.letters.get(&id).filter(|letter| !letter.resolved && letter.row.tenant_id == tenant_id.uuid());
            letter.map(|letter| letter.row.clone())
        })
    }

    fn next_parked<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, correlation_id: Uuid) -> Answer<'a, Option<i64>> {
        self.ask("next parked", move |store| {
            let state = store.state();
            let waits = state.letters.values().any(|letter| {
                let row = &letter.row;
                !letter.resolved && row.tenant_id == tenant_id.uuid() && row.reaction == reaction && row.correlation_id == correlation_id
            });
            let mut parked = state.parked.iter();
            let next = parked.find(|((of, name, _), chain)| *of == tenant_id && name == reaction && **chain == correlation_id);
            next.filter(|_| !waits).map(|((_, _, position), _)| *position)
        })
    }
}

struct Listener {
    payloads: UnboundedReceiver<String>,
    process: Process,
}

impl Notifications for Listener {
    fn next(&mut self) -> Answer<'_, Option<String>> {
        Box::pin(async {
            self.process.runs().await;
            Ok(self.payloads.recv().await)
        })
    }
}

/// A session for an advisory lock.
struct Holder {
    session: Session,
    owner: Arc<Owner>,
    silence: Duration,
}

impl LockSession for Holder {
    fn try_lock(&mut self, lock: i64) -> Answer<'_, bool> {
        let (owner, silence, store, process) = (&self.owner, self.silence, &self.session.store, &self.session.process);
        Box::pin(store.statement(process, "try lock", async move {
            if owner.is_gone() {
                return Err(errors::session_ended());
            }
            owner.heard(silence);
            let mut state = store.state();
            if state.advisory.get(&lock).is_some_and(|held| !held.is_gone() && !Arc::ptr_eq(held, owner)) {
                return Ok(false);
            }
            state.advisory.insert(lock, Arc::clone(owner));
            store.trace.note(&format!("{} leads", process.name));
            Ok(true)
        }))
    }

    fn check(&mut self) -> Answer<'_, ()> {
        let (owner, silence) = (&self.owner, self.silence);
        Box::pin(self.session.store.statement(&self.session.process, "check lock", async move {
            if owner.is_gone() {
                return Err(errors::session_ended());
            }
            owner.heard(silence);
            Ok(())
        }))
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        self.owner.end();
        Box::pin(async { Ok(()) })
    }
}

impl Drop for Holder {
    /// The connection ends with the value, except that of a process which is not there any more to end it.
    fn drop(&mut self) {
        self.owner.end();
    }
}
