//! What a writer remembers between batches: only what has been committed.

use std::collections::{HashMap, HashSet};

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::StreamId;
use lru::LruCache;

use crate::writer::stream::AnyStream;

/// So many tenants more than there are streams may have a known position: looking for idle ones is worth it then.
const MAX_IDLE_TENANTS: usize = 1_024;

/// Streams by least recent use, bounded in bytes; and per tenant the position up to which they are current.
pub(crate) struct Cache {
    streams: LruCache<StreamId, Box<dyn AnyStream>>,
    bytes: usize,
    max_bytes: usize,
    known: HashMap<TenantId, i64>,
}

impl Cache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { streams: LruCache::unbounded(), bytes: 0, max_bytes, known: HashMap::new() }
    }

    /// Takes the stream out: while a batch works on it, it is not committed state.
    pub(crate) fn take(&mut self, id: &StreamId) -> Option<Box<dyn AnyStream>> {
        let stream = self.streams.pop(id)?;
        self.bytes -= stream.bytes();
        Some(stream)
    }

    pub(crate) fn put(&mut self, id: StreamId, mut stream: Box<dyn AnyStream>) {
        stream.settle();
        self.bytes += stream.bytes();
        if let Some((_, old)) = self.streams.push(id, stream) {
            self.bytes -= old.bytes();
        }
        while self.bytes > self.max_bytes {
            let Some((_, oldest)) = self.streams.pop_lru() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn forget(&mut self, id: &StreamId) {
        drop(self.take(id));
    }

    /// The log is not the one that all this was read from.
    pub(crate) fn clear(&mut self) {
        self.streams.clear();
        self.bytes = 0;
        self.known.clear();
    }

    /// `None`: nothing of this tenant is cached.
    pub(crate) fn known(&self, tenant_id: TenantId) -> Option<i64> {
        self.known.get(&tenant_id).copied()
    }

    pub(crate) fn set_known(&mut self, tenant_id: TenantId, position: i64) {
        self.known.insert(tenant_id, position);
    }

    /// Between batches: what is known of tenants without a stream here is of no use, and there may be any number of them.
    pub(crate) fn forget_idle_tenants(&mut self) {
        if self.known.len() > self.streams.len() + MAX_IDLE_TENANTS {
            let busy: HashSet<TenantId> = self.streams.iter().map(|(id, _)| id.tenant_id).collect();
            self.known.retain(|tenant_id, _| busy.contains(tenant_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate as _;
    use holdfast_domain::wallet::Wallet;
    use uuid::Uuid;

    use super::*;
    use crate::writer::stream::Stream;

    fn id(n: u128) -> StreamId {
        StreamId { tenant_id: TenantId(Uuid::from_u128(n)), aggregate_type: Wallet::TYPE, aggregate_id: Uuid::from_u128(n) }
    }

    #[test]
    fn what_is_remembered_is_bounded_by_the_setting_whatever_came_by() {
        let mut cache = Cache::new(100_000);
        for n in 0..20_000 {
            cache.set_known(id(n).tenant_id, 1);
            cache.put(id(n), Box::new(Stream::<Wallet>::empty()));
            cache.forget_idle_tenants();
            assert!(cache.bytes <= 100_000 && cache.known.len() <= cache.streams.len() + MAX_IDLE_TENANTS);
        }
        assert!(cache.streams.len() > 40 && cache.known(id(19_999).tenant_id).is_some(), "the newest are there");
        assert!(cache.streams.iter().all(|(id, _)| cache.known(id.tenant_id).is_some()), "whatever is cached has a known position");
    }

    #[test]
    fn a_stream_takes_the_room_of_its_state_not_of_its_history() {
        let mut stream = Stream::<Wallet>::empty();
        let mut cache = Cache::new(usize::MAX);
        let empty = AnyStream::bytes(&stream);
        for _ in 0..10_000 {
            stream.grow(400); // events that leave the state as it was
            cache.put(id(1), Box::new(std::mem::replace(&mut stream, Stream::empty())));
            let mut taken = cache.take(&id(1)).unwrap();
            stream = std::mem::replace(taken.as_any_mut().downcast_mut::<Stream<Wallet>>().unwrap(), Stream::empty());
        }
        assert!(AnyStream::bytes(&stream) < empty + 8_192, "{}", AnyStream::bytes(&stream));
        assert_eq!(cache.bytes, 0);
    }
}
