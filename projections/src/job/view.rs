//! One row per job and one per submission. Not the aggregate's own state: that holds every submission of a job at once.

use chrono::{DateTime, Utc};
use holdfast_domain::job::{
    AuditionMode, AuditionOutcome, Job, JobContent, JobFact, JobStatus, SubmissionSource, SubmissionStatus, SubmissionStep,
};
use holdfast_domain::kernel::Personal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Projection, Table, View};

pub const PROJECTION: &str = "job";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 1).view::<JobRow>().view::<SubmissionRow>()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub job_id: Uuid,
    pub version: i64,
    pub position: i64,
    pub status: JobStatus,
    pub title: String,
    pub brief: Option<Value>,
    pub budget: Option<Value>,
    pub location: Option<String>,
    pub start_ts: Option<DateTime<Utc>>,
    pub end_ts: Option<DateTime<Utc>>,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub close_reason: Option<String>,
    pub submissions: i64,
}

impl View for JobRow {
    const TABLE: Table = Table {
        name: "jobs",
        key: &["job_id"],
        columns: &[
            "version",
            "position",
            "status",
            "title",
            "brief",
            "budget",
            "location",
            "start_ts",
            "end_ts",
            "created_by",
            "created_at",
            "updated_at",
            "published_at",
            "closed_at",
            "close_reason",
            "submissions",
        ],
        exact: &[],
    };

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        Ok(event.event.of::<Job>().map(|_| event.origin.aggregate_id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            job_id: id,
            version: 0,
            position: 0,
            status: JobStatus::Unopened,
            title: String::new(),
            brief: None,
            budget: None,
            location: None,
            start_ts: None,
            end_ts: None,
            created_by: Uuid::nil(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            published_at: None,
            closed_at: None,
            close_reason: None,
            submissions: 0,
        }
    }

    fn id(&self) -> Uuid {
        self.job_id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(job) = event.event.of::<Job>() else { return Ok(()) };
        self.version = event.origin.sequence;
        self.position = event.position;
        self.status = job.to;
        self.updated_at = job.at;
        match &job.fact {
            JobFact::Created { content, created_by } => {
                self.created_by = created_by.uuid();
                self.created_at = job.at;
                self.say(content);
            }
            JobFact::Updated { content } => self.say(content),
            JobFact::Published => self.published_at = Some(job.at),
            JobFact::Closed { reason } => {
                self.closed_at = Some(job.at);
                self.close_reason.clone_from(reason);
            }
            JobFact::SubmissionAdded { .. } => self.submissions += 1,
            JobFact::SubmissionUpdated { .. } | JobFact::SubmissionMoved { .. } => {}
        }
        Ok(())
    }
}

impl JobRow {
    fn say(&mut self, content: &JobContent) {
        let JobContent { title, brief, budget, location, start_ts, end_ts } = content.clone();
        (self.title, self.brief, self.budget, self.location, self.start_ts, self.end_ts) =
            (title, brief, budget, location, start_ts, end_ts);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubmissionRow {
    pub submission_id: Uuid,
    pub job_id: Uuid,
    pub position: i64,
    pub talent_id: Uuid,
    pub status: SubmissionStatus,
    pub source: SubmissionSource,
    pub notes: Option<Notes>,
    pub notes_by: Option<SubmissionSource>,
    pub audition_mode: Option<AuditionMode>,
    pub audition_at: Option<DateTime<Utc>>,
    pub audition_outcome: Option<AuditionOutcome>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What was written about a person; no value once that person is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    pub subject: Uuid,
    pub value: Option<String>,
}

impl View for SubmissionRow {
    const TABLE: Table = Table {
        name: "job_submissions",
        key: &["submission_id"],
        columns: &[
            "job_id",
            "position",
            "talent_id",
            "status",
            "source",
            "notes",
            "notes_by",
            "audition_mode",
            "audition_at",
            "audition_outcome",
            "created_at",
            "updated_at",
        ],
        exact: &[],
    };
    const PERSONAL: &'static [&'static str] = &["notes"];

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        let Some(job) = event.event.of::<Job>() else { return Ok(Vec::new()) };
        Ok(match &job.fact {
            JobFact::SubmissionAdded { submission_id, .. }
            | JobFact::SubmissionUpdated { submission_id, .. }
            | JobFact::SubmissionMoved { submission_id, .. } => vec![submission_id.uuid()],
            JobFact::Created { .. } | JobFact::Updated { .. } | JobFact::Published | JobFact::Closed { .. } => Vec::new(),
        })
    }

    fn new(id: Uuid) -> Self {
        Self {
            submission_id: id,
            job_id: Uuid::nil(),
            position: 0,
            talent_id: Uuid::nil(),
            status: SubmissionStatus::Submitted,
            source: SubmissionSource::Staff,
            notes: None,
            notes_by: None,
            audition_mode: None,
            audition_at: None,
            audition_outcome: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn id(&self) -> Uuid {
        self.submission_id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(job) = event.event.of::<Job>() else { return Ok(()) };
        self.position = event.position;
        self.updated_at = job.at;
        match &job.fact {
            JobFact::SubmissionAdded { talent_id, source, notes, .. } => {
                self.job_id = event.origin.aggregate_id;
                self.talent_id = talent_id.uuid();
                self.source = *source;
                self.created_at = job.at;
                if let Some(notes) = notes {
                    self.note(event, notes, *source)?;
                }
            }
            JobFact::SubmissionUpdated { notes, source, .. } => self.note(event, notes, *source)?,
            JobFact::SubmissionMoved { to, step, .. } => {
                self.status = *to;
                self.audition(step);
            }
            JobFact::Created { .. } | JobFact::Updated { .. } | JobFact::Published | JobFact::Closed { .. } => {}
        }
        Ok(())
    }
}

impl SubmissionRow {
    fn note(&mut self, event: &Event<'_>, notes: &Personal<String>, by: SubmissionSource) -> Result<(), ApplyError> {
        self.notes = Some(Notes { subject: notes.sealed().subject.uuid(), value: event.open(notes)? });
        self.notes_by = Some(by);
        Ok(())
    }

    fn audition(&mut self, step: &SubmissionStep) {
        match step {
            SubmissionStep::ScheduleAudition { mode, at } => {
                (self.audition_mode, self.audition_at, self.audition_outcome) = (Some(*mode), *at, None);
            }
            SubmissionStep::RecordAudition { outcome } => self.audition_outcome = Some(*outcome),
            SubmissionStep::Shortlist | SubmissionStep::Select | SubmissionStep::Reject | SubmissionStep::Withdraw => {}
        }
    }
}
