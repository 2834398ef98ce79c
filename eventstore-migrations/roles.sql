-- The roles of both databases; they belong to the server, so this runs before the migrations, every time, in whichever
-- database comes first. None is superuser, none bypasses row level security, none has a password here.
DO $$
DECLARE
    role record;
BEGIN
    FOR role IN SELECT * FROM (VALUES
        ('holdfast_owner',     'NOLOGIN'), -- owns tables and functions; nobody logs in as it
        ('holdfast_writer',    'LOGIN'),   -- commands: appends
        ('holdfast_relay',     'LOGIN'),   -- publishes the log to NATS
        ('holdfast_reactor',   'LOGIN'),   -- reactions, deadlines, effects: their own state
        ('holdfast_projector', 'LOGIN'),   -- reads the log, writes read models
        ('holdfast_reader',    'LOGIN'),   -- queries: one tenant of the read database
        ('holdfast_auditor',   'LOGIN')    -- one tenant, read only
    ) AS wanted (name, login)
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role.name);
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS', role.name, role.login);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another migration was faster
        END;
    END LOOP;
    -- Whoever migrates must be able to give tables to the owner.
    IF NOT pg_has_role(current_user, 'holdfast_owner', 'MEMBER') THEN
        EXECUTE format('GRANT holdfast_owner TO %I', current_user);
    END IF;
END $$;
