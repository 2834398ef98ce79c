-- wallet_balances: what each wallet held after each movement (LED-16, LED-17, MNY-55). From: every event that moves money, by
-- the domain's `post`. wallet_transfers: transfers that needed a second person (LED-18). From: wallet.transfer_* events.
-- Both are safe to drop and rebuild. Amounts: major units. Deploy: expand step; the ledger projection is rebuilt (version 2).

CREATE TABLE wallet_balances (
    tenant_id   uuid        NOT NULL,
    wallet_id   uuid        NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- An alarm: the aggregate never lets them fall below zero (LED-68).
    available   numeric     NOT NULL CHECK (available >= 0),
    held        numeric     NOT NULL CHECK (held >= 0),
    pending     numeric     NOT NULL CHECK (pending >= 0),
    PRIMARY KEY (tenant_id, wallet_id, position)
);
CREATE INDEX wallet_balances_by_time ON wallet_balances (tenant_id, wallet_id, recorded_at, position);
SELECT holdfast_protect('wallet_balances', 'SELECT, INSERT');

CREATE TABLE wallet_transfers (
    tenant_id    uuid        NOT NULL,
    -- Follows from wallet and number.
    id           uuid        NOT NULL,
    wallet_id    uuid        NOT NULL,
    number       bigint      NOT NULL,
    position     bigint      NOT NULL,
    status       text        NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'expired')),
    to_wallet_id uuid        NOT NULL,
    amount       numeric     NOT NULL,
    currency     text        NOT NULL,
    reason       text        NOT NULL,
    requested_by uuid        NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    -- Nobody: it expired.
    answered_by  uuid,
    answered_at  timestamptz,
    -- Why it was rejected.
    answer       text,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX wallet_transfers_by_time ON wallet_transfers (tenant_id, requested_at, id);
SELECT holdfast_protect('wallet_transfers', 'SELECT, INSERT, UPDATE');
