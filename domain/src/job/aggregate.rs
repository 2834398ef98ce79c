//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::job::{JobCommand, JobError, JobEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    version: i64,
}

impl Job {
    fn decide(&self, _command: JobCommand, _context: &Context) -> Result<Vec<JobEvent>, JobError> {
        Err(JobError::NotFound)
    }
}

impl cqrs_es::Aggregate for Job {
    const TYPE: &'static str = "job";
    type Command = JobCommand;
    type Event = JobEvent;
    type Error = JobError;
    type Services = Context;

    async fn handle(&mut self, command: JobCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), JobError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: JobEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Job {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> JobError {
        JobError::NotFound
    }
}
