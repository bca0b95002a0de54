-- Link sessions. A session is bound to the browser that opened the start URL, and its tokens wait for the backend's
-- confirmation. The old table stays empty from now on, and its sessions end. So an older program finds no session of
-- this table, and keeps no unconfirmed tokens.

CREATE TABLE links (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    registered_user TEXT   NOT NULL,
    connector       TEXT   NOT NULL,
    start           BLOB   NOT NULL UNIQUE,
    state           BLOB   NOT NULL UNIQUE,
    plan            BLOB   NOT NULL,
    status          TEXT   NOT NULL,
    browser         BLOB,
    confirmation    BLOB,
    tokens          BLOB,
    error           TEXT,
    provider_error  TEXT,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX links_by_expiry ON links (expires_at);

CREATE INDEX links_by_user ON links (organization, environment, registered_user);

DELETE FROM link_sessions;

-- Tokens to revoke at third parties.

CREATE TABLE revocations (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    record       TEXT   NOT NULL,
    sealed       BLOB   NOT NULL,
    attempts     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id)
) WITHOUT ROWID;

CREATE INDEX revocations_by_time ON revocations (due_at);

-- Operators whom an identity provider can sign in. All other operators are local, whatever names a provider gives.

ALTER TABLE operators ADD COLUMN by_provider BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operators ADD COLUMN issuer TEXT;
ALTER TABLE operators ADD COLUMN subject TEXT;

CREATE UNIQUE INDEX operators_by_identity ON operators (issuer, subject);
