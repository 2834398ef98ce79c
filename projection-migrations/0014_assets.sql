-- assets: files with their owners (TAL-06). From: asset.*.
-- Safe to drop and rebuild. Deploy: expand step, no running release reads it.

CREATE TABLE assets (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    owner_type  text        NOT NULL,
    owner_id    uuid        NOT NULL,
    uploaded_by uuid        NOT NULL,
    -- The owner's parties, who see it when it is ready.
    shared_with uuid[]      NOT NULL,
    -- The aggregate's state, folded by the aggregate itself; sealed values opened beside it.
    state       json        NOT NULL,
    texts       json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX assets_by_creation ON assets (tenant_id, created_at, id);
CREATE INDEX assets_by_owner ON assets (tenant_id, owner_type, owner_id, created_at, id);
CREATE INDEX assets_by_uploader ON assets (tenant_id, uploaded_by, created_at, id);
SELECT holdfast_protect('assets', 'SELECT, INSERT, UPDATE');
