-- accounts, journal_entries, journal_lines: the double-entry ledger (LED-02..04, LED-60..66).
-- From: every event that moves money, by the domain's `post`; safe to drop and rebuild. Amounts: major units.
-- Deploy: expand step, no running release reads them. Entries and lines are only ever added (LED-64): the projector
-- may not change or remove them, and a statement whose lines do not balance is refused.

CREATE TABLE accounts (
    tenant_id      uuid    NOT NULL,
    -- Follows from code, owner, detail and currency.
    account_id     uuid    NOT NULL,
    code           text    NOT NULL,
    name           text    NOT NULL,
    kind           text    NOT NULL,
    normal_side    text    NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    owner_id       uuid,
    detail         text    NOT NULL,
    currency       text    NOT NULL,
    never_negative boolean NOT NULL,
    debits         numeric NOT NULL CHECK (debits >= 0),
    credits        numeric NOT NULL CHECK (credits >= 0),
    -- On the normal side: a liability that is owed is above zero.
    balance        numeric NOT NULL,
    lines          bigint  NOT NULL,
    position       bigint  NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    CHECK (balance = CASE normal_side WHEN 'debit' THEN debits - credits ELSE credits - debits END),
    -- An alarm: writers refuse such a movement long before (LED-68).
    CONSTRAINT accounts_never_negative CHECK (NOT never_negative OR balance >= 0)
);
CREATE INDEX accounts_by_code ON accounts (tenant_id, code, owner_id);
SELECT holdfast_protect('accounts', 'SELECT, INSERT, UPDATE');

CREATE TABLE journal_entries (
    tenant_id      uuid        NOT NULL,
    -- Follows from the event's id, so that an event can never be booked twice (LED-65).
    entry_id       uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    position       bigint      NOT NULL,
    kind           text        NOT NULL,
    -- Whose event it books.
    aggregate_type text        NOT NULL,
    aggregate_id   uuid        NOT NULL,
    -- The business object that it is about (LED-75).
    ref_type       text        NOT NULL,
    ref_id         uuid        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entry_id),
    UNIQUE (tenant_id, position)
);
CREATE INDEX journal_entries_by_aggregate ON journal_entries (tenant_id, aggregate_type, aggregate_id, position);
SELECT holdfast_protect('journal_entries', 'SELECT, INSERT');

CREATE TABLE journal_lines (
    tenant_id   uuid        NOT NULL,
    entry_id    uuid        NOT NULL,
    line        smallint    NOT NULL,
    position    bigint      NOT NULL,
    account_id  uuid        NOT NULL,
    code        text        NOT NULL,
    owner_id    uuid,
    detail      text        NOT NULL,
    -- Set when the account is one of a wallet's (available, held, pending), and then which.
    wallet_id   uuid,
    place       text CHECK (place IN ('available', 'held', 'pending')),
    ref_type    text        NOT NULL,
    ref_id      uuid        NOT NULL,
    side        text        NOT NULL CHECK (side IN ('debit', 'credit')),
    amount      numeric     NOT NULL CHECK (amount > 0),
    currency    text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entry_id, line)
);
CREATE INDEX journal_lines_by_wallet ON journal_lines (tenant_id, wallet_id, position, line) WHERE wallet_id IS NOT NULL;
CREATE INDEX journal_lines_by_account ON journal_lines (tenant_id, account_id, position, line);
SELECT holdfast_protect('journal_lines', 'SELECT, INSERT');

-- LED-60: checked again here, per entry and currency. An entry's lines come in one statement, so it can be checked
-- as soon as they are there, once per statement.
CREATE FUNCTION journal_lines_balance() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    unbalanced record;
BEGIN
    SELECT entry_id, currency, sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) AS difference INTO unbalanced
    FROM added
    GROUP BY tenant_id, entry_id, currency
    HAVING sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % does not balance in %: % too much on the debit side',
            unbalanced.entry_id, unbalanced.currency, unbalanced.difference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_lines_balance';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_lines_balance AFTER INSERT ON journal_lines
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION journal_lines_balance();
