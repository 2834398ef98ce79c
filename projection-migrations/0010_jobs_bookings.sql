-- jobs, job_submissions: the job board and each job's pipeline (JOB-01, JOB-02, JOB-80). From: job.*, submission.*, audition.*.
-- bookings: holds, bookings and call sheets (JOB-03..05, JOB-80). From: hold.*, booking.*, callsheet.*.
-- Safe to drop and rebuild. Deploy: expand step, no running release reads them.

CREATE TABLE jobs (
    tenant_id    uuid        NOT NULL,
    job_id       uuid        NOT NULL,
    version      bigint      NOT NULL,
    position     bigint      NOT NULL,
    status       text        NOT NULL,
    title        text        NOT NULL,
    -- The tenant's own objects.
    brief        json,
    budget       json,
    location     text,
    start_ts     timestamptz,
    end_ts       timestamptz,
    created_by   uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    published_at timestamptz,
    closed_at    timestamptz,
    close_reason text,
    -- How many there are, whatever became of them.
    submissions  bigint      NOT NULL,
    PRIMARY KEY (tenant_id, job_id)
);
-- JOB-67. A title is searched among the tenant's own jobs.
CREATE INDEX jobs_by_creation ON jobs (tenant_id, created_at, job_id);
CREATE INDEX jobs_by_status ON jobs (tenant_id, status, created_at, job_id);
CREATE INDEX jobs_by_start ON jobs (tenant_id, start_ts, job_id);
SELECT holdfast_protect('jobs', 'SELECT, INSERT, UPDATE');

CREATE TABLE job_submissions (
    tenant_id        uuid        NOT NULL,
    submission_id    uuid        NOT NULL,
    job_id           uuid        NOT NULL,
    position         bigint      NOT NULL,
    talent_id        uuid        NOT NULL,
    status           text        NOT NULL,
    -- Who put it there: talent, staff.
    source           text        NOT NULL,
    -- {"subject": .., "value": ..}; value null means that the person was erased.
    notes            json,
    -- Who wrote the notes: talent, staff.
    notes_by         text,
    audition_mode    text,
    audition_at      timestamptz,
    audition_outcome text,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, submission_id)
);
CREATE INDEX job_submissions_by_job ON job_submissions (tenant_id, job_id, created_at, submission_id);
CREATE INDEX job_submissions_by_talent ON job_submissions (tenant_id, talent_id, job_id);
SELECT holdfast_protect('job_submissions', 'SELECT, INSERT, UPDATE');

CREATE TABLE bookings (
    tenant_id      uuid        NOT NULL,
    id             uuid        NOT NULL,
    version        bigint      NOT NULL,
    position       bigint      NOT NULL,
    status         text        NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    job_id         uuid        NOT NULL,
    talent_id      uuid        NOT NULL,
    payer_id       uuid,
    from_ts        timestamptz NOT NULL,
    to_ts          timestamptz NOT NULL,
    payout_status  text        NOT NULL,
    dispute_status text        NOT NULL,
    -- From when on the payout may go; empty while it is not completed, or when no money of ours is in it.
    payout_due_at  timestamptz,
    -- The aggregate's state, folded by the aggregate itself; sealed values opened beside it.
    state          json        NOT NULL,
    texts          json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX bookings_by_creation ON bookings (tenant_id, created_at, id);
CREATE INDEX bookings_by_status ON bookings (tenant_id, status, created_at, id);
CREATE INDEX bookings_by_job ON bookings (tenant_id, job_id, created_at, id);
CREATE INDEX bookings_by_talent ON bookings (tenant_id, talent_id, from_ts);
CREATE INDEX bookings_by_payer ON bookings (tenant_id, payer_id, created_at, id) WHERE payer_id IS NOT NULL;
CREATE INDEX bookings_by_payout ON bookings (tenant_id, payout_due_at, id) WHERE payout_due_at IS NOT NULL;
SELECT holdfast_protect('bookings', 'SELECT, INSERT, UPDATE');
