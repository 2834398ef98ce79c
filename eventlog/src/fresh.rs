//! What this process has just appended, for its own subscriptions: they hear of it with the commit and need neither wait for a message
//! nor read it again (decision 0021). As with messages, what is lost on the way is read from the log: consumers go by position.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::subscription::FeedEvent;
use crate::types::{Appended, Batch, UnitOutcome};

/// Appends that wait to be heard of, of at most a megabyte or so each; more are lost.
const WAITING_APPENDS: usize = 64;

/// Between those who append and those who listen. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fresh(broadcast::Sender<Arc<[Arc<FeedEvent>]>>);

impl Fresh {
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(WAITING_APPENDS))
    }

    /// What the batch has stored, if anybody listens.
    pub(crate) fn tell(&self, batch: &Batch, appended: &Appended) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let stored = batch.units.iter().zip(&appended.units).filter_map(|(unit, outcome)| {
            let UnitOutcome::Stored { first_position } = outcome else { return None };
            let head = appended.heads.get(&unit.stream.tenant_id)?;
            Some(unit.events_at(*first_position, head.recorded_at))
        });
        let events: Arc<[_]> = stored.flatten().map(|event| Arc::new(FeedEvent::new(event))).collect();
        if !events.is_empty() {
            let _ = self.0.send(events); // nobody listens any more
        }
    }

    pub(crate) fn listen(&self) -> Listening {
        Listening(self.0.subscribe())
    }
}

impl Default for Fresh {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) struct Listening(broadcast::Receiver<Arc<[Arc<FeedEvent>]>>);

impl Listening {
    /// The events of one append, those of a tenant in order. None: nobody appends any more. Safe to drop at any await.
    pub(crate) async fn next(&mut self) -> Option<Arc<[Arc<FeedEvent>]>> {
        loop {
            match self.0.recv().await {
                Ok(events) => return Some(events),
                Err(RecvError::Lagged(appends)) => metrics::counter!("holdfast_fresh_appends_lost_total").increment(appends),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use chrono::DateTime;
    use holdfast_domain::kernel::TenantId;
    use uuid::Uuid;

    use super::*;
    use crate::types::{HeadMove, NewEvent, StreamId, Unit};

    fn append(fresh: &Fresh, position: i64) {
        let tenant_id = TenantId(Uuid::nil());
        let event = NewEvent { event_type: "wallet.opened".into(), event_version: "1".into(), payload: "{}".into(), metadata: "{}".into() };
        let stream = StreamId { tenant_id, aggregate_type: "wallet", aggregate_id: Uuid::nil() };
        let unit = Unit { stream, first_sequence: position, events: vec![event], receipts: Vec::new(), claims: Vec::new(), gated: false };
        let moved = HeadMove { before: position - 1, after: position, recorded_at: DateTime::UNIX_EPOCH };
        let refused = Unit { first_sequence: 1, ..unit.clone() };
        let batch = Batch { units: vec![refused, unit], known: HashMap::new() };
        let units = vec![UnitOutcome::SequenceTaken, UnitOutcome::Stored { first_position: position }];
        fresh.tell(&batch, &Appended { heads: BTreeMap::from([(tenant_id, moved)]), units });
    }

    #[tokio::test]
    async fn a_listener_that_is_slow_loses_the_oldest_and_goes_on() {
        let fresh = Fresh::new();
        append(&fresh, 1); // nobody listens
        let mut listening = fresh.listen();
        let waiting = i64::try_from(WAITING_APPENDS).unwrap();
        (2..=waiting + 11).for_each(|position| append(&fresh, position));
        let mut heard = Vec::new();
        drop(fresh);
        while let Some(events) = listening.next().await {
            heard.extend(events.iter().map(|event| event.position));
        }
        assert!(heard.iter().copied().eq(12..=waiting + 11), "{heard:?}");
    }
}
