-- erasures, and rights: rows that are only added may still lose what is personal in them, when its person is erased (ADM-25, CNF-33).
-- From: see below. Deploy: expand step, no running release needs it.

GRANT UPDATE (personal) ON escrow_events TO holdfast_projector;
GRANT UPDATE (personal) ON dispute_evidence TO holdfast_projector;
GRANT UPDATE (personal) ON dispute_actions TO holdfast_projector;
GRANT UPDATE (body) ON contract_versions TO holdfast_projector;

-- erasures: certificates (ADM-25). From: person.* events alone; safe to drop and rebuild. Nothing personal but ids.
CREATE TABLE erasures (
    tenant_id          uuid        NOT NULL,
    subject            uuid        NOT NULL,
    requested_by       uuid        NOT NULL,
    reason             text        NOT NULL,
    erased_event_id    uuid        NOT NULL,
    erased_position    bigint      NOT NULL,
    erased_at          timestamptz NOT NULL,
    keys               integer,
    destroyed_event_id uuid,
    destroyed_position bigint,
    destroyed_at       timestamptz,
    PRIMARY KEY (tenant_id, subject)
);
SELECT holdfast_protect('erasures', 'SELECT, INSERT, UPDATE');
