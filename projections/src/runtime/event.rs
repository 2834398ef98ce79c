//! What a projection sees of an event.

use std::ops::Deref;
use std::sync::OnceLock;

use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EventId, MoneyError, PartyId, Personal, Recorded, Sealed};
use holdfast_domain::ledger::{JournalEntry, JournalLine, UnbalancedEntry, post};
use serde::de::DeserializeOwned;

use crate::ledger::LineIds;
use crate::personal::Opened;

/// A stored event whose personal values have been opened.
#[derive(Debug)]
pub struct Event<'a> {
    recorded: &'a Recorded<AnyEvent>,
    opened: &'a Opened,
    posted: OnceLock<Result<Option<JournalEntry>, UnbalancedEntry>>,
    line_ids: OnceLock<Vec<LineIds>>,
}

/// The event and the rows do not fit together: the projection stops for that tenant.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the amounts cannot be added up")]
    Money(#[from] MoneyError),
    #[error(transparent)]
    Unbalanced(#[from] UnbalancedEntry),
    #[error("a row cannot be written as JSON or read from it")]
    Json(#[from] serde_json::Error),
    #[error("a personal value has another shape than its event says")]
    PersonalShape,
    #[error("the event cannot be read by this version of the program")]
    Unreadable,
}

impl<'a> Event<'a> {
    #[must_use]
    pub fn new(recorded: &'a Recorded<AnyEvent>, opened: &'a Opened) -> Self {
        Self { recorded, opened, posted: OnceLock::new(), line_ids: OnceLock::new() }
    }

    #[must_use]
    pub fn id(&self) -> EventId {
        self.recorded.metadata.event_id
    }

    /// Persons whom its batch erases.
    pub(super) fn erased_in_batch(&self) -> impl Iterator<Item = PartyId> {
        self.opened.erased()
    }

    /// The journal entry that books it, by the domain's `post`; made once however many tables ask.
    ///
    /// # Errors
    /// When it does not balance.
    pub fn entry(&self) -> Result<Option<&JournalEntry>, ApplyError> {
        match self.posted.get_or_init(|| post(&self.recorded.origin, &self.recorded.event)) {
            Ok(entry) => Ok(entry.as_ref()),
            Err(unbalanced) => Err(unbalanced.clone().into()),
        }
    }

    /// The lines of its journal entry with the ids that follow from them, which are found once as well; none when it moves no money.
    ///
    /// # Errors
    /// As [`Event::entry`].
    pub(crate) fn lines(&self) -> Result<impl Iterator<Item = (&JournalLine, &LineIds)>, ApplyError> {
        let lines = self.entry()?.map_or(&[][..], JournalEntry::lines);
        let tenant_id = self.recorded.origin.tenant_id;
        let ids = self.line_ids.get_or_init(|| lines.iter().map(|line| LineIds::of(tenant_id, line)).collect());
        Ok(lines.iter().zip(ids))
    }

    /// The plain value as JSON; `None` when its person was erased.
    ///
    /// # Errors
    /// When the value is not one of this event's.
    pub fn open_value(&self, sealed: &Sealed) -> Result<Option<serde_json::Value>, ApplyError> {
        self.opened.value(sealed, self.recorded.position).ok_or(ApplyError::PersonalShape)
    }

    /// The plain value; `None` when its person was erased.
    ///
    /// # Errors
    /// When the value is not a `T`.
    pub fn open<T: DeserializeOwned>(&self, personal: &Personal<T>) -> Result<Option<T>, ApplyError> {
        self.open_value(personal.sealed())?.map(serde_json::from_value).transpose().map_err(ApplyError::from)
    }
}

impl Deref for Event<'_> {
    type Target = Recorded<AnyEvent>;
    fn deref(&self) -> &Recorded<AnyEvent> {
        self.recorded
    }
}
