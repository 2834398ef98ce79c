-- audit_log: who did what, when, in which role (ESC-63, NFR-18, ANA-29).
-- From: every event; one row each; safe to drop and rebuild. Nothing personal but ids.
-- Deploy: expand step, no running release reads it.

CREATE TABLE audit_log (
    tenant_id      uuid        NOT NULL,
    position       bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    action         text        NOT NULL,
    entity_type    text        NOT NULL,
    entity_id      uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    actor_id       uuid        NOT NULL,
    actor_kind     text        NOT NULL,
    actor_roles    json        NOT NULL,
    request_id     uuid        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid,
    -- What changed, where the event says so: {"before": .., "after": ..}.
    change         json,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, position)
);
CREATE INDEX audit_log_by_entity ON audit_log (tenant_id, entity_id, position);
CREATE INDEX audit_log_by_actor ON audit_log (tenant_id, actor_id, position);
CREATE INDEX audit_log_by_action ON audit_log (tenant_id, action, position);
SELECT holdfast_protect('audit_log', 'SELECT, INSERT');
