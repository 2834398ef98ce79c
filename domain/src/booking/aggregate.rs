//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::booking::{BookingCommand, BookingError, BookingEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    version: i64,
}

impl Booking {
    fn decide(&self, _command: BookingCommand, _context: &Context) -> Result<Vec<BookingEvent>, BookingError> {
        Err(BookingError::NotFound)
    }
}

impl cqrs_es::Aggregate for Booking {
    const TYPE: &'static str = "booking";
    type Command = BookingCommand;
    type Event = BookingEvent;
    type Error = BookingError;
    type Services = Context;

    async fn handle(&mut self, command: BookingCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), BookingError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: BookingEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Booking {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> BookingError {
        BookingError::NotFound
    }
}
