//! What a writer remembers between batches: only what has been committed.

use std::collections::HashMap;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::StreamId;
use lru::LruCache;

use crate::writer::stream::AnyStream;

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

    pub(crate) fn put(&mut self, id: StreamId, stream: Box<dyn AnyStream>) {
        self.bytes += stream.bytes();
        if let Some((_, old)) = self.streams.push(id, stream) {
            self.bytes -= old.bytes();
        }
        while self.bytes > self.max_bytes {
            let Some((_, oldest)) = self.streams.pop_lru() else { break };
            self.bytes -= oldest.bytes();
        }
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

    /// `None`: nothing of this tenant was ever cached.
    pub(crate) fn known(&self, tenant_id: TenantId) -> Option<i64> {
        self.known.get(&tenant_id).copied()
    }

    pub(crate) fn set_known(&mut self, tenant_id: TenantId, position: i64) {
        self.known.insert(tenant_id, position);
    }
}
