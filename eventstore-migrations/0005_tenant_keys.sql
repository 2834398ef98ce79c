-- A key per tenant between the master key and the keys of persons, and the end of a person's keys (ADM-25, CNF-33).
-- Deploy: expand step; running releases go on with keys that the master key wraps directly.

-- The tenant's key, wrapped by the key management; kept for ever, since older keys of persons may be wrapped by it.
CREATE TABLE tenant_keys (
    tenant_id   uuid        NOT NULL,
    key_id      uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    -- Null: new keys of persons are wrapped by this one.
    retired_at  timestamptz,
    wrapped_key bytea       NOT NULL,
    PRIMARY KEY (tenant_id, key_id)
);
CREATE UNIQUE INDEX tenant_keys_current ON tenant_keys (tenant_id) WHERE retired_at IS NULL;

-- Which tenant key wraps it; null: the master key does, as in rows older than this migration.
ALTER TABLE subject_keys ADD COLUMN tenant_key_id uuid,
    ADD FOREIGN KEY (tenant_id, tenant_key_id) REFERENCES tenant_keys (tenant_id, key_id);

-- One person's keys are made and destroyed one after the other. A person whose keys were destroyed gets no new one;
-- a key goes from live to destroyed and changes in no other way.
CREATE FUNCTION guard_subject_key() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.tenant_id::text || NEW.subject::text, 5));
        IF NEW.destroyed_at IS NULL AND EXISTS (
            SELECT FROM public.subject_keys WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject AND destroyed_at IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'the person was erased' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'subject_keys_erased';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.destroyed_at IS NULL AND NEW.destroyed_at IS NOT NULL AND NEW.wrapped_key IS NULL
       AND (NEW.tenant_id, NEW.subject, NEW.key_id, NEW.created_at) = (OLD.tenant_id, OLD.subject, OLD.key_id, OLD.created_at)
       AND NEW.tenant_key_id IS NOT DISTINCT FROM OLD.tenant_key_id
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a key of a person can only be destroyed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard_key BEFORE INSERT OR UPDATE ON subject_keys FOR EACH ROW EXECUTE FUNCTION guard_subject_key();
REVOKE EXECUTE ON FUNCTION guard_subject_key() FROM PUBLIC;
ALTER FUNCTION guard_subject_key() OWNER TO holdfast_owner;

-- The writer destroys keys, the projector reads them; nobody else reaches them.
GRANT UPDATE (wrapped_key, destroyed_at) ON subject_keys TO holdfast_writer;
GRANT SELECT, INSERT ON tenant_keys TO holdfast_writer;
GRANT SELECT ON tenant_keys TO holdfast_projector;
CREATE POLICY writer ON tenant_keys TO holdfast_writer USING (true) WITH CHECK (true);
CREATE POLICY projector ON tenant_keys TO holdfast_projector USING (true) WITH CHECK (true);
ALTER TABLE tenant_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE tenant_keys OWNER TO holdfast_owner;
