-- Seals of the tenant logs: the Merkle tree's hashes and its signed heads. Source: docs/proof.md.
-- Deploy: additive; before the processes with the role relay.

-- Hashes of complete subtrees of 256^level leaves, up to 256 per row; the row at the right edge grows.
CREATE TABLE seal_tiles (
    tenant_id uuid    NOT NULL,
    tile      bigint  NOT NULL CHECK (tile >= 0),
    level     integer NOT NULL CHECK (level BETWEEN 0 AND 7),
    hashes    bytea   NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (tenant_id, level, tile)
);

-- One line of heads per tenant: each follows exactly one other, so the line cannot fork.
CREATE TABLE seals (
    tenant_id     uuid             NOT NULL,
    size          bigint           NOT NULL CHECK (size > 0),
    previous_size bigint           NOT NULL CHECK (previous_size >= 0 AND previous_size < size),
    sealed_at     timestamptz      NOT NULL,
    root          bytea            NOT NULL CHECK (length(root) = 32),
    key_id        text COLLATE "C" NOT NULL,
    signature     bytea            NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (tenant_id, size),
    UNIQUE (tenant_id, previous_size)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE seals ENABLE ALWAYS TRIGGER append_only;

-- A tile may be continued, nothing else.
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF (NEW.tenant_id, NEW.level, NEW.tile) IS DISTINCT FROM (OLD.tenant_id, OLD.level, OLD.tile)
       OR substring(NEW.hashes FOR length(OLD.hashes)) IS DISTINCT FROM OLD.hashes THEN
        RAISE EXCEPTION 'a tile can only be continued' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER continue_only BEFORE UPDATE ON seal_tiles FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
ALTER TABLE seal_tiles ENABLE ALWAYS TRIGGER continue_only;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON seal_tiles FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE seal_tiles ENABLE ALWAYS TRIGGER append_only;

DO $$
DECLARE
    allowed record;
    visible text;
BEGIN
    FOR allowed IN SELECT * FROM (VALUES
        ('seal_tiles', 'relay',   'SELECT, INSERT, UPDATE'),
        ('seal_tiles', 'writer',  'SELECT'),
        ('seal_tiles', 'auditor', 'SELECT'),
        ('seals',      'relay',   'SELECT, INSERT'),
        ('seals',      'writer',  'SELECT'),
        ('seals',      'auditor', 'SELECT')
    ) AS list (table_name, role, verbs)
    LOOP
        visible := CASE allowed.role WHEN 'auditor' THEN $policy$tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid$policy$ ELSE 'true' END;
        EXECUTE format('GRANT %s ON %I TO %I', allowed.verbs, allowed.table_name, 'holdfast_' || allowed.role);
        EXECUTE format('CREATE POLICY %I ON %I AS PERMISSIVE FOR ALL TO %I USING (%s) WITH CHECK (%s)',
                       allowed.role, allowed.table_name, 'holdfast_' || allowed.role, visible, visible);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', allowed.table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', allowed.table_name);
        EXECUTE format('ALTER TABLE %I OWNER TO holdfast_owner', allowed.table_name);
    END LOOP;
END $$;
ALTER FUNCTION refuse_rewrite() OWNER TO holdfast_owner;
REVOKE UPDATE, DELETE, TRUNCATE ON seals FROM holdfast_owner;
REVOKE DELETE, TRUNCATE ON seal_tiles FROM holdfast_owner;
