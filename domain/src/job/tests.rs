//! The rules of `docs/domain/job.md`, one sentence each.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::kernel::{
    Actor, ActorKind, Context, DomainError, JobId, PartyId, Personal, Role, Sealed, StoredEvent, TenantAggregate, TenantId,
};
use crate::tenant::TenantSettings;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const JOB: JobId = JobId(Uuid::from_u128(0x10));
const STAFF: PartyId = PartyId(Uuid::from_u128(0x20));

fn talent(n: u128) -> PartyId {
    PartyId(Uuid::from_u128(0x100 + n))
}

fn submission(n: u128) -> crate::kernel::SubmissionId {
    submission_id(TENANT, JOB, talent(n))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn by(id: PartyId, role: Role) -> Context {
    let actor = Actor { id, kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() };
    Context { tenant_id: TENANT, actor, now: at("2026-03-01T12:00:00Z"), settings: Arc::new(TenantSettings::default()) }
}

fn casting() -> Context {
    by(STAFF, Role::Casting)
}

fn as_talent(n: u128) -> Context {
    by(talent(n), Role::Talent)
}

fn sealed() -> Personal<String> {
    Personal::from_sealed(Sealed {
        subject: talent(1),
        key_id: Uuid::from_u128(1),
        nonce: "bm9uY2U=".to_owned(),
        ciphertext: "c2VhbGVk".to_owned(),
    })
}

fn content() -> JobContent {
    JobContent {
        title: "Runway show".to_owned(),
        brief: Some(json!({ "roles": [{ "name": "model", "count": 3 }] })),
        budget: Some(json!({ "perDay": "800.00" })),
        location: Some("Milan".to_owned()),
        start_ts: Some(at("2026-05-01T09:00:00Z")),
        end_ts: Some(at("2026-05-02T18:00:00Z")),
    }
}

/// A job, and everything that was asked of it so far.
#[derive(Default)]
struct Case {
    job: Job,
    log: Vec<JobEvent>,
}

impl Case {
    fn draft() -> Self {
        let mut case = Self::default();
        case.ok(&casting(), JobCommand::Create { job_id: JOB, content: content() });
        case
    }

    fn published() -> Self {
        let mut case = Self::draft();
        case.ok(&casting(), JobCommand::Publish);
        case
    }

    fn closed() -> Self {
        let mut case = Self::published().with_submission(1);
        case.ok(&casting(), JobCommand::Close { reason: Some("cast".to_owned()) });
        case
    }

    fn with_submission(mut self, n: u128) -> Self {
        self.ok(&as_talent(n), JobCommand::AddSubmission { talent_id: talent(n), notes: None });
        self
    }

    fn act(&mut self, context: &Context, command: JobCommand) -> Result<Vec<JobEvent>, JobError> {
        let events = TestFramework::<Job>::with(context.clone()).given(self.log.clone()).when(command).inspect_result()?;
        for event in &events {
            self.job.apply(event.clone());
        }
        self.log.extend(events.clone());
        Ok(events)
    }

    fn ok(&mut self, context: &Context, command: JobCommand) -> Vec<JobEvent> {
        self.act(context, command).unwrap()
    }

    fn refused(&mut self, context: &Context, command: JobCommand) -> &'static str {
        self.act(context, command).expect_err("a refusal").describe().1
    }

    fn step(&mut self, context: &Context, step: SubmissionStep) -> Result<&'static str, JobError> {
        let command = JobCommand::UpdateSubmission { submission_id: submission(1), step: Some(step), notes: None };
        self.act(context, command).map(|events| events[0].name())
    }

    fn status_of(&self, n: u128) -> SubmissionStatus {
        self.job.submissions()[&submission(n)].status
    }
}

fn update(changes: JobChanges) -> JobCommand {
    JobCommand::Update { changes }
}

fn steps() -> [SubmissionStep; 6] {
    [
        SubmissionStep::Shortlist,
        SubmissionStep::ScheduleAudition { mode: AuditionMode::Remote, at: None },
        SubmissionStep::RecordAudition { outcome: AuditionOutcome::Passed },
        SubmissionStep::Select,
        SubmissionStep::Reject,
        SubmissionStep::Withdraw,
    ]
}

#[test]
fn a_job_is_drafted_published_and_closed() {
    // JOB-01, JOB-40, JOB-41.
    // JOB-11, JOB-14, JOB-15, JOB-40, JOB-41, JOB-81
    let case = Case::closed();
    let names: Vec<_> = case.log.iter().map(StoredEvent::name).collect();
    assert_eq!(names, ["job.created", "job.published", "submission.added", "job.closed"]);
    assert_eq!(case.job.status(), JobStatus::Closed);
    assert_eq!(case.job.about().unwrap().close_reason.as_deref(), Some("cast"));
}

#[test]
fn every_status_and_action_of_a_job() {
    // JOB-13..17, JOB-40, JOB-41
    let sample = |action| match action {
        JobAction::Create => JobCommand::Create { job_id: JOB, content: content() },
        JobAction::Update => update(JobChanges { title: Some("Other".to_owned()), ..JobChanges::default() }),
        JobAction::Publish => JobCommand::Publish,
        JobAction::Close => JobCommand::Close { reason: None },
        JobAction::AddSubmission => JobCommand::AddSubmission { talent_id: talent(9), notes: None },
    };
    let mut reached = BTreeSet::new();
    for action in JobAction::ALL {
        for mut case in [Case::default(), Case::draft(), Case::published(), Case::closed()] {
            let status = case.job.status();
            let pair = format!("{status} {action}");
            match (case.act(&casting(), sample(*action)), status.after(*action)) {
                (Ok(events), Some(to)) => assert!(events.iter().all(|event| event.to == to) && case.job.status() == to, "{pair}"),
                (Err(error), None) => {
                    let expected = match (status, action) {
                        (JobStatus::Unopened, _) => "JOB_NOT_FOUND",
                        (JobStatus::Closed, JobAction::Update) => "JOB_CLOSED",
                        (_, JobAction::AddSubmission) => "JOB_NOT_PUBLISHED",
                        _ => "INVALID_JOB_TRANSITION",
                    };
                    assert_eq!(error.describe().1, expected, "{pair}");
                }
                (outcome, row) => panic!("{pair}: {outcome:?} but the table says {row:?}"),
            }
            reached.insert(case.job.status());
        }
    }
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), JobStatus::ALL);
}

#[test]
fn a_published_job_has_a_brief_and_dates_and_keeps_them() {
    // JOB-40
    let bare = JobContent { brief: Some(json!({})), start_ts: None, end_ts: None, ..content() };
    let mut case = Case::default();
    case.ok(&casting(), JobCommand::Create { job_id: JOB, content: bare });
    let refusal = case.act(&casting(), JobCommand::Publish).unwrap_err();
    assert_eq!(refusal.details(), json!({ "missing": ["brief", "startTs", "endTs"] }));
    let mut published = Case::published();
    let emptied = update(JobChanges { brief: Some(json!({})), ..JobChanges::default() });
    assert_eq!(published.refused(&casting(), emptied), "JOB_INCOMPLETE");
}

#[test]
fn only_given_fields_change_and_nothing_changed_is_no_event() {
    // JOB-13
    let mut case = Case::draft();
    let event = case.ok(&casting(), update(JobChanges { title: Some("  Couture ".to_owned()), ..JobChanges::default() })).remove(0);
    let JobFact::Updated { content: now } = event.fact else { panic!("{event:?}") };
    assert_eq!(now, JobContent { title: "Couture".to_owned(), ..content() });
    assert_eq!(case.ok(&casting(), update(JobChanges::default())), []);
}

#[test]
fn what_a_job_says_is_bounded_and_well_formed() {
    // JOB-11
    let text = |length: usize| Value::String("x".repeat(length));
    type Change = fn(&mut JobContent, Value);
    let cases: [(&str, Change, Value); 8] = [
        ("title", |job, value| job.title = value.as_str().unwrap().to_owned(), json!("  ")),
        ("title", |job, value| job.title = value.as_str().unwrap().to_owned(), text(201)),
        ("location", |job, value| job.location = value.as_str().map(str::to_owned), json!("two\nlines")),
        ("brief", |job, value| job.brief = Some(value), json!(["no object"])),
        ("brief", |job, value| job.brief = Some(value), json!({ "hours": 1.5 })),
        ("brief", |job, value| job.brief = Some(value), json!({ "text": text(70_000) })),
        ("budget", |job, value| job.budget = Some(value), json!({ "text": text(9_000) })),
        ("endTs", |job, _| job.end_ts = job.start_ts, Value::Null),
    ];
    for (field, change, value) in cases {
        let mut content = content();
        change(&mut content, value);
        let refusal = Case::default().act(&casting(), JobCommand::Create { job_id: JOB, content }).unwrap_err();
        assert_eq!((refusal.describe().1, &refusal.details()["field"]), ("JOB_INVALID", &json!(field)));
    }
}

#[test]
fn a_talent_applies_once_and_only_for_itself() {
    // JOB-02, JOB-17.
    // JOB-17
    let mut case = Case::published().with_submission(1);
    let added = case.log.last().unwrap();
    assert!(matches!(added.fact, JobFact::SubmissionAdded { source: SubmissionSource::Talent, .. }));
    let again = JobCommand::AddSubmission { talent_id: talent(1), notes: None };
    assert_eq!(case.refused(&as_talent(1), again.clone()), "ALREADY_SUBMITTED");
    assert_eq!(case.refused(&casting(), again), "ALREADY_SUBMITTED");
    let other = JobCommand::AddSubmission { talent_id: talent(2), notes: None };
    assert_eq!(case.refused(&as_talent(1), other.clone()), "POLICY_DENIED");
    let by_staff = case.ok(&casting(), other).remove(0);
    assert!(matches!(by_staff.fact, JobFact::SubmissionAdded { source: SubmissionSource::Staff, .. }));
}

#[test]
fn there_is_an_end_to_submissions() {
    let mut case = Case::published();
    for n in 0..MOST_SUBMISSIONS {
        let submission = Submission { talent_id: talent(n as u128 + 10), status: SubmissionStatus::Submitted };
        case.job.submissions.insert(submission_id(TENANT, JOB, submission.talent_id), submission);
    }
    let one_more = JobCommand::AddSubmission { talent_id: talent(1), notes: None };
    let refusal = case.job.decide(one_more, &casting()).unwrap_err();
    assert_eq!((refusal.describe().1, refusal.details()), ("TOO_MANY_SUBMISSIONS", json!({ "limit": 5_000 })));
}

#[test]
fn every_submission_status_and_action() {
    // JOB-42, JOB-43
    let [shortlist, schedule, record, select, reject, withdraw] = steps();
    let ways: [(SubmissionStatus, &[&SubmissionStep]); 7] = [
        (SubmissionStatus::Submitted, &[]),
        (SubmissionStatus::Shortlisted, &[&shortlist]),
        (SubmissionStatus::AuditionScheduled, &[&shortlist, &schedule]),
        (SubmissionStatus::AuditionAttended, &[&shortlist, &schedule, &record]),
        (SubmissionStatus::Selected, &[&shortlist, &select]),
        (SubmissionStatus::Rejected, &[&reject]),
        (SubmissionStatus::Withdrawn, &[&withdraw]),
    ];
    let who = |step: &SubmissionStep| if *step == SubmissionStep::Withdraw { as_talent(1) } else { casting() };
    for (from, way) in ways {
        for step in steps() {
            let mut case = Case::published().with_submission(1);
            for step in way {
                case.step(&who(step), (*step).clone()).unwrap();
            }
            assert_eq!(case.status_of(1), from);
            let pair = format!("{from} {}", step.action());
            match (case.step(&who(&step), step.clone()), from.after(step.action())) {
                (Ok(_), Some(to)) => assert_eq!(case.status_of(1), to, "{pair}"),
                (Err(error), None) => assert_eq!(error.describe().1, "INVALID_SUBMISSION_TRANSITION", "{pair}"),
                (outcome, row) => panic!("{pair}: {outcome:?} but the table says {row:?}"),
            }
        }
    }
}

#[test]
fn steps_have_the_names_of_the_catalogue() {
    // JOB-81
    let mut case = Case::published().with_submission(1);
    let [shortlist, schedule, record, select, ..] = steps();
    let names: Vec<_> = [shortlist, schedule, record, select].into_iter().map(|step| case.step(&casting(), step).unwrap()).collect();
    assert_eq!(names, ["submission.shortlisted", "audition.scheduled", "audition.attended", "submission.selected"]);
    let mut case = Case::published().with_submission(1);
    assert_eq!(case.step(&as_talent(1), SubmissionStep::Withdraw), Ok("submission.withdrawn"));
}

#[test]
fn only_the_talent_withdraws_and_does_nothing_else() {
    // JOB-18, JOB-42
    let mut case = Case::published().with_submission(1);
    for step in steps() {
        let withdraws = step == SubmissionStep::Withdraw;
        assert_eq!(case.step(&as_talent(2), step.clone()).unwrap_err(), JobError::SubmissionNotFound);
        let refused_to = if withdraws { casting() } else { as_talent(1) };
        assert_eq!(case.step(&refused_to, step).unwrap_err(), JobError::Denied);
    }
}

#[test]
fn notes_say_who_wrote_them_and_stay_sealed() {
    // JOB-18
    let mut case = Case::published().with_submission(1);
    let command =
        JobCommand::UpdateSubmission { submission_id: submission(1), step: Some(SubmissionStep::Shortlist), notes: Some(sealed()) };
    let events = case.ok(&casting(), command);
    assert_eq!(events.iter().map(StoredEvent::name).collect::<Vec<_>>(), ["submission.updated", "submission.shortlisted"]);
    assert!(matches!(events[0].fact, JobFact::SubmissionUpdated { source: SubmissionSource::Staff, .. }));
    assert_eq!(events[0].personal(), [sealed().sealed()]);
}

#[test]
fn a_shortlist_takes_those_that_can_be() {
    // JOB-19
    let mut case = Case::published().with_submission(1).with_submission(2).with_submission(3);
    case.step(&casting(), SubmissionStep::Reject).unwrap();
    let submission_ids = vec![submission(1), submission(2), submission(3), submission(2)];
    let events = case.ok(&casting(), JobCommand::Shortlist { submission_ids: submission_ids.clone() });
    assert_eq!(events.iter().map(StoredEvent::name).collect::<Vec<_>>(), ["submission.shortlisted"; 2]);
    assert_eq!(case.ok(&casting(), JobCommand::Shortlist { submission_ids }), []);
    let unknown = JobCommand::Shortlist { submission_ids: vec![submission(2), submission(77)] };
    assert_eq!(case.refused(&casting(), unknown), "SUBMISSION_NOT_FOUND");
}

#[test]
fn a_closed_job_is_left_alone_but_anybody_may_withdraw() {
    // JOB-13
    let mut case = Case::closed();
    assert_eq!(case.step(&casting(), SubmissionStep::Shortlist).unwrap_err(), JobError::Closed);
    let submission_ids = vec![submission(1)];
    assert_eq!(case.refused(&casting(), JobCommand::Shortlist { submission_ids }), "JOB_CLOSED");
    assert_eq!(case.step(&as_talent(1), SubmissionStep::Withdraw), Ok("submission.withdrawn"));
}

#[test]
fn talents_and_payers_run_no_casting() {
    let commands = [
        JobCommand::Publish,
        JobCommand::Close { reason: None },
        update(JobChanges::default()),
        JobCommand::Shortlist { submission_ids: vec![] },
    ];
    for role in [Role::Talent, Role::Payer, Role::Viewer] {
        for command in commands.clone() {
            assert_eq!(Case::draft().refused(&by(talent(1), role), command), "POLICY_DENIED");
        }
        let create = JobCommand::Create { job_id: JOB, content: content() };
        assert_eq!(Case::default().refused(&by(talent(1), role), create), "POLICY_DENIED");
    }
    assert!(Case::draft().act(&by(STAFF, Role::Service), JobCommand::Publish).is_ok());
}

#[test]
fn names_are_those_of_json() {
    let json = |value: Value| value.as_str().unwrap().to_owned();
    assert!(JobStatus::ALL.iter().all(|status| json(json!(status)) == status.as_str()));
    assert!(JobAction::ALL.iter().all(|action| json(json!(action)) == action.as_str()));
    assert!(SubmissionStatus::ALL.iter().all(|status| json(json!(status)) == status.as_str()));
    assert!(SubmissionAction::ALL.iter().all(|action| json(json!(action)) == action.as_str()));
    assert!(AuditionMode::ALL.iter().all(|mode| json(json!(mode)) == mode.as_str()));
    assert!(AuditionOutcome::ALL.iter().all(|outcome| json(json!(outcome)) == outcome.as_str()));
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut case = Case::published().with_submission(1);
    case.step(&casting(), SubmissionStep::Shortlist).unwrap();
    let submission_id = submission(1).to_string();
    let golden = json!({
        "status": "published",
        "about": {
            "jobId": JOB,
            "content": {
                "title": "Runway show",
                "brief": { "roles": [{ "name": "model", "count": 3 }] },
                "budget": { "perDay": "800.00" },
                "location": "Milan",
                "startTs": "2026-05-01T09:00:00Z",
                "endTs": "2026-05-02T18:00:00Z",
            },
            "createdBy": STAFF,
            "createdAt": "2026-03-01T12:00:00Z",
            "publishedAt": "2026-03-01T12:00:00Z",
        },
        "submissions": { submission_id: { "talentId": talent(1), "status": "shortlisted" } },
    });
    assert_eq!((Job::FOLD_VERSION, serde_json::to_value(&case.job).unwrap()), (1, golden));
    let stored = serde_json::to_value(case.log.last().unwrap()).unwrap();
    assert_eq!(stored["fact"]["submission_moved"]["step"], "shortlist");
    let read: JobEvent = serde_json::from_value(stored).unwrap();
    assert_eq!(Some(&read), case.log.last());
}
