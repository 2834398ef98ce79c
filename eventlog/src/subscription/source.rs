//! Where consumers take events from: those that just arrived, else the log.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_domain::kernel::TenantId;

use super::FeedEvent;
use crate::types::StoredEvent;
use crate::{EventLog, LogError};

/// Bytes of events that are kept for the consumers of this process.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of events that a consumer is given at once: one event at least, however large.
const BATCH_BYTES: usize = 4 << 20;
const READERS: usize = 16;

pub(super) struct Source {
    log: EventLog,
    recent: Mutex<Recent>,
    /// Tenants that our own log has: a message about any other is not ours to believe.
    tenants: Mutex<HashSet<TenantId>>,
    /// Of consumers that miss the same events, one reads and the others find them.
    reading: [tokio::sync::Mutex<()>; READERS],
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// Tampering or a bug: positions have no gaps.
    #[error("position {missing} of tenant {tenant_id} is missing in the log")]
    Gap { tenant_id: TenantId, missing: i64 },
}

impl Source {
    pub(super) fn new(log: EventLog) -> Self {
        Self { log, recent: Mutex::default(), tenants: Mutex::default(), reading: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }

    /// Notes an event that arrived by message; false: its tenant is unknown here, so it was left alone. A new tenant becomes
    /// known with the notification of its first append.
    pub(super) fn arrived(&self, event: StoredEvent) -> bool {
        let is_ours = self.is_ours(event.tenant_id);
        if is_ours {
            self.recent().insert(Arc::new(FeedEvent::new(event)));
        }
        is_ours
    }

    /// Notes events of our own log that this process has appended.
    pub(super) fn appended(&self, events: &[Arc<FeedEvent>]) {
        self.learn(events.iter().map(|event| event.tenant_id));
        let mut recent = self.recent();
        events.iter().for_each(|event| recent.insert(Arc::clone(event)));
    }

    /// It is at hand.
    pub(super) fn has(&self, tenant_id: TenantId, position: i64) -> bool {
        self.recent().events.get(&tenant_id).is_some_and(|tenant| tenant.contains_key(&position))
    }

    pub(super) fn is_ours(&self, tenant_id: TenantId) -> bool {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant_id)
    }

    /// These have heads in our log.
    pub(super) fn learn(&self, tenants: impl IntoIterator<Item = TenantId>) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).extend(tenants);
    }

    /// The events at `after + 1`, `after + 2`, … that are there, at most `limit`; none when there are none.
    pub(super) async fn next(&self, tenant_id: TenantId, after: i64, limit: usize) -> Result<Vec<Arc<FeedEvent>>, SourceError> {
        let arrived = self.recent().after(tenant_id, after, limit);
        if !arrived.is_empty() {
            return Ok(arrived);
        }
        let _one_reads = self.reading[usize::from(tenant_id.uuid().as_bytes()[15]) % READERS].lock().await;
        let read_by_another = self.recent().after(tenant_id, after, limit);
        if !read_by_another.is_empty() {
            return Ok(read_by_another);
        }
        let events = self.log.read(tenant_id, after, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        if let Some((_, missing)) = events.iter().zip(after + 1..).map(|(event, due)| (event.position, due)).find(|(is, due)| is != due) {
            return Err(SourceError::Gap { tenant_id, missing });
        }
        let mut events: Vec<_> = events.into_iter().map(|event| Arc::new(FeedEvent::new(event))).collect();
        let mut recent = self.recent();
        for event in &events {
            recent.insert(event.clone());
        }
        drop(recent);
        events.truncate(fitting(events.iter()));
        Ok(events)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Recent {
    events: HashMap<TenantId, BTreeMap<i64, Arc<FeedEvent>>>,
    /// Oldest arrival first.
    order: VecDeque<(TenantId, i64)>,
    bytes: usize,
}

impl Recent {
    fn insert(&mut self, event: Arc<FeedEvent>) {
        let (tenant_id, position) = (event.tenant_id, event.position);
        let tenant = self.events.entry(tenant_id).or_default();
        if tenant.contains_key(&position) {
            return;
        }
        self.bytes += size(&event);
        metrics::gauge!("holdfast_subscription_recent_bytes").set(f64::from(u32::try_from(self.bytes).unwrap_or(u32::MAX)));
        tenant.insert(position, event);
        self.order.push_back((tenant_id, position));
        while self.bytes > MOST_BYTES {
            let Some((tenant_id, position)) = self.order.pop_front() else { break };
            self.remove(tenant_id, position);
        }
    }

    fn remove(&mut self, tenant_id: TenantId, position: i64) {
        if let Some(tenant) = self.events.get_mut(&tenant_id) {
            if let Some(event) = tenant.remove(&position) {
                self.bytes -= size(&event);
            }
            if tenant.is_empty() {
                self.events.remove(&tenant_id);
            }
        }
    }

    fn after(&self, tenant_id: TenantId, after: i64, limit: usize) -> Vec<Arc<FeedEvent>> {
        let Some(tenant) = self.events.get(&tenant_id) else { return Vec::new() };
        let next = tenant.range(after + 1..).zip(after + 1..);
        let next = next.take_while(|((is, _), due)| *is == due).take(limit).map(|((_, event), _)| event);
        next.clone().take(fitting(next)).cloned().collect()
    }
}

/// How many of them are given at once.
fn fitting<'a>(events: impl Iterator<Item = &'a Arc<FeedEvent>>) -> usize {
    let sums = events.scan(0, |bytes, event| {
        *bytes += size(event);
        Some(*bytes)
    });
    sums.take_while(|bytes| *bytes <= BATCH_BYTES).count().max(1)
}

fn size(event: &FeedEvent) -> usize {
    event.payload.len() + event.metadata.len() + 300
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(position: i64, bytes: usize) -> Arc<FeedEvent> {
        Arc::new(FeedEvent::new(StoredEvent {
            tenant_id: TenantId(Uuid::nil()),
            position,
            aggregate_type: "wallet".into(),
            aggregate_id: Uuid::nil(),
            sequence: position,
            event_type: "wallet.opened".into(),
            event_version: "1".into(),
            payload: " ".repeat(bytes),
            metadata: String::new(),
            recorded_at: chrono::DateTime::UNIX_EPOCH,
        }))
    }

    #[test]
    fn events_are_given_only_without_gap_from_the_place_asked_for() {
        let mut recent = Recent::default();
        for position in [3, 2, 5, 2] {
            recent.insert(event(position, 1));
        }
        let after = |after, limit| recent.after(TenantId(Uuid::nil()), after, limit).iter().map(|event| event.position).collect::<Vec<_>>();
        assert_eq!(after(0, 9), Vec::<i64>::new());
        assert_eq!(after(1, 9), vec![2, 3]);
        assert_eq!(after(1, 1), vec![2]);
        assert_eq!(after(4, 9), vec![5]);
        assert_eq!(after(5, 9), Vec::<i64>::new());
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_too_and_never_empty() {
        let mut recent = Recent::default();
        for (position, bytes) in [(1, 5 << 20), (2, 1 << 20), (3, 1 << 20), (4, 3 << 20)] {
            recent.insert(event(position, bytes));
        }
        let given = |after| recent.after(TenantId(Uuid::nil()), after, 9).len();
        assert_eq!((given(0), given(1), given(3), given(4)), (1, 2, 1, 0));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let mut recent = Recent::default();
        for position in 1..=40 {
            recent.insert(event(position, 1 << 20));
        }
        assert!(recent.bytes <= MOST_BYTES && recent.order.len() < 17);
        assert_eq!(recent.after(TenantId(Uuid::nil()), 39, 9).len(), 1);
        assert_eq!(recent.after(TenantId(Uuid::nil()), 0, 9).len(), 0);
    }
}
