-- Run after the migrations of both sides, every time: what both need whatever made their tables.
DO $$
DECLARE
    guarded regclass;
BEGIN
    -- What Postgres gives to everybody is taken back; who works here is let in. Moving a tenant's rows needs a temporary table.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO holdfast_projector, holdfast_reader, holdfast_auditor, holdfast_writer', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO holdfast_owner', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public, shadow, rebuild FROM PUBLIC;
    -- Nobody but the projector sees the side that is not read.
    REVOKE ALL ON SCHEMA shadow FROM PUBLIC, holdfast_reader, holdfast_auditor;
    -- The owner's functions exchange rows of both sides; row level security is forced, so that the owner needs a policy.
    -- Nobody logs in as the owner.
    FOR guarded IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace IN ('public'::regnamespace, 'shadow'::regnamespace) AND c.relkind = 'r' AND c.relforcerowsecurity
          AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'owner')
    LOOP
        EXECUTE format('CREATE POLICY owner ON %s TO holdfast_owner USING (true) WITH CHECK (true)', guarded);
    END LOOP;
END $$;
