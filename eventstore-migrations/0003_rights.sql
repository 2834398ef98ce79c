-- Who may do what in the write database. What is not listed here is refused (protocols 11).
-- Deploy: first release. Released files are never edited.

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO holdfast_writer, holdfast_relay, holdfast_reactor, holdfast_projector, holdfast_auditor', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO holdfast_owner;
GRANT USAGE ON SCHEMA public TO holdfast_writer, holdfast_relay, holdfast_reactor, holdfast_projector, holdfast_auditor;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- One permissive policy per role and table. Service roles work over many tenants and name the tenant in every statement;
-- the auditor sees the tenant that its session is set to, and nothing before it is set.
DO $$
DECLARE
    allowed record;
    visible text;
BEGIN
    FOR allowed IN SELECT * FROM (VALUES
        ('tenant_heads',             'writer',    'SELECT, INSERT, UPDATE'),
        ('tenant_heads',             'relay',     'SELECT'),
        ('tenant_heads',             'reactor',   'SELECT'),
        ('tenant_heads',             'projector', 'SELECT'),
        ('tenant_heads',             'auditor',   'SELECT'),
        ('events',                   'writer',    'SELECT, INSERT'),
        ('events',                   'relay',     'SELECT'),
        ('events',                   'reactor',   'SELECT'),
        ('events',                   'projector', 'SELECT'),
        ('events',                   'auditor',   'SELECT'),
        ('receipts',                 'writer',    'SELECT, INSERT'),
        ('claims',                   'writer',    'SELECT, INSERT, DELETE'),
        ('subscription_checkpoints', 'relay',     'SELECT, INSERT, UPDATE'),
        ('subscription_checkpoints', 'reactor',   'SELECT, INSERT, UPDATE'),
        ('deadlines',                'reactor',   'SELECT, INSERT, UPDATE, DELETE'),
        ('dead_letters',             'writer',    'SELECT'),
        ('dead_letters',             'reactor',   'SELECT, INSERT, UPDATE'),
        ('parked_events',            'reactor',   'SELECT, INSERT, UPDATE, DELETE'),
        ('subject_keys',             'writer',    'SELECT, INSERT'),
        ('subject_keys',             'projector', 'SELECT')
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

-- Leases belong to no tenant.
GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO holdfast_relay, holdfast_reactor, holdfast_projector;
ALTER TABLE leases OWNER TO holdfast_owner;
ALTER FUNCTION refuse_change() OWNER TO holdfast_owner;

-- Not even their owner; the trigger refuses whoever gives itself the right again.
REVOKE UPDATE, DELETE, TRUNCATE ON events FROM holdfast_owner;
