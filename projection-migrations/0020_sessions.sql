-- revoked_sessions: whose tokens do not count any more, although they have not expired.
-- From: session.* events alone; safe to drop and rebuild.
-- Deploy: expand step, no running release reads it.

CREATE TABLE revoked_sessions (
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    position   bigint      NOT NULL,
    reason     text        NOT NULL,
    revoked_by uuid        NOT NULL,
    revoked_at timestamptz NOT NULL,
    -- From then on no token of the session can be alive.
    forget_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);
-- Processes ask for what is new to them.
CREATE INDEX revoked_sessions_by_position ON revoked_sessions (tenant_id, position);
SELECT holdfast_protect('revoked_sessions', 'SELECT, INSERT');
