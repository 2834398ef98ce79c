//! Event in, balanced entry out.

use crate::event::AnyEvent;
use crate::kernel::Origin;
use crate::ledger::{JournalEntry, UnbalancedEntry};

/// The entry that books `event`; none when it moves no money.
///
/// `L299` (in transit) is always `{event id of the giver, leg}`: the giver's event credits it, the taker's debits it,
/// so it is zero when every reaction has run (MNY-01).
///
/// # Errors
/// When the lines do not balance: such an event must never be stored.
pub fn post(_origin: &Origin, _event: &AnyEvent) -> Result<Option<JournalEntry>, UnbalancedEntry> {
    Ok(None)
}
