-- escrows, escrow_events, escrow_transactions: lists, detail page, timeline and money rows of escrows (ESC-85).
-- From: escrow.* events alone; safe to drop and rebuild. Amounts: major units of the row's currency.
-- Deploy: expand step, no running release reads them.

CREATE TABLE escrows (
    tenant_id              uuid        NOT NULL,
    escrow_id              uuid        NOT NULL,
    version                bigint      NOT NULL,
    position               bigint      NOT NULL,
    status                 text        NOT NULL,
    currency               text        NOT NULL,
    amount                 numeric     NOT NULL,
    payer_id               uuid        NOT NULL,
    payee_id               uuid        NOT NULL,
    contract_id            uuid        NOT NULL,
    milestone_id           uuid,
    booking_id             uuid,
    sponsorship_order_id   uuid,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    -- When the system approves or settles by itself (ESC-60); empty while it would not.
    auto_release_at        timestamptz,
    -- By when work must be delivered (ESC-67); empty while that clock does not run.
    sla_due_at             timestamptz,
    -- By when somebody must have done something (MNY-17), and what the system does otherwise.
    next_deadline_at       timestamptz,
    next_deadline_action   text,
    -- The aggregate's state, folded by the aggregate itself.
    state                  json        NOT NULL,
    PRIMARY KEY (tenant_id, escrow_id)
);
CREATE INDEX escrows_by_creation ON escrows (tenant_id, created_at, escrow_id);
CREATE INDEX escrows_by_status ON escrows (tenant_id, status, created_at, escrow_id);
CREATE INDEX escrows_by_contract ON escrows (tenant_id, contract_id);
CREATE INDEX escrows_by_booking ON escrows (tenant_id, booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX escrows_by_payer ON escrows (tenant_id, payer_id, created_at, escrow_id);
CREATE INDEX escrows_by_payee ON escrows (tenant_id, payee_id, created_at, escrow_id);
CREATE INDEX escrows_by_amount ON escrows (tenant_id, amount, escrow_id);
CREATE INDEX escrows_by_auto_release ON escrows (tenant_id, auto_release_at, escrow_id);
CREATE INDEX escrows_by_sla ON escrows (tenant_id, sla_due_at, escrow_id) WHERE sla_due_at IS NOT NULL;
CREATE INDEX escrows_by_deadline ON escrows (tenant_id, next_deadline_at, escrow_id) WHERE next_deadline_at IS NOT NULL;
SELECT holdfast_protect('escrows', 'SELECT, INSERT, UPDATE');

-- One row per event of an escrow (ESC-02, ESC-57).
CREATE TABLE escrow_events (
    tenant_id       uuid        NOT NULL,
    escrow_id       uuid        NOT NULL,
    sequence        bigint      NOT NULL,
    event_id        uuid        NOT NULL,
    position        bigint      NOT NULL,
    from_status     text        NOT NULL,
    to_status       text        NOT NULL,
    event_type      text        NOT NULL,
    -- The name that the sources use (`ESCROW_FUNDED`), where they have one.
    documented_name text,
    actor_id        uuid        NOT NULL,
    actor_kind      text        NOT NULL,
    actor_roles     json        NOT NULL,
    at              timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL,
    request_id      uuid        NOT NULL,
    -- The event's own values, without what is personal.
    details         json        NOT NULL,
    -- Personal values by name: {"note": {"subject": .., "value": ..}}; value null means that the person was erased.
    personal        json        NOT NULL,
    PRIMARY KEY (tenant_id, escrow_id, sequence)
);
SELECT holdfast_protect('escrow_events', 'SELECT, INSERT');

-- One row per movement of an escrow's money (ESC-04).
CREATE TABLE escrow_transactions (
    tenant_id       uuid        NOT NULL,
    escrow_id       uuid        NOT NULL,
    sequence        bigint      NOT NULL,
    event_id        uuid        NOT NULL,
    position        bigint      NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('fund', 'release', 'refund', 'penalty')),
    amount          numeric     NOT NULL CHECK (amount > 0),
    currency        text        NOT NULL,
    -- The journal entry that books it; its id follows from the event's.
    ledger_entry_id uuid        NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, escrow_id, sequence)
);
CREATE INDEX escrow_transactions_by_position ON escrow_transactions (tenant_id, position);
SELECT holdfast_protect('escrow_transactions', 'SELECT, INSERT');
