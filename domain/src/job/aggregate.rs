//! State, and how events change it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::job::{JobCommand, JobContent, JobError, JobEvent, JobFact, JobStatus, SubmissionStatus};
use crate::kernel::{Claim, Context, JobId, PartyId, SubmissionId, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub(super) status: JobStatus,
    pub(super) about: Option<About>,
    /// Only what decisions read; the pipeline is a read model of its own.
    pub(super) submissions: BTreeMap<SubmissionId, Submission>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    pub job_id: JobId,
    pub content: JobContent,
    pub created_by: PartyId,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub talent_id: PartyId,
    pub status: SubmissionStatus,
}

impl Job {
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// None before the first event.
    #[must_use]
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    #[must_use]
    pub fn submissions(&self) -> &BTreeMap<SubmissionId, Submission> {
        &self.submissions
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

    fn apply(&mut self, event: JobEvent) {
        let JobEvent { job_id, to, at, fact, .. } = event;
        self.status = to;
        match fact {
            JobFact::Created { content, created_by } => {
                let (published_at, closed_at, close_reason) = (None, None, None);
                self.about = Some(About { job_id, content, created_by, created_at: at, published_at, closed_at, close_reason });
            }
            JobFact::Updated { content } => self.note(|about| about.content = content),
            JobFact::Published => self.note(|about| about.published_at = Some(at)),
            JobFact::Closed { reason } => self.note(|about| {
                about.closed_at = Some(at);
                about.close_reason = reason;
            }),
            JobFact::SubmissionAdded { submission_id, talent_id, .. } => {
                self.submissions.insert(submission_id, Submission { talent_id, status: SubmissionStatus::Submitted });
            }
            JobFact::SubmissionUpdated { .. } => {}
            JobFact::SubmissionMoved { submission_id, talent_id, to, .. } => {
                self.submissions.insert(submission_id, Submission { talent_id, status: to });
            }
        }
    }
}

impl Job {
    fn note(&mut self, change: impl FnOnce(&mut About)) {
        self.about.as_mut().map(change).unwrap_or_default();
    }
}

impl TenantAggregate for Job {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != JobStatus::Unopened
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// A job takes nothing that another could hold.
    fn claim_taken(_claim: &Claim, _holder: Uuid) -> JobError {
        JobError::NotFound
    }
}
