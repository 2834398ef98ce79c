-- audit_log_by_event: from an event to the one that caused it (ANA-38): causation names events by id.
-- Deploy: expand step; an index more, no running release misses it.

CREATE INDEX audit_log_by_event ON audit_log (tenant_id, event_id);
