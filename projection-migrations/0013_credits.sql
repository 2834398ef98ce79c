-- credits, credits_entries: what every owner has and how it came and went (LED-06..08, LED-23, LED-24, MNY-53, MNY-54).
-- From: credits.* events alone; safe to drop and rebuild.
-- Deploy: expand step, no running release reads them.

CREATE TABLE credits (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    version    bigint      NOT NULL,
    position   bigint      NOT NULL,
    status     text        NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The aggregate itself: lots, reservations.
    state      json        NOT NULL,
    texts      json        NOT NULL,
    owner_type text        NOT NULL,
    owner_id   uuid        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX credits_by_owner ON credits (tenant_id, owner_id);
SELECT holdfast_protect('credits', 'SELECT, INSERT, UPDATE');

CREATE TABLE credits_entries (
    tenant_id      uuid        NOT NULL,
    credits_id     uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    -- An event that gives back and expires is two entries.
    entry          smallint    NOT NULL,
    position       bigint      NOT NULL,
    kind           text        NOT NULL,
    units          bigint      NOT NULL CHECK (units > 0),
    expires_at     timestamptz,
    reservation_id uuid,
    ref_type       text,
    ref_id         uuid,
    reason         text,
    -- Which units of which lots, with the money behind them.
    parts          json        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, credits_id, sequence, entry)
);
SELECT holdfast_protect('credits_entries', 'SELECT, INSERT');
