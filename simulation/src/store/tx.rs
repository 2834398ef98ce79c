//! A transaction: what it writes is seen by nobody before its commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::port::{Answer, AppendRows, Asked, DeadLetterRow, DeadlineName, Statements, Transaction};
use holdfast_eventlog::{HeadMove, LoadRequest, Loaded};
use uuid::Uuid;

use super::session::{Session, Unlock};
use super::state::{Deadline, Letter, LockName, Owner, State, TenantLog, load, taken};
use super::{IDLE_IN_TRANSACTION, Store, errors};
use crate::process::Process;

pub(super) struct Tx {
    session: Session,
    owner: Arc<Owner>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    failed: bool,
    /// The locked tenants, as this transaction has changed them.
    logs: BTreeMap<TenantId, TenantLog>,
    writes: Vec<Write>,
}

type Write = Box<dyn FnOnce(&mut State, &Process) + Send>;

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

impl Tx {
    pub(super) fn new(session: Session) -> Self {
        let owner = Owner::transaction(&session.process);
        Self { session, owner, pending: Mutex::default() }
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A statement in the transaction; after one that failed no other does anything.
    fn ask<'a, T: Send + 'a>(&'a self, name: &'a str, work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'a) -> Answer<'a, T> {
        Box::pin(async move {
            let answer = self.session.store.statement(&self.session.process, name, async {
                if self.owner.is_gone() {
                    return Err(errors::session_ended());
                }
                if self.pending().failed {
                    return Err(errors::transaction_failed());
                }
                self.owner.heard(IDLE_IN_TRANSACTION);
                let answer = work.await;
                self.owner.heard(IDLE_IN_TRANSACTION);
                answer
            });
            let answer = answer.await;
            self.pending().failed |= answer.is_err();
            answer
        })
    }

    fn write<'a>(&'a self, name: &'a str, write: impl FnOnce(&mut State, &Process) + Send + 'static) -> Answer<'a, ()> {
        self.now(name, move |_, pending| pending.writes.push(Box::new(write)))
    }

    fn now<'a, T: Send + 'a>(&'a self, name: &'a str, work: impl FnOnce(&Store, &mut Pending) -> T + Send + 'a) -> Answer<'a, T> {
        self.ask(name, async move { Ok(work(&self.session.store, &mut self.pending())) })
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.owner.end();
        self.session.store.unlock(&self.owner);
    }
}

impl Session {
    /// What a subscriber writes with its checkpoint, in one transaction; false: the checkpoint was not at `after`.
    pub(crate) async fn record(
        &self,
        subscription: &str,
        tenant_id: TenantId,
        after: i64,
        rows: Vec<(i64, Uuid)>,
        last: i64,
    ) -> Result<bool, sqlx::Error> {
        let tx = Tx::new(self.clone());
        if tx.lock_checkpoint(subscription, tenant_id).await? != after {
            return Ok(false);
        }
        tx.write("record", move |state, _| state.recorded.entry(tenant_id).or_default().extend(rows)).await?;
        tx.move_checkpoint(subscription, tenant_id, last).await?;
        Box::new(tx).commit().await?;
        Ok(true)
    }
}

impl Statements for Tx {
    fn append(&self, rows: AppendRows) -> Answer<'_, Vec<(TenantId, HeadMove)>> {
        let work = move |store: &Store, pending: &mut Pending| {
            let mut moves = Vec::new();
            for row in &rows.tenants {
                let mut log = pending.logs.get(&row.tenant_id).cloned().ok_or_else(errors::transaction_failed)?;
                if let Some(moved) = log.append(row.tenant_id, &rows, store.now())? {
                    moves.push((row.tenant_id, moved));
                }
                pending.logs.insert(row.tenant_id, log);
            }
            Ok(moves)
        };
        Box::pin(async move {
            let answer = self.now("append in tx", work).await?;
            self.pending().failed |= answer.is_err();
            answer
        })
    }

    fn taken<'a>(&'a self, asked: Asked<'a>) -> Answer<'a, Vec<(&'static str, i64, Option<Uuid>)>> {
        self.now("taken in tx", move |store, pending| {
            let state = store.state();
            taken(|tenant_id| pending.logs.get(&tenant_id).or_else(|| state.tenants.get(&tenant_id)), &asked)
        })
    }

    fn load<'a>(&'a self, request: &'a LoadRequest) -> Answer<'a, Loaded> {
        Box::pin(async move {
            self.now("load in tx", move |store, pending| {
                let state = store.state();
                let log = |tenant_id| pending.logs.get(&tenant_id).or_else(|| state.tenants.get(&tenant_id));
                load(log, &state.snapshots, request)
            })
            .await?
        })
    }
}

impl Transaction for Tx {
    fn lock_head(&self, tenant_id: TenantId) -> Answer<'_, Option<i64>> {
        self.ask("lock head", async move {
            let store = &*self.session.store;
            if store.state().tenants.get(&tenant_id).is_none_or(|log| log.head.is_none()) {
                return Ok(None);
            }
            store.lock(LockName::Head(tenant_id), &self.owner).await?;
            let log = store.state().tenants.get(&tenant_id).cloned().unwrap_or_default();
            let position = log.position();
            self.pending().logs.insert(tenant_id, log);
            Ok(Some(position))
        })
    }

    fn make_head(&self, tenant_id: TenantId) -> Answer<'_, ()> {
        self.ask("make head", async move {
            let store = &*self.session.store;
            store.lock(LockName::Head(tenant_id), &self.owner).await?;
            let now = store.now();
            // Seen by others before the commit, which changes nothing: a head at 0 is as none.
            let mut state = store.state();
            state.tenants.entry(tenant_id).or_default().head.get_or_insert(super::state::Head { position: 0, recorded_at: now });
            Ok(())
        })
    }

    fn lock_checkpoint<'a>(&'a self, subscription: &'a str, tenant_id: TenantId) -> Answer<'a, i64> {
        self.ask("lock checkpoint", async move {
            let store = &*self.session.store;
            store.lock(LockName::Checkpoint(subscription.to_owned(), tenant_id), &self.owner).await?;
            Ok(store.state().checkpoint(subscription, tenant_id))
        })
    }

    fn move_checkpoint<'a>(&'a self, subscription: &'a str, tenant_id: TenantId, to: i64) -> Answer<'a, ()> {
        let subscription = subscription.to_owned();
        self.write("move checkpoint in tx", move |state, process| state.move_checkpoint(&subscription, tenant_id, to, process))
    }

    fn insert_letter(&self, row: DeadLetterRow) -> Answer<'_, ()> {
        self.write("insert letter", move |state, _| {
            state.letters.entry(row.id).or_insert(Letter { row, resolved: false });
        })
    }

    fn resolve_letter(&self, _: TenantId, id: Uuid) -> Answer<'_, ()> {
        self.write("resolve letter", move |state, _| {
            if let Some(letter) = state.letters.get_mut(&id) {
                letter.resolved = true;
            }
        })
    }

    fn park<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, correlation_id: Uuid, position: i64) -> Answer<'a, ()> {
        let reaction = reaction.to_owned();
        self.write("park", move |state, _| {
            state.parked.entry((tenant_id, reaction, position)).or_insert(correlation_id);
        })
    }

    fn unpark<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, position: i64) -> Answer<'a, ()> {
        let reaction = reaction.to_owned();
        self.write("unpark", move |state, _| {
            state.parked.remove(&(tenant_id, reaction, position));
        })
    }

    fn close_deadlines(&self, tenant_id: TenantId, rows: Vec<DeadlineName>) -> Answer<'_, ()> {
        self.write("close deadlines", move |state, _| {
            for (aggregate_type, id, key) in rows {
                state.deadlines.remove(&(tenant_id, aggregate_type.to_owned(), id, key));
            }
        })
    }

    fn set_deadlines(&self, tenant_id: TenantId, rows: Vec<(DeadlineName, DateTime<Utc>)>) -> Answer<'_, ()> {
        self.write("set deadlines", move |state, _| {
            for ((aggregate_type, id, key), due_at) in rows {
                let fresh = Deadline { due_at, claimed_until: None, attempts: 0 };
                let kept = state.deadlines.entry((tenant_id, aggregate_type.to_owned(), id, key)).or_insert(fresh);
                if kept.due_at != due_at {
                    *kept = fresh;
                }
            }
        })
    }

    fn commit(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            let store = Arc::clone(&self.session.store);
            let process = self.session.process.clone();
            let work = async {
                let store = &*self.session.store;
                let _guard = Unlock { store, owner: &self.owner };
                if self.owner.is_gone() {
                    return Err(errors::session_ended());
                }
                let mut pending = std::mem::take(&mut *self.pending());
                if pending.failed {
                    return Err(errors::transaction_failed());
                }
                let moved: Vec<String> = pending.logs.iter().map(|(tenant_id, log)| format!("{tenant_id}:{}", log.position())).collect();
                {
                    let mut state = store.state();
                    state.tenants.append(&mut pending.logs);
                    pending.writes.into_iter().for_each(|write| write(&mut state, &self.session.process));
                }
                if !moved.is_empty() {
                    store.notify(&moved.join(","));
                }
                Ok(())
            };
            store.statement(&process, "commit", work).await
        })
    }

    fn rollback(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async { Ok(()) })
    }
}
