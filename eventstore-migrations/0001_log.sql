-- The tenant logs: heads, events, receipts, claims. Source: docs/ARCHITECTURE.md, "The log".
-- Deploy: first release. Released files are never edited.

-- One row per tenant. Its lock orders everything that is written for the tenant.
CREATE TABLE tenant_heads (
    tenant_id   uuid        NOT NULL PRIMARY KEY,
    position    bigint      NOT NULL CHECK (position >= 0),
    previous    bigint      NOT NULL CHECK (previous >= 0), -- before the last append: RETURNING cannot see the old row
    recorded_at timestamptz NOT NULL                        -- strictly rising
) WITH (fillfactor = 50);

-- postgres-es' columns and three more. `json`, not `jsonb`: the bytes stay as they were hashed.
CREATE TABLE events (
    tenant_id      uuid             NOT NULL,
    aggregate_id   uuid             NOT NULL,
    position       bigint           NOT NULL CHECK (position > 0),
    sequence       bigint           NOT NULL CHECK (sequence > 0),
    recorded_at    timestamptz      NOT NULL,
    aggregate_type text COLLATE "C" NOT NULL,
    event_type     text COLLATE "C" NOT NULL,
    event_version  text COLLATE "C" NOT NULL,
    payload        json             NOT NULL,
    metadata       json             NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (tenant_id, aggregate_type, aggregate_id, sequence),
    CONSTRAINT events_position UNIQUE (tenant_id, position)
);

-- The answers of commands, under their idempotency keys.
CREATE TABLE receipts (
    tenant_id       uuid             NOT NULL,
    position        bigint           NOT NULL,
    recorded_at     timestamptz      NOT NULL,
    key_owner       text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    request_hash    bytea            NOT NULL,
    answer          json             NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (tenant_id, key_owner, idempotency_key)
);

-- Values that only one stream of a tenant may hold.
CREATE TABLE claims (
    tenant_id      uuid             NOT NULL,
    aggregate_id   uuid             NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    value          text COLLATE "C" NOT NULL,
    aggregate_type text COLLATE "C" NOT NULL,
    CONSTRAINT claims_pkey PRIMARY KEY (tenant_id, kind, value)
);

-- How far each subscription that keeps its results in this database has come.
CREATE TABLE subscription_checkpoints (
    tenant_id    uuid             NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    position     bigint           NOT NULL CHECK (position >= 0),
    PRIMARY KEY (tenant_id, subscription)
) WITH (fillfactor = 50);
CREATE INDEX subscription_checkpoints_by_subscription ON subscription_checkpoints (subscription);

-- Who works for which part of a subscription. Only saves work; the checkpoints are the fence.
CREATE TABLE leases (
    subscription text COLLATE "C" NOT NULL,
    partition    integer          NOT NULL,
    holder       uuid             NOT NULL,
    expires_at   timestamptz      NOT NULL,
    PRIMARY KEY (subscription, partition)
);

-- What was logged is never changed, by nobody: not by its owner, not in replication mode.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the log is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER append_only;
