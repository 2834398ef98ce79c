-- States of streams, so that a long stream need not be folded from its beginning. Source: docs/decisions/0017-snapshots.md.
-- A cache: nothing needs it, any row may be deleted at any time. Built from the events of its stream alone.
-- Deploy: additive; before the processes with the roles api and reactor. Running releases do not read it.

CREATE TABLE snapshots (
    tenant_id      uuid             NOT NULL,
    aggregate_id   uuid             NOT NULL,
    sequence       bigint           NOT NULL CHECK (sequence > 0),         -- of the last event that is in the state
    recorded_at    timestamptz      NOT NULL,
    aggregate_type text COLLATE "C" NOT NULL,
    fingerprint    text COLLATE "C" NOT NULL,                              -- how it was folded: two releases may run at once
    anchor         bytea            NOT NULL CHECK (length(anchor) = 32),  -- hash of that event
    state          json             NOT NULL,
    CONSTRAINT snapshots_pkey PRIMARY KEY (tenant_id, aggregate_type, aggregate_id, fingerprint)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO holdfast_writer;
CREATE POLICY writer ON snapshots TO holdfast_writer USING (true) WITH CHECK (true);
ALTER TABLE snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE snapshots FORCE ROW LEVEL SECURITY;
ALTER TABLE snapshots OWNER TO holdfast_owner;
