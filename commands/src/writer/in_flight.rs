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
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        fresh.then(|| InFlight { keys: self.clone(), key })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
