-- journal_entries, journal_lines: keyed by position, in the order in which rows come, instead of by entry_id, whose two indexes were
-- written at random places (decision 0023). An event is one entry at most, so it can still be booked only once (LED-65).
-- Deploy: contract step; a release before this one joins lines and entries by entry_id and does so without an index meanwhile.

ALTER TABLE journal_lines DROP CONSTRAINT journal_lines_pkey, ADD PRIMARY KEY (tenant_id, position, line);
ALTER TABLE journal_entries
    DROP CONSTRAINT journal_entries_pkey,
    DROP CONSTRAINT journal_entries_tenant_id_position_key,
    ADD PRIMARY KEY (tenant_id, position);
