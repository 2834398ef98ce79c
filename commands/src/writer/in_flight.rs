//! Keys whose first request has not been answered yet (409 for the second).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_eventlog::ReceiptKey;

#[derive(Debug, Clone, Default)]
pub(crate) struct InFlightKeys(Arc<Mutex<HashSet<ReceiptKey>>>);

/// The mark of one key; taken away when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    keys: InFlightKeys,
    key: ReceiptKey,
}

impl InFlightKeys {
    /// `None` when a request with this key is being executed in this process.
    pub(crate) fn mark(&self, key: ReceiptKey) -> Option<InFlight> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = keys.insert(key.clone());
        show(keys.len());
        drop(keys);
        fresh.then(|| InFlight { keys: self.clone(), key })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut keys = self.keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
        show(keys.len());
    }
}

/// As many as there are commands between the door and their answer: places and queues bound them.
fn show(keys: usize) {
    metrics::gauge!("holdfast_keys_in_flight").set(f64::from(u32::try_from(keys).unwrap_or(u32::MAX)));
}
