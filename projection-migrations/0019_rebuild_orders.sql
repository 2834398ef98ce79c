-- rebuild: runs are ordered over HTTP, by role writer, which may do nothing else in this database (ADM-21).
-- This file runs once per side, so everything here has its full name and may be there already.
-- Deploy: expand step; a running release neither writes the new kinds nor misses the columns.

ALTER TABLE rebuild.projection_runs ADD COLUMN IF NOT EXISTS started_at timestamptz;
-- `swap`: the rebuild whose rows are to be read from now on.
ALTER TABLE rebuild.projection_runs ADD COLUMN IF NOT EXISTS of_run uuid;
ALTER TABLE rebuild.projection_runs DROP CONSTRAINT IF EXISTS projection_runs_kind_check;
ALTER TABLE rebuild.projection_runs ADD CONSTRAINT projection_runs_kind_check
    CHECK (kind IN ('rebuild', 'verify', 'swap_back', 'swap', 'try', 'pause', 'resume'));
CREATE INDEX IF NOT EXISTS projection_runs_open ON rebuild.projection_runs (projection) WHERE ended_at IS NULL;

-- Old runs are removed by the projector's process.
GRANT DELETE ON rebuild.projection_runs TO holdfast_projector;

-- Orders: a run that waits, or a pause, or its end. Never the state of a run that somebody works on.
GRANT USAGE ON SCHEMA rebuild TO holdfast_writer;
GRANT SELECT ON rebuild.projection_runs TO holdfast_writer;
GRANT INSERT (id, projection, tenant_id, kind, state, swap, of_run, requested_by, ended_at, diff) ON rebuild.projection_runs TO holdfast_writer;
GRANT SELECT, INSERT, DELETE ON rebuild.projection_pauses TO holdfast_writer;
DROP POLICY IF EXISTS orders_seen ON rebuild.projection_runs;
CREATE POLICY orders_seen ON rebuild.projection_runs FOR SELECT TO holdfast_writer USING (true);
DROP POLICY IF EXISTS orders_given ON rebuild.projection_runs;
CREATE POLICY orders_given ON rebuild.projection_runs FOR INSERT TO holdfast_writer
    WITH CHECK (state = 'requested' AND ended_at IS NULL AND diff IS NULL OR state = 'done' AND ended_at IS NOT NULL AND kind IN ('pause', 'resume'));
DROP POLICY IF EXISTS orders ON rebuild.projection_pauses;
CREATE POLICY orders ON rebuild.projection_pauses TO holdfast_writer USING (true) WITH CHECK (true);

-- What orders are about: how far each projection is, and where it has stopped. No rows of read models.
GRANT USAGE ON SCHEMA public TO holdfast_writer;
GRANT SELECT ON public.projection_checkpoints TO holdfast_writer;
GRANT SELECT, DELETE ON public.projection_failures TO holdfast_writer;
DROP POLICY IF EXISTS orders_seen ON public.projection_checkpoints;
CREATE POLICY orders_seen ON public.projection_checkpoints FOR SELECT TO holdfast_writer USING (true);
DROP POLICY IF EXISTS orders_seen ON public.projection_failures;
CREATE POLICY orders_seen ON public.projection_failures FOR SELECT TO holdfast_writer USING (true);
DROP POLICY IF EXISTS orders_taken_back ON public.projection_failures;
CREATE POLICY orders_taken_back ON public.projection_failures FOR DELETE TO holdfast_writer USING (true);
