-- projection_checkpoints, projection_failures, and the guard that every read-model table gets.
-- From: nothing; the projector runtime keeps them. Checkpoints say how far each projection has taken each tenant's log.
-- Deploy: first migration of the read database; the roles are there already (eventstore-migrations/roles.sql).

DO $$
BEGIN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO holdfast_owner', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO holdfast_projector, holdfast_reader, holdfast_auditor', current_schema());
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END $$;

-- Owner, row level security and grants of one table. Readers see the tenant of their transaction or nothing;
-- the projector works for all tenants with the verbs named, and every statement of its has the tenant in its keys.
CREATE FUNCTION holdfast_protect(guarded regclass, projector_verbs text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    reader text;
    same_tenant constant text := $p$tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid$p$;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    FOREACH reader IN ARRAY ARRAY['reader', 'auditor'] LOOP
        EXECUTE format('CREATE POLICY %I ON %s TO %I USING (%s) WITH CHECK (%s)',
                       reader, guarded, 'holdfast_' || reader, same_tenant, same_tenant);
        EXECUTE format('GRANT SELECT ON %s TO %I', guarded, 'holdfast_' || reader);
    END LOOP;
    EXECUTE format('CREATE POLICY projector ON %s TO holdfast_projector USING (true) WITH CHECK (true)', guarded);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', guarded);
    EXECUTE format('GRANT %s ON %s TO holdfast_projector', projector_verbs, guarded);
    EXECUTE format('ALTER TABLE %s OWNER TO holdfast_owner', guarded);
END $$;
REVOKE EXECUTE ON FUNCTION holdfast_protect (regclass, text) FROM PUBLIC;

CREATE TABLE projection_checkpoints (
    tenant_id  uuid    NOT NULL,
    projection text    NOT NULL,
    -- Which version of the projection made the rows: another one must not go on with them.
    version    integer NOT NULL,
    position   bigint  NOT NULL CHECK (position >= 0),
    PRIMARY KEY (tenant_id, projection)
);
SELECT holdfast_protect('projection_checkpoints', 'SELECT, INSERT, UPDATE');

-- Where a projection has stopped for a tenant: a reference to the event, never a copy of it.
CREATE TABLE projection_failures (
    tenant_id  uuid        NOT NULL,
    projection text        NOT NULL,
    position   bigint      NOT NULL,
    event_id   uuid        NOT NULL,
    error      text        NOT NULL,
    failed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, projection)
);
SELECT holdfast_protect('projection_failures', 'SELECT, INSERT, DELETE');
