//! Questions about jobs and submissions (JOB-10, JOB-12, JOB-16).

use chrono::{DateTime, Utc};
use holdfast_domain::job::{JobStatus, SubmissionStatus};
use holdfast_domain::kernel::{JobId, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::PROJECTION;
use crate::query::{Direction, List, Page, QueryError, Read, Reading};

/// The talents who see a job that is not published, for `a`, an event of it. What becomes of submissions is between each talent
/// and the staff.
pub(crate) const PARTIES: &str = "SELECT array_agg(s.talent_id) FROM job_submissions s
     WHERE s.tenant_id = a.tenant_id AND s.job_id = a.entity_id AND a.action LIKE 'job.%'";

/// Whether every talent sees the job, for `a`, an event of it.
pub(crate) const OPEN: &str =
    "SELECT j.status = 'published' AND a.action LIKE 'job.%' FROM jobs j WHERE j.tenant_id = a.tenant_id AND j.job_id = a.entity_id";

/// Who asks: staff see all; a talent what is published and what it has a submission for, and of submissions its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Staff,
    Talent(PartyId),
}

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    /// In the title, any case.
    pub q: Option<String>,
    /// In the location, any case.
    pub location: Option<String>,
    /// Ends after.
    pub from: Option<DateTime<Utc>>,
    /// Begins before.
    pub to: Option<DateTime<Utc>>,
}

/// The default is newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobSort {
    by: JobSortField,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum JobSortField {
    #[default]
    CreatedAt,
    /// Jobs without a date come last.
    StartTs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sort is created_at or start_ts, then :asc or :desc")]
pub struct UnknownSort;

impl std::str::FromStr for JobSort {
    type Err = UnknownSort;

    /// `created_at:desc`; without a direction, ascending.
    fn from_str(text: &str) -> Result<Self, UnknownSort> {
        let (by, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let by = match by {
            "created_at" => JobSortField::CreatedAt,
            "start_ts" => JobSortField::StartTs,
            _ => return Err(UnknownSort),
        };
        let direction = match direction {
            "asc" => Direction::Asc,
            "desc" => Direction::Desc,
            _ => return Err(UnknownSort),
        };
        Ok(Self { by, direction })
    }
}

impl JobSort {
    /// Never null, so that a cursor can compare with it.
    const fn expression(self) -> &'static str {
        match (self.by, self.direction) {
            (JobSortField::CreatedAt, _) => "created_at",
            (JobSortField::StartTs, Direction::Asc) => "coalesce(start_ts, 'infinity')",
            (JobSortField::StartTs, Direction::Desc) => "coalesce(start_ts, '-infinity')",
        }
    }

    /// The row's place in this sort; none for a job without a date.
    fn place(self, row: &JobPosting) -> Option<DateTime<Utc>> {
        match self.by {
            JobSortField::CreatedAt => Some(row.created_at),
            JobSortField::StartTs => row.start_ts,
        }
    }

    /// What [`Self::place`] compares as.
    const fn last(self) -> &'static str {
        match self.direction {
            Direction::Asc => "infinity",
            Direction::Desc => "-infinity",
        }
    }
}

/// JOB-01.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct JobPosting {
    #[sqlx(rename = "job_id")]
    pub id: Uuid,
    pub version: i64,
    /// `draft`, `published` or `closed`.
    pub status: String,
    pub title: String,
    #[schema(value_type = Option<Object>)]
    pub brief: Option<Json<Value>>,
    #[schema(value_type = Option<Object>)]
    pub budget: Option<Json<Value>>,
    pub location: Option<String>,
    pub start_ts: Option<DateTime<Utc>>,
    pub end_ts: Option<DateTime<Utc>>,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub close_reason: Option<String>,
    /// How many there are; staff only.
    pub submissions: Option<i64>,
}

const JOB_COLUMNS: &str = "job_id, version, status, title, brief, budget, location, start_ts, end_ts, created_by, created_at, updated_at,
    published_at, closed_at, close_reason, submissions";

/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    reader: Reader,
    filter: &JobFilter,
    sort: JobSort,
    page: &Page,
) -> Result<Read<List<JobPosting>>, QueryError> {
    let (expression, direction) = (sort.expression(), sort.direction);
    let sort_name = format!("jobs:{expression}:{}", direction.sql());
    let after: Option<(Option<DateTime<Utc>>, Uuid)> = page.after(&sort_name)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = visible(tenant_id, reader);
    narrow(&mut sql, filter);
    if let Some((place, job_id)) = after {
        sql.push(format!(" AND ({expression}, job_id) {} (coalesce(", direction.beyond())).push_bind(place);
        sql.push(format!("::timestamptz, '{}'), ", sort.last())).push_bind(job_id).push(")");
    }
    sql.push(format!(" ORDER BY {expression} {0}, job_id {0} LIMIT ", direction.sql())).push_bind(page.fetch());
    let rows: Vec<JobPosting> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(|row| row.shown_to(reader)).collect();
    reading.end(page.list(&sort_name, rows, |row| (sort.place(row), row.id))?).await
}

/// None when the tenant has no such job, or the reader may not see it.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(pool: &Pool, tenant_id: TenantId, reader: Reader, job_id: JobId) -> Result<Read<Option<JobPosting>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let job = find(&mut reading, reader, job_id).await?;
    reading.end(job).await
}

async fn find(reading: &mut Reading, reader: Reader, job_id: JobId) -> Result<Option<JobPosting>, QueryError> {
    let mut sql = visible(reading.tenant_id, reader);
    sql.push(" AND job_id = ").push_bind(job_id.uuid());
    let row: Option<JobPosting> = sql.build_query_as().fetch_optional(reading.connection()).await?;
    Ok(row.map(|row| row.shown_to(reader)))
}

/// The jobs that the reader may see.
fn visible<'q>(tenant_id: TenantId, reader: Reader) -> QueryBuilder<'q, Postgres> {
    let mut sql = QueryBuilder::new(format!("SELECT {JOB_COLUMNS} FROM jobs j WHERE tenant_id = "));
    sql.push_bind(tenant_id.uuid());
    if let Reader::Talent(talent_id) = reader {
        sql.push(" AND (status = 'published' OR EXISTS (SELECT FROM job_submissions s WHERE s.tenant_id = j.tenant_id AND s.talent_id = ");
        sql.push_bind(talent_id.uuid()).push(" AND s.job_id = j.job_id))");
    }
    sql
}

fn narrow(sql: &mut QueryBuilder<'_, Postgres>, filter: &JobFilter) {
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    for (column, text) in [("title", &filter.q), ("location", &filter.location)] {
        if let Some(text) = text {
            sql.push(format!(" AND {column} ILIKE ")).push_bind(containing(text));
        }
    }
    if let Some(from) = filter.from {
        sql.push(" AND coalesce(end_ts, start_ts) > ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND coalesce(start_ts, end_ts) < ").push_bind(to);
    }
}

/// A pattern for texts that contain `text` as it stands.
fn containing(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}

impl JobPosting {
    /// How many others applied is the casting's own business.
    fn shown_to(mut self, reader: Reader) -> Self {
        if matches!(reader, Reader::Talent(_)) {
            self.submissions = None;
        }
        self
    }
}

#[derive(Debug, Clone, Default)]
pub struct SubmissionFilter {
    pub status: Option<SubmissionStatus>,
    /// The default is newest first.
    pub direction: Direction,
}

/// JOB-02.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmissionEntry {
    pub id: Uuid,
    pub job_id: Uuid,
    pub talent_id: Uuid,
    /// `submitted`, `shortlisted`, `audition_scheduled`, `audition_attended`, `selected`, `rejected` or `withdrawn`.
    pub status: String,
    /// `talent` applied, or `staff` added it.
    pub source: String,
    /// To a talent only its own words.
    pub notes: Option<String>,
    /// `talent` or `staff`.
    pub notes_by: Option<String>,
    pub audition: Option<Audition>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audition {
    /// `in_person`, `remote` or `self_tape`.
    pub mode: String,
    pub at: Option<DateTime<Utc>>,
    /// `passed`, `failed`, `undecided` or `no_show`; none before it took place.
    pub outcome: Option<String>,
}

#[derive(Debug, FromRow)]
struct StoredSubmission {
    submission_id: Uuid,
    job_id: Uuid,
    talent_id: Uuid,
    status: String,
    source: String,
    notes: Option<String>,
    notes_by: Option<String>,
    audition_mode: Option<String>,
    audition_at: Option<DateTime<Utc>>,
    audition_outcome: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// None when the reader may not see the job.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn submissions(
    pool: &Pool,
    tenant_id: TenantId,
    reader: Reader,
    job_id: JobId,
    filter: &SubmissionFilter,
    page: &Page,
) -> Result<Read<Option<List<SubmissionEntry>>>, QueryError> {
    let direction = filter.direction;
    let sort_name = format!("submissions:{}", direction.sql());
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(&sort_name)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    if find(&mut reading, reader, job_id).await?.is_none() {
        return reading.end(None).await;
    }
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT submission_id, job_id, talent_id, status, source, notes ->> 'value' AS notes, notes_by, audition_mode, audition_at,
                audition_outcome, created_at, updated_at
         FROM job_submissions WHERE tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid()).push(" AND job_id = ").push_bind(job_id.uuid());
    if let Reader::Talent(talent_id) = reader {
        sql.push(" AND talent_id = ").push_bind(talent_id.uuid());
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some((created_at, id)) = after {
        sql.push(format!(" AND (created_at, submission_id) {} (", direction.beyond())).push_bind(created_at);
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(format!(" ORDER BY created_at {0}, submission_id {0} LIMIT ", direction.sql())).push_bind(page.fetch());
    let rows: Vec<StoredSubmission> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(|row| row.shown_to(reader)).collect();
    let list = page.list(&sort_name, rows, |row| (row.created_at, row.id))?;
    reading.end(Some(list)).await
}

impl StoredSubmission {
    /// What staff note about a talent is not for the talent.
    fn shown_to(self, reader: Reader) -> SubmissionEntry {
        let hidden = matches!(reader, Reader::Talent(_)) && self.notes_by.as_deref() != Some("talent");
        let (notes, notes_by) = if hidden { (None, None) } else { (self.notes, self.notes_by) };
        SubmissionEntry {
            id: self.submission_id,
            job_id: self.job_id,
            talent_id: self.talent_id,
            status: self.status,
            source: self.source,
            notes,
            notes_by,
            audition: self.audition_mode.map(|mode| Audition { mode, at: self.audition_at, outcome: self.audition_outcome }),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(containing(r"50%_\"), r"%50\%\_\\%");
    }

    #[test]
    fn sorts_are_named() {
        assert_eq!("start_ts:desc".parse(), Ok(JobSort { by: JobSortField::StartTs, direction: Direction::Desc }));
        assert_eq!("created_at".parse(), Ok(JobSort { by: JobSortField::CreatedAt, direction: Direction::Asc }));
        assert_eq!("title".parse::<JobSort>(), Err(UnknownSort));
        assert_eq!("start_ts:up".parse::<JobSort>(), Err(UnknownSort));
    }
}
