-- contract_templates, clauses, contracts: each row holds its aggregate (CTR-01..07, CTR-50). template_versions, contract_versions: every
-- text that ever was one (CTR-04, CTR-13). From: template.*, clause.*, contract.*.
-- Safe to drop and rebuild. Deploy: expand step, no running release reads them.

CREATE TABLE contract_templates (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    name        text        NOT NULL,
    state       json        NOT NULL,
    texts       json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX contract_templates_by_creation ON contract_templates (tenant_id, created_at, id);
SELECT holdfast_protect('contract_templates', 'SELECT, INSERT, UPDATE');

CREATE TABLE template_versions (
    tenant_id   uuid        NOT NULL,
    template_id uuid        NOT NULL,
    number      integer     NOT NULL,
    position    bigint      NOT NULL,
    name        text        NOT NULL,
    body_md     text        NOT NULL,
    variables   json        NOT NULL,
    status      text        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, template_id, number)
);
SELECT holdfast_protect('template_versions', 'SELECT, INSERT');

CREATE TABLE clauses (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    key         text        NOT NULL,
    title       text        NOT NULL,
    tags        text[]      NOT NULL,
    state       json        NOT NULL,
    texts       json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX clauses_by_creation ON clauses (tenant_id, created_at, id);
SELECT holdfast_protect('clauses', 'SELECT, INSERT, UPDATE');

CREATE TABLE contracts (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    job_id      uuid,
    booking_id  uuid,
    template_id uuid,
    -- Payer, payee and whoever signs with an account.
    party_ids   uuid[]      NOT NULL,
    -- The aggregate's state, folded by the aggregate itself; sealed values opened beside it.
    state       json        NOT NULL,
    texts       json        NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX contracts_by_creation ON contracts (tenant_id, created_at, id);
CREATE INDEX contracts_by_status ON contracts (tenant_id, status, created_at, id);
CREATE INDEX contracts_by_job ON contracts (tenant_id, job_id, created_at, id) WHERE job_id IS NOT NULL;
CREATE INDEX contracts_by_booking ON contracts (tenant_id, booking_id, created_at, id) WHERE booking_id IS NOT NULL;
SELECT holdfast_protect('contracts', 'SELECT, INSERT, UPDATE');

CREATE TABLE contract_versions (
    tenant_id   uuid        NOT NULL,
    contract_id uuid        NOT NULL,
    number      integer     NOT NULL,
    position    bigint      NOT NULL,
    title       text        NOT NULL,
    hash        text        NOT NULL,
    -- {"subject": .., "value": ..}; value null means that the contract was erased.
    body        json        NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contract_id, number)
);
SELECT holdfast_protect('contract_versions', 'SELECT, INSERT');
