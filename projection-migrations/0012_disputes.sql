-- disputes, dispute_evidence, dispute_actions: the queue, the detail page, what was done in each case (DSP-01..03, DSP-45).
-- From: dispute.* events alone; safe to drop and rebuild. Deploy: expand step, no running release reads them.

CREATE TABLE disputes (
    tenant_id      uuid        NOT NULL,
    id             uuid        NOT NULL,
    version        bigint      NOT NULL,
    position       bigint      NOT NULL,
    status         text        NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    escrow_id      uuid        NOT NULL,
    booking_id     uuid,
    payer_id       uuid        NOT NULL,
    payee_id       uuid        NOT NULL,
    raised_by      uuid        NOT NULL,
    assignee_id    uuid,
    escalated      boolean     NOT NULL,
    -- In the words of bookings and payouts (DSP-27).
    dispute_status text        NOT NULL,
    -- The aggregate's state, folded by the aggregate itself; it keeps nothing personal.
    state          json        NOT NULL,
    texts          json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX disputes_by_creation ON disputes (tenant_id, created_at, id);
CREATE INDEX disputes_by_status ON disputes (tenant_id, status, created_at, id);
CREATE INDEX disputes_by_escrow ON disputes (tenant_id, escrow_id, created_at, id);
CREATE INDEX disputes_by_booking ON disputes (tenant_id, booking_id, created_at, id) WHERE booking_id IS NOT NULL;
CREATE INDEX disputes_by_assignee ON disputes (tenant_id, assignee_id, created_at, id);
CREATE INDEX disputes_by_payer ON disputes (tenant_id, payer_id, created_at, id);
CREATE INDEX disputes_by_payee ON disputes (tenant_id, payee_id, created_at, id);
SELECT holdfast_protect('disputes', 'SELECT, INSERT, UPDATE');

-- One row per piece of evidence (DSP-02); the file itself is an asset.
CREATE TABLE dispute_evidence (
    tenant_id    uuid        NOT NULL,
    dispute_id   uuid        NOT NULL,
    number       bigint      NOT NULL,
    event_id     uuid        NOT NULL,
    position     bigint      NOT NULL,
    asset_id     uuid        NOT NULL,
    sha256       text        NOT NULL,
    mime         text        NOT NULL,
    size         bigint      NOT NULL,
    submitted_by uuid        NOT NULL,
    submitted_at timestamptz NOT NULL,
    -- {"note": {"subject": .., "value": ..}}; value null means that the person was erased.
    personal     json        NOT NULL,
    PRIMARY KEY (tenant_id, dispute_id, number)
);
SELECT holdfast_protect('dispute_evidence', 'SELECT, INSERT');

-- One row per event of a case, for ever (DSP-03, DSP-33).
CREATE TABLE dispute_actions (
    tenant_id   uuid        NOT NULL,
    dispute_id  uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    event_id    uuid        NOT NULL,
    position    bigint      NOT NULL,
    action_type text        NOT NULL,
    from_status text        NOT NULL,
    to_status   text        NOT NULL,
    actor_id    uuid        NOT NULL,
    actor_kind  text        NOT NULL,
    actor_roles json        NOT NULL,
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    request_id  uuid        NOT NULL,
    -- The event's own values, without what is personal: of a decision the amounts.
    details     json        NOT NULL,
    personal    json        NOT NULL,
    PRIMARY KEY (tenant_id, dispute_id, sequence)
);
SELECT holdfast_protect('dispute_actions', 'SELECT, INSERT');
