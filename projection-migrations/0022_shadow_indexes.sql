-- rebuild: a shadow side that is filled from nothing gets the indexes that no key needs when it is full (decision 0023): an index that
-- is made at once costs a fraction of one that every row goes into. This file runs once per side, so everything here has its full
-- name and may be there already.
-- Deploy: expand step; nothing calls these yet.

-- Indexes of a side that are no constraint's.
CREATE OR REPLACE FUNCTION rebuild.plain_indexes(side text, tables text[]) RETURNS TABLE (index_name name, definition text)
LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT n.relname, pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_class n ON n.oid = i.indexrelid
    WHERE c.relnamespace = side::pg_catalog.regnamespace AND c.relname = ANY (tables) AND c.relkind = 'r' AND NOT i.indisunique
$$;

CREATE OR REPLACE FUNCTION rebuild.drop_shadow_indexes(tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    PERFORM rebuild.refuse_runtime_tables(tables);
    FOR found IN SELECT * FROM rebuild.plain_indexes('shadow', tables) LOOP
        EXECUTE pg_catalog.format('DROP INDEX shadow.%I', found.index_name);
    END LOOP;
END $$;

-- One of those that the side that is read has and the shadow side has not; false when none is missing. One at a time, because until the
-- commit nobody writes that table, and an erasure blanks rows of both sides.
CREATE OR REPLACE FUNCTION rebuild.make_shadow_index(tables text[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    missing text;
BEGIN
    PERFORM rebuild.refuse_runtime_tables(tables);
    SELECT p.definition INTO missing FROM rebuild.plain_indexes('public', tables) p
    WHERE NOT EXISTS (SELECT FROM rebuild.plain_indexes('shadow', tables) s WHERE s.index_name = p.index_name)
    ORDER BY p.index_name LIMIT 1;
    IF missing IS NULL THEN
        RETURN false;
    END IF;
    -- `CREATE INDEX name ON public.table USING …`: the first one is the table's.
    EXECUTE pg_catalog.overlay(missing, ' ON shadow.', pg_catalog.strpos(missing, ' ON public.'), 11);
    RETURN true;
END $$;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT p.oid::regprocedure AS signature, p.proname FROM pg_proc p
        WHERE p.pronamespace = 'rebuild'::regnamespace AND p.proname IN ('plain_indexes', 'drop_shadow_indexes', 'make_shadow_index')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made.signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO holdfast_owner', made.signature);
        IF made.proname <> 'plain_indexes' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO holdfast_projector', made.signature);
        END IF;
    END LOOP;
END $$;
