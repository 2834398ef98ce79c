-- rebuild: what makes, compares and exchanges the two sides of every read model (ADM-21, NFR-19, protocols 8).
-- Every table stands twice: in `public`, which is read, and in `shadow`, which a rebuild fills and which keeps the former rows
-- after a swap. This file runs once per side, so everything here has its full name and may be there already.
-- Deploy: expand step; nothing reads these yet.

CREATE SCHEMA IF NOT EXISTS rebuild;
GRANT USAGE, CREATE ON SCHEMA rebuild TO holdfast_owner;
GRANT USAGE ON SCHEMA rebuild TO holdfast_projector;

CREATE TABLE IF NOT EXISTS rebuild.projection_runs (
    id           uuid        PRIMARY KEY,
    projection   text        NOT NULL,
    -- Empty: all of them.
    tenant_id    uuid,
    kind         text        NOT NULL CHECK (kind IN ('rebuild', 'verify', 'swap_back')),
    state        text        NOT NULL CHECK (state IN ('requested', 'folding', 'comparing', 'ready', 'swapped', 'done', 'failed')),
    -- Whether a rebuild may go on to the swap by itself.
    swap         boolean     NOT NULL,
    events_done  bigint      NOT NULL DEFAULT 0,
    events_total bigint      NOT NULL DEFAULT 0,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    -- What comparing both sides has found.
    diff         jsonb,
    error        text
);
CREATE INDEX IF NOT EXISTS projection_runs_by_projection ON rebuild.projection_runs (projection, requested_at);

CREATE TABLE IF NOT EXISTS rebuild.projection_pauses (
    projection text        NOT NULL,
    -- The nil uuid: all of them.
    tenant_id  uuid        NOT NULL,
    paused_by  text        NOT NULL,
    paused_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, tenant_id)
);
ALTER TABLE rebuild.projection_runs OWNER TO holdfast_owner;
ALTER TABLE rebuild.projection_pauses OWNER TO holdfast_owner;
DO $$
DECLARE
    guarded text;
    role text;
BEGIN
    -- Operators' tables: the projector's alone, and closed to everybody else.
    FOREACH guarded IN ARRAY ARRAY['projection_runs', 'projection_pauses'] LOOP
        EXECUTE format('ALTER TABLE rebuild.%I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE rebuild.%I FORCE ROW LEVEL SECURITY', guarded);
        FOREACH role IN ARRAY ARRAY['projector', 'owner'] LOOP
            EXECUTE format('DROP POLICY IF EXISTS %I ON rebuild.%I', role, guarded);
            EXECUTE format('CREATE POLICY %I ON rebuild.%I TO %I USING (true) WITH CHECK (true)', role, guarded, 'holdfast_' || role);
        END LOOP;
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON rebuild.projection_runs TO holdfast_projector;
GRANT SELECT, INSERT, DELETE ON rebuild.projection_pauses TO holdfast_projector;

-- Checkpoints and failures are exchanged row by row, never as tables: they belong to all projections.
CREATE OR REPLACE FUNCTION rebuild.refuse_runtime_tables(tables text[]) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.unnest(tables) AS t (name) WHERE t.name LIKE 'projection\_%' OR t.name LIKE '\_%') THEN
        RAISE EXCEPTION 'not tables of a projection: %', tables USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Everything that must be the same on both sides, one line each (the lint of protocols 8.1).
CREATE OR REPLACE FUNCTION rebuild.shape(side text, tables text[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH guarded AS (
        SELECT c.* FROM pg_catalog.pg_class c WHERE c.relnamespace = side::pg_catalog.regnamespace AND c.relname = ANY (tables) AND c.relkind = 'r'
    )
    SELECT pg_catalog.format('%s: owner %s, row security %s, forced %s', relname, relowner::pg_catalog.regrole, relrowsecurity, relforcerowsecurity) FROM guarded
    UNION ALL
    SELECT pg_catalog.format('%s: column %s %s not null %s default %s', relname, attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull,
                             pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    FROM guarded JOIN pg_catalog.pg_attribute a ON a.attrelid = guarded.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT pg_catalog.format('%s: index %s', relname, pg_catalog.replace(pg_catalog.pg_get_indexdef(i.indexrelid), side || '.', '')) FROM guarded
    JOIN pg_catalog.pg_index i ON i.indrelid = guarded.oid AND i.indisvalid
    UNION ALL
    SELECT pg_catalog.format('%s: constraint %s %s', relname, conname, pg_catalog.pg_get_constraintdef(n.oid)) FROM guarded
    JOIN pg_catalog.pg_constraint n ON n.conrelid = guarded.oid
    UNION ALL
    SELECT pg_catalog.format('%s: policy %s permissive %s for %s to %s using %s with check %s', relname, polname, polpermissive, polcmd,
                             ARRAY (SELECT r::pg_catalog.regrole::text FROM pg_catalog.unnest(polroles) r ORDER BY 1),
                             pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
    FROM guarded JOIN pg_catalog.pg_policy p ON p.polrelid = guarded.oid
    UNION ALL
    SELECT pg_catalog.format('%s: grant %s', relname, acl.acl::text) FROM guarded CROSS JOIN LATERAL pg_catalog.unnest(relacl) AS acl (acl)
    UNION ALL
    SELECT pg_catalog.format('%s: trigger %s', relname, pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '(public|shadow)\.', '', 'g')) FROM guarded
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = guarded.oid AND NOT t.tgisinternal
$$;

CREATE OR REPLACE FUNCTION rebuild.differences(tables text[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = '' AS $$
    (SELECT 'read side only: ' || l FROM (SELECT l FROM rebuild.shape('public', tables) l EXCEPT SELECT s FROM rebuild.shape('shadow', tables) s) a (l))
    UNION ALL
    (SELECT 'shadow side only: ' || s FROM (SELECT s FROM rebuild.shape('shadow', tables) s EXCEPT SELECT l FROM rebuild.shape('public', tables) l) b (s))
    ORDER BY 1
$$;

-- Before a rebuild: the shadow side of all tenants, or of one.
CREATE OR REPLACE FUNCTION rebuild.empty_shadow(the_projection text, the_tenant uuid, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    guarded text;
BEGIN
    PERFORM rebuild.refuse_runtime_tables(tables);
    FOREACH guarded IN ARRAY tables LOOP
        IF the_tenant IS NULL THEN
            EXECUTE pg_catalog.format('TRUNCATE shadow.%I', guarded);
        ELSE
            EXECUTE pg_catalog.format('DELETE FROM shadow.%I WHERE tenant_id = $1', guarded) USING the_tenant;
        END IF;
    END LOOP;
    DELETE FROM shadow.projection_checkpoints WHERE projection = the_projection AND (the_tenant IS NULL OR tenant_id = the_tenant);
    DELETE FROM shadow.projection_failures WHERE projection = the_projection AND (the_tenant IS NULL OR tenant_id = the_tenant);
END $$;

-- The rows that say how far each side has come, of all tenants or of one. The caller holds the locks.
CREATE OR REPLACE FUNCTION rebuild.exchange_checkpoints(the_projection text, the_version integer, the_tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    live_checkpoints jsonb;
    live_failures    jsonb;
BEGIN
    SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c)), '[]') INTO live_checkpoints
    FROM public.projection_checkpoints c WHERE c.projection = the_projection AND (the_tenant IS NULL OR c.tenant_id = the_tenant);
    SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(f)), '[]') INTO live_failures
    FROM public.projection_failures f WHERE f.projection = the_projection AND (the_tenant IS NULL OR f.tenant_id = the_tenant);
    -- Updated, not replaced: a projector that waits for the row must see where it stands now.
    UPDATE public.projection_checkpoints c SET version = the_version
    WHERE c.projection = the_projection AND (the_tenant IS NULL OR c.tenant_id = the_tenant) AND c.position = 0;
    INSERT INTO public.projection_checkpoints AS c (tenant_id, projection, version, position)
    SELECT s.tenant_id, s.projection, s.version, s.position FROM shadow.projection_checkpoints s
    WHERE s.projection = the_projection AND (the_tenant IS NULL OR s.tenant_id = the_tenant)
    ON CONFLICT (tenant_id, projection) DO UPDATE SET version = excluded.version, position = excluded.position;
    DELETE FROM shadow.projection_checkpoints c WHERE c.projection = the_projection AND (the_tenant IS NULL OR c.tenant_id = the_tenant);
    INSERT INTO shadow.projection_checkpoints (tenant_id, projection, version, position)
    SELECT r.tenant_id, r.projection, r.version, r.position
    FROM pg_catalog.jsonb_populate_recordset(NULL::shadow.projection_checkpoints, live_checkpoints) r;

    DELETE FROM public.projection_failures f WHERE f.projection = the_projection AND (the_tenant IS NULL OR f.tenant_id = the_tenant);
    INSERT INTO public.projection_failures (tenant_id, projection, position, event_id, error, failed_at)
    SELECT s.tenant_id, s.projection, s.position, s.event_id, s.error, s.failed_at FROM shadow.projection_failures s
    WHERE s.projection = the_projection AND (the_tenant IS NULL OR s.tenant_id = the_tenant);
    DELETE FROM shadow.projection_failures f WHERE f.projection = the_projection AND (the_tenant IS NULL OR f.tenant_id = the_tenant);
    INSERT INTO shadow.projection_failures (tenant_id, projection, position, event_id, error, failed_at)
    SELECT r.tenant_id, r.projection, r.position, r.event_id, r.error, r.failed_at
    FROM pg_catalog.jsonb_populate_recordset(NULL::shadow.projection_failures, live_failures) r;
END $$;

-- Refuses to go backwards. Asked again behind the locks: a tenant may have come since.
CREATE OR REPLACE FUNCTION rebuild.refuse_older_side(the_projection text, the_tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.projection_checkpoints l LEFT JOIN shadow.projection_checkpoints s USING (tenant_id, projection)
        WHERE l.projection = the_projection AND (the_tenant IS NULL OR l.tenant_id = the_tenant) AND l.position > coalesce(s.position, 0)
    ) THEN
        RAISE EXCEPTION 'the shadow side is behind' USING ERRCODE = 'lock_not_available'; -- try again
    END IF;
END $$;

-- All tenants: the tables change places. The caller has locked the checkpoints of both sides.
CREATE OR REPLACE FUNCTION rebuild.swap_sides(the_projection text, the_version integer, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    guarded text;
BEGIN
    PERFORM rebuild.refuse_runtime_tables(tables);
    FOREACH guarded IN ARRAY tables LOOP
        EXECUTE pg_catalog.format('LOCK TABLE public.%I, shadow.%I IN ACCESS EXCLUSIVE MODE', guarded, guarded);
    END LOOP;
    PERFORM rebuild.refuse_older_side(the_projection, NULL);
    FOREACH guarded IN ARRAY tables LOOP
        -- Through a third schema: neither side may have both tables, nor both tables' indexes.
        EXECUTE pg_catalog.format('ALTER TABLE public.%I SET SCHEMA rebuild', guarded);
        EXECUTE pg_catalog.format('ALTER TABLE shadow.%I SET SCHEMA public', guarded);
        EXECUTE pg_catalog.format('ALTER TABLE rebuild.%I SET SCHEMA shadow', guarded);
    END LOOP;
    PERFORM rebuild.exchange_checkpoints(the_projection, the_version, NULL);
END $$;

-- One tenant: its rows change places. The caller has locked its checkpoints of both sides.
CREATE OR REPLACE FUNCTION rebuild.swap_tenant(the_projection text, the_version integer, the_tenant uuid, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    guarded text;
    columns text;
BEGIN
    PERFORM rebuild.refuse_runtime_tables(tables);
    PERFORM rebuild.refuse_older_side(the_projection, the_tenant);
    FOREACH guarded IN ARRAY tables LOOP
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = pg_catalog.format('public.%I', guarded)::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE pg_catalog.format('CREATE TEMP TABLE crossing AS SELECT %s FROM public.%I WHERE tenant_id = %L', columns, guarded, the_tenant);
        EXECUTE pg_catalog.format('DELETE FROM public.%I WHERE tenant_id = $1', guarded) USING the_tenant;
        EXECUTE pg_catalog.format('INSERT INTO public.%I (%s) SELECT %s FROM shadow.%I WHERE tenant_id = $1', guarded, columns, columns, guarded) USING the_tenant;
        EXECUTE pg_catalog.format('DELETE FROM shadow.%I WHERE tenant_id = $1', guarded) USING the_tenant;
        EXECUTE pg_catalog.format('INSERT INTO shadow.%I (%s) SELECT %s FROM pg_temp.crossing', guarded, columns, columns);
        DROP TABLE pg_temp.crossing;
    END LOOP;
    PERFORM rebuild.exchange_checkpoints(the_projection, the_version, the_tenant);
END $$;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT p.oid::regprocedure AS signature, p.proname FROM pg_proc p WHERE p.pronamespace = 'rebuild'::regnamespace LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made.signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO holdfast_owner', made.signature);
        IF made.proname IN ('shape', 'differences', 'empty_shadow', 'swap_sides', 'swap_tenant') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO holdfast_projector', made.signature);
        END IF;
    END LOOP;
END $$;
