//! What a batch works on: streams from the cache or from the log, and stored answers.

use std::collections::{BTreeSet, HashMap, HashSet};

use holdfast_domain::tenant::Tenant;
use holdfast_eventlog::{LoadRequest, LogError, ReceiptKey, StoredReceipt, StreamId};

use crate::writer::batch::{Writer, receipt_key, tenant_stream};
use crate::writer::order::Job;
use crate::writer::stream::{AnyStream, Stream, Unfolded};

/// The streams of a batch, taken out of the cache or freshly folded.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) streams: HashMap<StreamId, Box<dyn AnyStream>>,
    pub(crate) receipts: HashMap<ReceiptKey, StoredReceipt>,
    pub(crate) unreadable: HashSet<StreamId>,
}

impl Writer {
    /// Brings every stream of the batch, and the streams of their tenants, into the cache; looks up the keys of
    /// commands that miss it. One round trip unless somebody else has written meanwhile.
    pub(crate) async fn load(&mut self, jobs: &[Job]) -> Result<Loaded, LogError> {
        let mut loaded = Loaded::default();
        for job in jobs {
            for id in [tenant_stream(job.stream.tenant_id), job.stream] {
                if !loaded.streams.contains_key(&id)
                    && let Some(stream) = self.cache.take(&id)
                {
                    loaded.streams.insert(id, stream);
                }
            }
        }
        let mut from_snapshots = true;
        loop {
            let request = LoadRequest { from_snapshots, ..missing(jobs, &loaded) };
            if request.streams.is_empty() {
                return Ok(loaded);
            }
            let mut answer = self.log.load(&request).await?;
            for tenant_id in request.tenants {
                let head = answer.heads.get(&tenant_id).copied().unwrap_or_default();
                if self.cache.known(tenant_id).is_some_and(|known| known > head) {
                    self.went_back(tenant_id);
                    loaded.streams.clear();
                }
                if let Some(known) = self.cache.known(tenant_id).filter(|known| *known < head) {
                    for id in self.log.touched(tenant_id, known, head).await? {
                        loaded.streams.remove(&id);
                        self.cache.forget(&id);
                    }
                }
                self.cache.set_known(tenant_id, head);
            }
            answer.misfits.drain(..).for_each(|snapshot| self.snapshots.discard(snapshot));
            for id in request.streams {
                let events = answer.streams.remove(&id).unwrap_or_default();
                let snapshot = answer.snapshots.remove(&id);
                let folded = match jobs.iter().find(|job| job.stream == id) {
                    _ if id.aggregate_type == <Tenant as cqrs_es::Aggregate>::TYPE => Stream::<Tenant>::boxed(snapshot.as_ref(), &events),
                    Some(job) => job.order.fold(snapshot.as_ref(), &events),
                    None => continue,
                };
                match (folded, snapshot) {
                    (Ok(mut stream), _) => {
                        self.snapshots.offer(id, stream.as_mut(), || events.last().cloned());
                        loaded.streams.insert(id, stream);
                    }
                    (Err(Unfolded::Snapshot), Some(snapshot)) => {
                        self.snapshots.discard(snapshot);
                        from_snapshots = false; // once more, from the first event
                    }
                    (Err(Unfolded::Snapshot | Unfolded::Event), _) => drop(loaded.unreadable.insert(id)),
                }
            }
            loaded.receipts.extend(answer.receipts);
        }
    }
}

fn missing(jobs: &[Job], loaded: &Loaded) -> LoadRequest {
    let mut request = LoadRequest::default();
    let mut streams = BTreeSet::new();
    let mut tenants = BTreeSet::new();
    for job in jobs {
        for id in [tenant_stream(job.stream.tenant_id), job.stream] {
            if !loaded.streams.contains_key(&id) && !loaded.unreadable.contains(&id) && streams.insert(id) {
                tenants.insert(id.tenant_id);
                if id == job.stream {
                    request.receipts.extend(receipt_key(job));
                }
            }
        }
    }
    request.streams = streams.into_iter().collect();
    request.tenants = tenants.into_iter().collect();
    request
}
