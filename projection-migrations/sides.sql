-- Run after the migrations of both sides, every time: what both need whatever made their tables.
DO $$
DECLARE
    guarded regclass;
BEGIN
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
