//! Commands on jobs and the submissions for them (JOB-11, JOB-13..15, JOB-17..19).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::job::{
    AuditionMode, AuditionOutcome, Job, JobChanges, JobCommand, JobContent, SubmissionStatus, SubmissionStep, submission_id,
};
use holdfast_domain::kernel::{JobId, PartyId, SubmissionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::Capability::{JobsApply, JobsWrite};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::first_event;
use crate::commands::{Side, execute, new_id, seal};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, NoContent, PathId, PathIds, PersonalText, Text};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/jobs", &[JobsWrite], || web::post().to(create_job)),
    RouteSpec::command("PATCH", "/v1/jobs/{jobId}", &[JobsWrite], || web::patch().to(update_job)),
    RouteSpec::command("POST", "/v1/jobs/{jobId}/publish", &[JobsWrite], || web::post().to(publish_job)),
    RouteSpec::command("POST", "/v1/jobs/{jobId}/close", &[JobsWrite], || web::post().to(close_job)),
    RouteSpec::command("POST", "/v1/jobs/{jobId}/submissions", &[JobsWrite, JobsApply], || web::post().to(add_submission)),
    RouteSpec::command("PATCH", "/v1/jobs/{jobId}/submissions/{submissionId}", &[JobsWrite, JobsApply], || {
        web::patch().to(update_submission)
    }),
    RouteSpec::command("POST", "/v1/jobs/{jobId}/shortlist", &[JobsWrite], || web::post().to(shortlist)),
];

use holdfast_domain::kernel::Role::{Casting, Talent, TalentManager, Viewer};

const JOB: Foreign = Foreign::Path(ForeignId::Job);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/jobs", Viewer, Casting, r#"{"title":"isolation"}"#, Foreign::OwnTenantOnly),
    with("PATCH", "/v1/jobs/{jobId}", Talent, Casting, r#"{"title":"isolation"}"#, JOB),
    post("/v1/jobs/{jobId}/publish", Talent, Casting, "{}", JOB),
    post("/v1/jobs/{jobId}/close", TalentManager, Casting, "{}", JOB),
    post("/v1/jobs/{jobId}/submissions", Viewer, Talent, "{}", JOB),
    with("PATCH", "/v1/jobs/{jobId}/submissions/{submissionId}", Viewer, Talent, r#"{"status":"withdrawn"}"#, JOB),
    post("/v1/jobs/{jobId}/shortlist", Talent, Casting, r#"{"submissionIds":["00000000-0000-4000-8000-000000000001"]}"#, JOB),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewJob {
    #[schema(value_type = String, example = "Runway show, autumn")]
    title: Text,
    /// The tenant's own object; `roles` lists who is looked for. It names roles, not people. Decimals are strings.
    #[schema(value_type = Option<Object>)]
    brief: Option<Value>,
    #[schema(value_type = Option<Object>)]
    budget: Option<Value>,
    location: Option<Text>,
    start_ts: Option<DateTime<Utc>>,
    end_ts: Option<DateTime<Utc>>,
}

/// Draft a job (JOB-11). Fails with `JOB_INVALID`, which names the field.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = NewJob, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_job(caller: Caller, body: CommandBody<NewJob>, shared: Shared, side: Side) -> Result<Answered, ApiError> {
    let new = body.content;
    let job_id = JobId(new_id(&caller, "job.create"));
    let content = JobContent {
        title: new.title.into_string(),
        brief: new.brief,
        budget: new.budget,
        location: new.location.map(Text::into_string),
        start_ts: new.start_ts,
        end_ts: new.end_ts,
    };
    let command = JobCommand::Create { job_id, content };
    execute::<Job>(&shared, &side, caller, job_id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

/// What is given replaces what was there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JobUpdate {
    title: Option<Text>,
    #[schema(value_type = Option<Object>)]
    brief: Option<Value>,
    #[schema(value_type = Option<Object>)]
    budget: Option<Value>,
    location: Option<Text>,
    start_ts: Option<DateTime<Utc>>,
    end_ts: Option<DateTime<Utc>>,
}

/// Change a job that is not closed (JOB-13). Fails with `JOB_CLOSED`, `JOB_INVALID` or, when it is published, `JOB_INCOMPLETE`.
#[utoipa::path(patch, path = "/v1/jobs/{jobId}", tag = "jobs", params(("jobId" = Uuid, Path)), request_body = JobUpdate,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn update_job(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<JobUpdate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let update = body.content;
    let changes = JobChanges {
        title: update.title.map(Text::into_string),
        brief: update.brief,
        budget: update.budget,
        location: update.location.map(Text::into_string),
        start_ts: update.start_ts,
        end_ts: update.end_ts,
    };
    execute::<Job>(&shared, &side, caller, id.0.uuid(), JobCommand::Update { changes }, body.fingerprint).await.map(Answered::ok)
}

/// Open a job for submissions; it needs a brief and dates (JOB-14). Fails with `INVALID_JOB_TRANSITION` or `JOB_INCOMPLETE`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/publish", tag = "jobs", params(("jobId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn publish_job(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Job>(&shared, &side, caller, id.0.uuid(), JobCommand::Publish, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloseJob {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Option<Text>,
}

/// Close a job: it takes no submissions and does not change any more (JOB-15). Fails with `INVALID_JOB_TRANSITION`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/close", tag = "jobs", params(("jobId" = Uuid, Path)), request_body = CloseJob,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn close_job(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<CloseJob>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = JobCommand::Close { reason: body.content.reason.map(Text::into_string) };
    execute::<Job>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewSubmission {
    /// None: the caller applies.
    #[schema(value_type = Option<Uuid>)]
    talent_id: Option<PartyId>,
    notes: Option<PersonalText>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubmissionAnswer {
    #[serde(flatten)]
    job: CommandAnswer,
    #[schema(value_type = Uuid)]
    submission_id: SubmissionId,
}

/// Apply for a job, or add a talent to it (JOB-17). Fails with `JOB_NOT_PUBLISHED`, `ALREADY_SUBMITTED` or `TOO_MANY_SUBMISSIONS`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/submissions", tag = "jobs", params(("jobId" = Uuid, Path)), request_body = NewSubmission,
    responses((status = 201, body = SubmissionAnswer)))]
pub(crate) async fn add_submission(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<NewSubmission>,
    shared: Shared,
    side: Side,
) -> Result<Answered<SubmissionAnswer>, ApiError> {
    must_exist(&shared, &side, &caller, id.0).await?;
    let talent_id = body.content.talent_id.unwrap_or(caller.actor.id);
    let submission_id = submission_id(caller.tenant_id, id.0, talent_id);
    let notes = seal(&shared, &side, &caller, talent_id, body.content.notes).await?;
    let command = JobCommand::AddSubmission { talent_id, notes };
    let accepted = execute::<Job>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await?;
    Ok(Answered::created(accepted).map(|job| SubmissionAnswer { job, submission_id }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SubmissionUpdate {
    /// Where it goes: `shortlisted`, `audition_scheduled`, `audition_attended`, `selected`, `rejected`, or, by the talent, `withdrawn`.
    #[schema(value_type = Option<String>, example = "audition_scheduled")]
    status: Option<SubmissionStatus>,
    /// With `audition_scheduled`: `in_person`, `remote` or `self_tape`.
    #[schema(value_type = Option<String>)]
    mode: Option<AuditionMode>,
    /// With `audition_scheduled`.
    at: Option<DateTime<Utc>>,
    /// With `audition_attended`: `passed`, `failed`, `undecided` or `no_show`.
    #[schema(value_type = Option<String>)]
    outcome: Option<AuditionOutcome>,
    notes: Option<PersonalText>,
}

/// Move a submission on, or note something about it (JOB-18). Fails with `SUBMISSION_NOT_FOUND`, `INVALID_SUBMISSION_TRANSITION` or
/// `JOB_CLOSED`.
#[utoipa::path(patch, path = "/v1/jobs/{jobId}/submissions/{submissionId}", tag = "jobs",
    params(("jobId" = Uuid, Path), ("submissionId" = Uuid, Path)), request_body = SubmissionUpdate,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn update_submission(
    caller: Caller,
    ids: PathIds<JobId, SubmissionId>,
    body: CommandBody<SubmissionUpdate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let PathIds(job_id, submission_id) = ids;
    let mut update = body.content;
    let notes = match update.notes.take() {
        Some(notes) => {
            let talent_id = talent_of(&shared, &side, &caller, job_id, submission_id).await?;
            seal(&shared, &side, &caller, talent_id, Some(notes)).await?
        }
        None => None,
    };
    let command = JobCommand::UpdateSubmission { submission_id, step: update.step()?, notes };
    execute::<Job>(&shared, &side, caller, job_id.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

impl SubmissionUpdate {
    /// Each field only where it belongs.
    fn step(&self) -> Result<Option<SubmissionStep>, ApiError> {
        let schedules = self.status == Some(SubmissionStatus::AuditionScheduled);
        let records = self.status == Some(SubmissionStatus::AuditionAttended);
        let stray = [
            ("mode", self.mode.is_some() && !schedules),
            ("at", self.at.is_some() && !schedules),
            ("outcome", self.outcome.is_some() && !records),
        ];
        if let Some((field, _)) = stray.into_iter().find(|(_, stray)| *stray) {
            return Err(ApiError::validation(field, "does not belong to this status"));
        }
        let missing = |field| ApiError::validation(field, "is needed with this status");
        Ok(match self.status {
            None => None,
            Some(SubmissionStatus::Submitted) => return Err(ApiError::validation("status", "nothing goes back to submitted")),
            Some(SubmissionStatus::Shortlisted) => Some(SubmissionStep::Shortlist),
            Some(SubmissionStatus::AuditionScheduled) => {
                Some(SubmissionStep::ScheduleAudition { mode: self.mode.ok_or_else(|| missing("mode"))?, at: self.at })
            }
            Some(SubmissionStatus::AuditionAttended) => {
                Some(SubmissionStep::RecordAudition { outcome: self.outcome.ok_or_else(|| missing("outcome"))? })
            }
            Some(SubmissionStatus::Selected) => Some(SubmissionStep::Select),
            Some(SubmissionStatus::Rejected) => Some(SubmissionStep::Reject),
            Some(SubmissionStatus::Withdrawn) => Some(SubmissionStep::Withdraw),
        })
    }
}

const MOST_SHORTLISTED_AT_ONCE: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Shortlist {
    /// 1 to 200.
    #[schema(value_type = Vec<Uuid>)]
    submission_ids: Vec<SubmissionId>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShortlistAnswer {
    #[serde(flatten)]
    job: CommandAnswer,
    /// How many are on the shortlist by this.
    shortlisted: usize,
    /// How many were left as they are: shortlisted already, or further on.
    unchanged: usize,
}

/// Put submissions on the shortlist, all at once (JOB-19). An unknown one refuses all: `SUBMISSION_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/shortlist", tag = "jobs", params(("jobId" = Uuid, Path)), request_body = Shortlist,
    responses((status = 200, body = ShortlistAnswer)))]
pub(crate) async fn shortlist(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<Shortlist>,
    shared: Shared,
    side: Side,
) -> Result<Answered<ShortlistAnswer>, ApiError> {
    let mut submission_ids = body.content.submission_ids;
    submission_ids.sort_unstable();
    submission_ids.dedup();
    let wanted = submission_ids.len();
    if !(1..=MOST_SHORTLISTED_AT_ONCE).contains(&wanted) {
        return Err(ApiError::validation("submissionIds", format!("must be 1 to {MOST_SHORTLISTED_AT_ONCE}")));
    }
    let command = JobCommand::Shortlist { submission_ids };
    let accepted = execute::<Job>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await?;
    let shortlisted = accepted.events.len();
    Ok(Answered::ok(accepted).map(|job| ShortlistAnswer { job, shortlisted, unchanged: wanted.saturating_sub(shortlisted) }))
}

/// What is about a job needs one of this tenant. A job never goes away.
pub(super) async fn must_exist(shared: &Shared, side: &Side, caller: &Caller, job_id: JobId) -> Result<(), ApiError> {
    let created = first_event::<Job>(shared, side, caller.tenant_id, job_id.uuid()).await?;
    created.map(drop).ok_or_else(|| ApiError::not_found("JOB_NOT_FOUND", "job"))
}

/// Whose key seals the notes. Whether the caller may write them is the domain's to say.
async fn talent_of(shared: &Shared, side: &Side, caller: &Caller, job_id: JobId, id: SubmissionId) -> Result<PartyId, ApiError> {
    let job = super::facts::load::<Job>(shared, side, caller.tenant_id, job_id.uuid()).await?;
    let job = job.ok_or_else(|| ApiError::not_found("JOB_NOT_FOUND", "job"))?;
    let submission = job.submissions().get(&id).ok_or_else(|| ApiError::not_found("SUBMISSION_NOT_FOUND", "submission"))?;
    Ok(submission.talent_id)
}
