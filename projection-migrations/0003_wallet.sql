-- wallets: one row per wallet with its balances, for lists and the balance page (LED-01, LED-15, LED-16).
-- From: wallet.* events alone; safe to drop and rebuild. Amounts: major units of the row's currency.
-- Deploy: expand step, no running release reads it.

CREATE TABLE wallets (
    tenant_id  uuid        NOT NULL,
    wallet_id  uuid        NOT NULL,
    version    bigint      NOT NULL,
    position   bigint      NOT NULL,
    owner_type text        NOT NULL,
    owner_id   uuid        NOT NULL,
    currency   text        NOT NULL,
    status     text        NOT NULL,
    -- An alarm: the aggregate never lets them fall below zero (LED-68).
    available  numeric     NOT NULL CHECK (available >= 0),
    held       numeric     NOT NULL CHECK (held >= 0),
    pending    numeric     NOT NULL CHECK (pending >= 0),
    -- The part of held that the freeze holds (MNY-51).
    frozen     numeric     NOT NULL CHECK (frozen >= 0 AND frozen <= held),
    opened_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, wallet_id)
);
CREATE INDEX wallets_by_opening ON wallets (tenant_id, opened_at, wallet_id);
CREATE INDEX wallets_by_owner ON wallets (tenant_id, owner_id);
SELECT holdfast_protect('wallets', 'SELECT, INSERT, UPDATE');
