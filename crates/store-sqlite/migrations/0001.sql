-- Portable SQL: TEXT, BIGINT, BLOB; ids made by the application; plain UNIQUE constraints carry the invariants.
-- Data of an environment has a primary key that begins with (organization, environment): that is the isolation rule.

CREATE TABLE organizations (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- The slot of a production key is the word 'production'. The slot of a test key is its own id. So UNIQUE allows one
-- production key per organization, and any number of test keys.
CREATE TABLE access_keys (
    organization TEXT   NOT NULL REFERENCES organizations (id),
    environment  TEXT   NOT NULL CHECK (environment IN ('production', 'test')),
    id           TEXT   NOT NULL,
    slot         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    generations  BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, id),
    UNIQUE (organization, environment, slot),
    CHECK (slot = CASE environment WHEN 'production' THEN 'production' ELSE id END)
);

-- A key has one current secret and at most one staged secret, because the state is part of the primary key.
CREATE TABLE secrets (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    access_key   TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('current', 'staged')),
    locator      TEXT   NOT NULL UNIQUE,
    digest       BLOB   NOT NULL,
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, access_key, state),
    FOREIGN KEY (organization, environment, access_key) REFERENCES access_keys (organization, environment, id)
) WITHOUT ROWID;

-- One row. Every change updates it, so revisions are in commit order, without gaps.
CREATE TABLE revision (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO revision (id, value) VALUES (1, 0);

CREATE TABLE changes (
    revision BIGINT NOT NULL,
    locator  TEXT   NOT NULL,
    node     TEXT,
    PRIMARY KEY (revision, locator)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    lease_ms     BIGINT NOT NULL,
    acknowledged BIGINT,
    retired      BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE audit_events (
    organization   TEXT   NOT NULL,
    environment    TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    time           BIGINT NOT NULL,
    actor          TEXT   NOT NULL,
    action         TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    source_address TEXT,
    request_id     TEXT,
    detail         TEXT   NOT NULL,
    previous_hash  BLOB,
    hash           BLOB,
    PRIMARY KEY (organization, environment, sequence)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    actor           TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (actor, idempotency_key)
);

CREATE TABLE operators (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    locator    TEXT   NOT NULL UNIQUE,
    digest     BLOB   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE registered_users (
    organization     TEXT   NOT NULL,
    environment      TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    origin_user_id   TEXT   NOT NULL,
    origin_user_name TEXT,
    created_at       BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id),
    UNIQUE (organization, environment, origin_user_id)
);

CREATE TABLE credentials (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    registered_user TEXT   NOT NULL,
    connector       TEXT   NOT NULL,
    sealed          BLOB   NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, registered_user, connector),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
);
