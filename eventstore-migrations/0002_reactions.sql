-- The state of reactions and deadlines, and the keys of persons. Source: docs/ARCHITECTURE.md, "Reactions".
-- Deploy: first release. Released files are never edited.

-- Due instants, derived from events; a row stays until the event that closes it.
CREATE TABLE deadlines (
    tenant_id      uuid             NOT NULL,
    aggregate_id   uuid             NOT NULL,
    due_at         timestamptz      NOT NULL,
    claimed_until  timestamptz,
    position       bigint           NOT NULL, -- of the event that set it
    attempts       integer          NOT NULL DEFAULT 0,
    aggregate_type text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, aggregate_type, aggregate_id, key)
);
CREATE INDEX deadlines_due ON deadlines (due_at);

-- Commands of reactions that were refused, for an admin to look at and drive again.
CREATE TABLE dead_letters (
    tenant_id      uuid             NOT NULL,
    id             uuid             NOT NULL,
    event_id       uuid             NOT NULL,
    correlation_id uuid             NOT NULL,
    event_position bigint           NOT NULL,
    created_at     timestamptz      NOT NULL,
    resolved_at    timestamptz,
    attempt        integer          NOT NULL,
    reaction       text COLLATE "C" NOT NULL,
    step           text COLLATE "C" NOT NULL,
    reason         json             NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX dead_letters_open ON dead_letters (tenant_id, created_at) WHERE resolved_at IS NULL;

-- Events that wait for a dead letter of the same correlation.
CREATE TABLE parked_events (
    tenant_id      uuid             NOT NULL,
    correlation_id uuid             NOT NULL,
    position       bigint           NOT NULL,
    reaction       text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, reaction, position)
);
CREATE INDEX parked_events_by_correlation ON parked_events (tenant_id, reaction, correlation_id);

-- One key per person, wrapped by the tenant's. Destroyed: the row stays as the tombstone.
CREATE TABLE subject_keys (
    tenant_id    uuid        NOT NULL,
    subject      uuid        NOT NULL,
    key_id       uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    wrapped_key  bytea,
    PRIMARY KEY (tenant_id, subject, key_id),
    CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
);
