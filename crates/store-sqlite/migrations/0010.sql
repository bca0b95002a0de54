-- The store's own record; the newest revision that each session was asked to acknowledge; the incarnation of each
-- event; and operations, which replace the idempotency keys.

CREATE TABLE store (
    id               BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    identity         TEXT   NOT NULL,
    incarnation      BIGINT NOT NULL,
    prefix           TEXT,
    longest_lease_ms BIGINT NOT NULL,
    oldest_schema    BIGINT NOT NULL
);

-- Older programs did not store the length of their leases. So a store in use gets the longest lease.
INSERT INTO store (id, identity, incarnation, longest_lease_ms, oldest_schema)
SELECT 1, lower(hex(randomblob(16))), 1, CASE WHEN EXISTS (SELECT 1 FROM organizations) THEN 10000 ELSE 0 END, 10;

ALTER TABLE sessions ADD COLUMN asked BIGINT;

ALTER TABLE audit_events ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 1;

CREATE TABLE operations (
    operation       TEXT   NOT NULL PRIMARY KEY,
    actor           TEXT   NOT NULL,
    idempotency_key TEXT,
    request         BLOB,
    revision        BIGINT NOT NULL,
    subject         TEXT   NOT NULL,
    time            BIGINT NOT NULL,
    UNIQUE (actor, idempotency_key)
) WITHOUT ROWID;

CREATE INDEX operations_by_subject ON operations (subject, revision);

CREATE INDEX operations_by_time ON operations (time);

-- Operations without an idempotency key are deleted much sooner.
CREATE INDEX operations_without_key_by_time ON operations (time) WHERE idempotency_key IS NULL;

INSERT INTO operations (operation, actor, idempotency_key, revision, subject, time)
SELECT lower(hex(randomblob(16))), actor, idempotency_key, 0, subject, created_at FROM idempotency_keys;

DROP TABLE idempotency_keys;
