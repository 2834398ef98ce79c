//! Questions about jobs and submissions (JOB-10, JOB-12, JOB-16).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::job::{JobStatus, SubmissionStatus};
use holdfast_domain::kernel::JobId;
use holdfast_projections::job::{self, JobFilter, JobPosting, JobSort, Reader, SubmissionEntry, SubmissionFilter};
use holdfast_projections::query::{Direction, List};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Capability;
use crate::auth::Capability::{BookingsRead, JobsRead, JobsWrite};
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters, Text};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/jobs", &[JobsRead], || web::get().to(list_jobs)),
    RouteSpec::query("/v1/jobs/{jobId}", &[JobsRead], || web::get().to(job_detail)),
    RouteSpec::query("/v1/jobs/{jobId}/submissions", &[JobsRead], || web::get().to(list_submissions)),
];

use holdfast_domain::kernel::Role::{BillingAdmin, Payer, Viewer};

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/jobs", BillingAdmin, Viewer, Foreign::OwnTenantOnly),
    get("/v1/jobs/{jobId}", Payer, Viewer, Foreign::Path(ForeignId::Job)),
    get("/v1/jobs/{jobId}/submissions", Payer, Viewer, Foreign::Path(ForeignId::Job)),
];

const NOT_FOUND: &str = "JOB_NOT_FOUND";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsWanted {
    #[param(value_type = Option<String>, example = "published")]
    status: Option<JobStatus>,
    /// In the title.
    #[param(value_type = Option<String>)]
    q: Option<Text>,
    /// In the location.
    #[param(value_type = Option<String>)]
    location: Option<Text>,
    /// Ends after.
    from: Option<DateTime<Utc>>,
    /// Begins before.
    to: Option<DateTime<Utc>>,
    /// `created_at` or `start_ts`, then `:asc` or `:desc`; `created_at:desc` when none is given.
    #[param(example = "start_ts:asc")]
    sort: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The job board, a page at a time (JOB-10). Talents see what is published and what they have a submission for.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsWanted), responses((status = 200, body = List<JobPosting>)))]
pub(crate) async fn list_jobs(
    caller: Caller,
    wanted: QueryParameters<JobsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<JobPosting>>, ApiError> {
    let wanted = wanted.0;
    let filter = JobFilter {
        status: wanted.status,
        q: wanted.q.map(Text::into_string),
        location: wanted.location.map(Text::into_string),
        from: wanted.from,
        to: wanted.to,
    };
    let sort = wanted.sort.map(|text| text.parse::<JobSort>().map_err(|error| ApiError::validation("sort", error)));
    let (sort, page) = (sort.transpose()?.unwrap_or_default(), page(wanted.limit, wanted.cursor)?);
    let (tenant_id, reader) = (caller.tenant_id, reader(&caller));
    let question = |pool| async move { job::list(&pool, tenant_id, reader, &filter, sort, &page).await };
    ask(&shared, &side, &caller, minimum, &[job::PROJECTION], question).await.map(Shown)
}

/// One job (JOB-12). Fails with `JOB_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/jobs/{jobId}", tag = "jobs", params(("jobId" = Uuid, Path)), responses((status = 200, body = JobPosting)))]
pub(crate) async fn job_detail(
    caller: Caller,
    id: PathId<JobId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<JobPosting>, ApiError> {
    let (tenant_id, reader, id) = (caller.tenant_id, reader(&caller), id.0);
    let question = |pool| async move { job::detail(&pool, tenant_id, reader, id).await };
    found(ask(&shared, &side, &caller, minimum, &[job::PROJECTION], question).await?, NOT_FOUND, "job")
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubmissionsWanted {
    #[param(value_type = Option<String>, example = "shortlisted")]
    status: Option<SubmissionStatus>,
    /// `created_at:desc`, the default, or `created_at:asc`.
    sort: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Who applied or was added, by stage (JOB-16). Talents see their own only, without what staff noted. Fails with `JOB_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/jobs/{jobId}/submissions", tag = "jobs", params(("jobId" = Uuid, Path), SubmissionsWanted),
    responses((status = 200, body = List<SubmissionEntry>)))]
pub(crate) async fn list_submissions(
    caller: Caller,
    id: PathId<JobId>,
    wanted: QueryParameters<SubmissionsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<SubmissionEntry>>, ApiError> {
    let wanted = wanted.0;
    let filter = SubmissionFilter { status: wanted.status, direction: direction(wanted.sort.as_deref())? };
    let (tenant_id, reader, id, page) = (caller.tenant_id, reader(&caller), id.0, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { job::submissions(&pool, tenant_id, reader, id, &filter, &page).await };
    found(ask(&shared, &side, &caller, minimum, &[job::PROJECTION], question).await?, NOT_FOUND, "job")
}

/// Everybody but talents who reads jobs runs them or reads the tenant's bookings as well.
/// Any one of these shows all jobs to whoever may look at jobs.
pub(crate) const STAFF: &[Capability] = &[JobsWrite, BookingsRead];

fn reader(caller: &Caller) -> Reader {
    let staff = STAFF.iter().any(|capability| caller.holds(*capability));
    if staff { Reader::Staff } else { Reader::Talent(caller.actor.id) }
}

/// By creation.
pub(super) fn direction(sort: Option<&str>) -> Result<Direction, ApiError> {
    match sort {
        None | Some("created_at:desc") => Ok(Direction::Desc),
        Some("created_at:asc" | "created_at") => Ok(Direction::Asc),
        Some(_) => Err(ApiError::validation("sort", "is created_at, then :asc or :desc")),
    }
}
