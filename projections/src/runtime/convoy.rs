//! Projections that stand at the same place of a tenant's log move together: one transaction for a batch instead of one for
//! each of them (decision 0018). Most events concern a few projections; for the others only a checkpoint moves.
//!
//! Each keeps its own checkpoint. One that has fallen behind (it was paused, rebuilt, or could not take a batch) is a straggler:
//! it goes on alone, and nobody waits for it, until it stands where the others stand.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, TenantId};
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::failpoint;
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};
use uuid::Uuid;

use crate::personal::{Keys, Opened};
use crate::runtime::checkpoint::{self, Checkpoint, Locked, Side};
use crate::runtime::memory::{Stamp, Stretch};
use crate::runtime::projection::FoldError;
use crate::runtime::projector::BatchError;
use crate::runtime::reads::Expecting;
use crate::runtime::writes::Writes;
use crate::runtime::{ApplyError, Event, Projection, Projector};

/// The name of the subscription, and of the leases that all its members work under.
pub(super) const CONVOY: &str = "projections";

/// Readers see what they wrote a few milliseconds after; the work of a batch is mostly its round trips.
const PACE: Duration = Duration::from_millis(20);

/// All of `projections`, together and each alone, for one shared feed. `pool` commits lazily: lost in a crash, rows and checkpoints are lost
/// together and come again from the log.
#[must_use]
pub fn convoy(projections: Vec<Projection>, pool: &Pool, keys: &Arc<dyn Keys>) -> Vec<Arc<dyn Consumer>> {
    let stragglers = Arc::new(Stragglers::default());
    let alone = |projection| Arc::new(Projector::of_convoy(projection, pool.clone(), Arc::clone(keys), Arc::clone(&stragglers)));
    let members: Vec<Arc<Projector>> = projections.into_iter().map(alone).collect();
    let together = Convoy { members: members.clone(), pool: pool.clone(), keys: Arc::clone(keys), stragglers, idle: Mutex::default() };
    let mut consumers: Vec<Arc<dyn Consumer>> = vec![Arc::new(together)];
    consumers.extend(members.into_iter().map(|member| member as Arc<dyn Consumer>));
    consumers
}

/// Who is behind the others, as far as is known. Only decides who works: checkpoints are the fence.
#[derive(Debug, Default)]
pub(super) struct Stragglers(Mutex<HashMap<String, HashSet<TenantId>>>);

impl Stragglers {
    pub(super) fn has(&self, projection: &str, tenant_id: TenantId) -> bool {
        self.known().get(projection).is_some_and(|tenants| tenants.contains(&tenant_id))
    }

    pub(super) fn tenants_of(&self, projection: &str) -> Vec<Uuid> {
        self.known().get(projection).into_iter().flatten().map(|tenant_id| tenant_id.uuid()).collect()
    }

    fn note(&self, projection: &str, tenant_id: TenantId, is_behind: bool) {
        let mut known = self.known();
        if is_behind {
            known.entry(projection.to_owned()).or_default().insert(tenant_id);
        } else if let Some(tenants) = known.get_mut(projection) {
            tenants.remove(&tenant_id);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, HashSet<TenantId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Convoy {
    members: Vec<Arc<Projector>>,
    pool: Pool,
    keys: Arc<dyn Keys>,
    stragglers: Arc<Stragglers>,
    /// Tenants of which no projection may move, as last read.
    idle: Mutex<HashSet<TenantId>>,
}

/// One tenant's projection as it was found: what may move, and from where.
struct Mover<'a> {
    member: &'a Projector,
    from: Stamp,
}

impl Consumer for Convoy {
    fn name(&self) -> &'static str {
        CONVOY
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(async move { Ok(self.leading().await?) })
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            match self.take_together(tenant_id, after, events).await {
                Err(BatchError::Fold(_)) => self.take_alone(tenant_id, after, events).await,
                taken => Ok(taken?),
            }
        })
    }

    fn owns(&self, tenant_id: TenantId) -> bool {
        !self.idle.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant_id)
    }
}

impl Convoy {
    fn names(&self) -> Vec<&'static str> {
        self.members.iter().map(|member| name(member)).collect()
    }

    /// Where the foremost projection of each tenant stands. The others become stragglers.
    async fn leading(&self) -> Result<HashMap<TenantId, i64>, sqlx::Error> {
        let names = self.names();
        let rows: Vec<(Uuid, String, i64, i32, bool)> = sqlx::query_as(
            "SELECT c.tenant_id, c.projection, c.position, c.version, f.position IS NOT NULL
             FROM projection_checkpoints c LEFT JOIN projection_failures f USING (tenant_id, projection) WHERE c.projection = ANY($1)",
        )
        .bind(&names)
        .fetch_all(&mut *self.pool.acquire().await?)
        .await?;
        let pauses: HashSet<(String, Uuid)> = checkpoint::pauses(&self.pool, &names).await?.into_iter().collect();
        let mut stopped: HashMap<&str, u32> = names.iter().map(|name| (*name, 0)).collect();
        let mut tenants = HashMap::<TenantId, HashMap<String, Checkpoint>>::new();
        for (tenant, projection, position, version, has_stopped) in rows {
            if has_stopped && let Some(count) = stopped.get_mut(projection.as_str()) {
                *count += 1;
            }
            let is_paused = |tenant| pauses.contains(&(projection.clone(), tenant));
            let waits = has_stopped || is_paused(tenant) || is_paused(Uuid::nil());
            let found = Checkpoint { projection: projection.clone(), position, version, waits, xmin: 0 };
            tenants.entry(TenantId(tenant)).or_default().insert(projection, found);
        }
        for (projection, count) in stopped {
            metrics::gauge!("holdfast_projection_stopped_tenants", "projection" => projection).set(f64::from(count));
        }
        let (mut leading, mut idle) = (HashMap::new(), HashSet::new());
        for (tenant_id, found) in &tenants {
            // Without a row it is a new projection, which begins at the tenant's first event.
            let stands = |member| if found.contains_key(name(member)) { place(member, found).map(|at| at.position) } else { Some(0) };
            let places: Vec<(&Projector, Option<i64>)> = self.members.iter().map(|member| (&**member, stands(member))).collect();
            let Some(foremost) = places.iter().filter_map(|(_, position)| *position).max() else {
                idle.insert(*tenant_id);
                continue;
            };
            for (member, position) in places {
                let is_behind = position.is_some_and(|position| position < foremost);
                self.note(member, *tenant_id, is_behind);
            }
            leading.insert(*tenant_id, foremost);
        }
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = idle;
        Ok(leading)
    }

    /// One transaction: lock the checkpoints, let each projection fold what is new to it, move the checkpoints.
    async fn take_together(&self, tenant_id: TenantId, after: i64, events: &[Arc<FeedEvent>]) -> Result<(), BatchError> {
        let Some(last) = events.last() else { return Ok(()) };
        let recorded: Vec<&Recorded<AnyEvent>> = events
            .iter()
            .map(|event| event.recorded().map_err(|_| ApplyError::Unreadable))
            .collect::<Result<_, _>>()
            .map_err(FoldError::from)?;
        let opened = Opened::of_batch(self.keys.as_ref(), tenant_id, &recorded).await?;
        let events: Vec<Event<'_>> = recorded.into_iter().map(|recorded| Event::new(recorded, &opened)).collect();
        if let Some(left) = self.left(tenant_id, after) {
            match self.go_on(tenant_id, left, last.position, &events).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(%tenant_id, after, %error, "projections do not stand as they were left"),
            }
        }
        if after == 0 {
            let new: Vec<_> = self.members.iter().map(|member| (name(member), member.projection().version())).collect();
            checkpoint::begin(&self.pool, tenant_id, &new).await?;
        }
        let mut tx = self.pool.begin().await?;
        match self.fold_in(&mut tx, tenant_id, after, last.position, &events).await {
            Ok((written, moved)) => {
                failpoint::reached("projector.before_commit");
                tx.commit().await?;
                moved.into_iter().for_each(|(member, stretch)| member.projection().keep(tenant_id, written, stretch));
                failpoint::reached("projector.after_commit");
                Ok(())
            }
            Err(error) => {
                tx.rollback().await?; // gives the connection back; a dropped transaction would close it
                Err(error)
            }
        }
    }

    /// Where this process left all projections, if that is `after` and one transaction moved them there together.
    fn left(&self, tenant_id: TenantId, after: i64) -> Option<Stamp> {
        let mut left = self.members.iter().map(|member| member.projection().left(tenant_id));
        let first = left.next().flatten().filter(|first| first.position == after)?;
        left.all(|other| other == Some(first)).then_some(first)
    }

    /// All projections go on from there, without a lock before they fold (decision 0024). When that fails nothing is written, and what
    /// is remembered of them ends.
    async fn go_on(&self, tenant_id: TenantId, left: Stamp, last: i64, events: &[Event<'_>]) -> Result<(), FoldError> {
        let names = self.names();
        let mut expecting = Expecting::new(&self.pool, tenant_id, &names, left);
        let (mut moved, mut writes) = (Vec::with_capacity(names.len()), Writes::default());
        for member in &self.members {
            let stretch = member.projection().resume(tenant_id, left);
            if let Err(error) = member.projection().fold(&mut expecting, tenant_id, events, stretch, &mut writes).await {
                expecting.give_up().await?;
                return Err(error);
            }
            moved.push((member, stretch));
        }
        let written = expecting.write(last, writes).await?;
        for (member, stretch) in moved {
            member.projection().keep(tenant_id, written, stretch);
            metrics::counter!("holdfast_projection_events_total", "projection" => name(member)).increment(events.len() as u64);
        }
        failpoint::reached("projector.after_commit");
        Ok(())
    }

    async fn fold_in(
        &self,
        tx: &mut Tx,
        tenant_id: TenantId,
        after: i64,
        last: i64,
        events: &[Event<'_>],
    ) -> Result<(Stamp, Vec<(&Projector, Stretch)>), BatchError> {
        let found = checkpoint::lock(tx, Side::Live, tenant_id, &self.names(), Locked::Skip).await?;
        let movers = self.movers(tenant_id, after, last, found);
        if movers.is_empty() {
            return Err(BatchError::Moved);
        }
        let (mut moved, mut writes) = (Vec::with_capacity(movers.len()), Writes::default());
        for Mover { member, from } in &movers {
            let stretch = member.projection().resume(tenant_id, *from);
            let new = new_to(from.position, after, events);
            if !new.is_empty() {
                member.projection().fold(&mut **tx, tenant_id, new, stretch, &mut writes).await?;
            }
            metrics::counter!("holdfast_projection_events_total", "projection" => name(member)).increment(new.len() as u64);
            moved.push((*member, stretch));
        }
        let names: Vec<&str> = movers.iter().map(|mover| name(mover.member)).collect();
        Ok((checkpoint::advance(tx, Side::Live, tenant_id, &names, last, writes).await?, moved))
    }

    /// Of one that may move: whether it is behind the others. Then it goes on alone, whatever held it back before.
    fn note(&self, member: &Projector, tenant_id: TenantId, is_behind: bool) {
        self.stragglers.note(name(member), tenant_id, is_behind);
        if is_behind {
            member.resume(tenant_id);
        }
    }

    /// Who stands where events of this batch come next, or at its end; notes who is behind.
    fn movers(&self, tenant_id: TenantId, after: i64, last: i64, found: Vec<Checkpoint>) -> Vec<Mover<'_>> {
        let found: HashMap<String, Checkpoint> = found.into_iter().map(|found| (found.projection.clone(), found)).collect();
        let mut movers = Vec::new();
        for member in &self.members {
            let Some(from) = place(member, &found) else { continue };
            self.note(member, tenant_id, from.position < after);
            if (after..=last).contains(&from.position) {
                movers.push(Mover { member, from });
            }
        }
        movers
    }

    /// When together it cannot be done: each takes what it can, and one that cannot keeps the others from nothing.
    async fn take_alone(&self, tenant_id: TenantId, after: i64, events: &[Arc<FeedEvent>]) -> Result<(), ConsumeError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut tx = self.pool.begin().await?;
        let found = checkpoint::lock(&mut tx, Side::Live, tenant_id, &self.names(), Locked::Skip).await?;
        tx.rollback().await?;
        let (mut moved, mut failure) = (false, ConsumeError::Moved);
        for Mover { member, from } in self.movers(tenant_id, after, last.position, found) {
            match member.take(tenant_id, from.position, new_to(from.position, after, events)).await {
                Ok(()) => moved = true,
                // Its own subscription tries again, and tells why not. One that has stopped does not.
                Err(error) => {
                    self.stragglers.note(name(member), tenant_id, true);
                    failure = error.into();
                }
            }
        }
        if moved { Ok(()) } else { Err(failure) }
    }
}

fn name(member: &Projector) -> &'static str {
    member.projection().name()
}

/// Where the projection stands, if it may move: its rows are of this version, and it neither has stopped nor was told to wait.
fn place(member: &Projector, found: &HashMap<String, Checkpoint>) -> Option<Stamp> {
    let found = found.get(name(member))?;
    (!found.waits && found.version == member.projection().version()).then(|| found.stamp())
}

/// The events beyond `from`, of those beyond `after`.
fn new_to<T>(from: i64, after: i64, events: &[T]) -> &[T] {
    usize::try_from(from - after).ok().and_then(|known| events.get(known..)).unwrap_or_default()
}
