-- Portable SQL: TEXT, BIGINT, BOOLEAN, BYTEA; ids made by the application; plain UNIQUE constraints carry the invariants.
-- Data of an environment has a primary key that begins with (organization, environment): that is the isolation rule.
--
-- Each statement is one migration, carried out in a transaction of its own and counted. One that was released is never
-- edited; new ones are added at the end.

CREATE TABLE organizations (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

-- The slot of a production key is the word 'production', that of a test key its own id. UNIQUE therefore means:
-- one production key per organization, any number of test keys.
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

-- One current secret and at most one staged one per key: the state is part of the primary key.
CREATE TABLE secrets (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    access_key   TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('current', 'staged')),
    locator      TEXT   NOT NULL UNIQUE,
    digest       BYTEA  NOT NULL,
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, access_key, state),
    FOREIGN KEY (organization, environment, access_key) REFERENCES access_keys (organization, environment, id)
);

-- One row. Numbering by a row that each change updates gives revisions in commit order, without gaps; and whoever holds
-- the row is the only writer.
CREATE TABLE revision (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);

INSERT INTO revision (id, value) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

-- `operation` is drawn by the writer: where a commit was not answered, it tells whether it happened; and it shows a node
-- whether the history still has what the node knew.
CREATE TABLE changes (
    revision  BIGINT NOT NULL,
    locator   TEXT   NOT NULL,
    node      TEXT,
    operation TEXT   NOT NULL,
    PRIMARY KEY (revision, locator)
);

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    lease_ms     BIGINT  NOT NULL,
    acknowledged BIGINT,
    retired      BOOLEAN NOT NULL DEFAULT FALSE
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
    previous_hash  BYTEA,
    hash           BYTEA,
    PRIMARY KEY (organization, environment, sequence)
);

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
    digest     BYTEA  NOT NULL,
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
    sealed          BYTEA  NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, registered_user, connector),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
);

-- How often secrets were used: the last use, and counts by spans of ten minutes, which are kept for a day. They refer to
-- no other table: a node that hangs while it writes them must not hold up the death of a secret.
CREATE TABLE last_uses (
    locator      TEXT   NOT NULL PRIMARY KEY,
    last_used_at BIGINT NOT NULL
);

CREATE TABLE uses (
    locator TEXT   NOT NULL,
    span    BIGINT NOT NULL,
    uses    BIGINT NOT NULL,
    PRIMARY KEY (locator, span)
);

CREATE INDEX uses_by_span ON uses (span);

-- What nodes found missing from the history, until an operator has answered for it.
CREATE TABLE lost_changes (
    revision  BIGINT  NOT NULL,
    operation TEXT    NOT NULL,
    accepted  BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (revision, operation)
);

-- On which timeline the last change was made: a promoted standby begins a new one.
ALTER TABLE revision ADD COLUMN timeline TEXT NOT NULL DEFAULT '';

-- How far a copy into this store has come; the row without a table's name says from where. Until it is finished, there is
-- no row of `revision`.
CREATE TABLE copy_progress (
    table_name TEXT NOT NULL PRIMARY KEY,
    came_to    TEXT NOT NULL
);

-- What stands for the events that were cut off the beginning of a log: a signed checkpoint, and what the chain and the tree
-- go on from.
CREATE TABLE pruned_logs (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    last_hash    BYTEA  NOT NULL,
    peaks        BYTEA  NOT NULL,
    checkpoint   TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, size)
);

-- The order in which the events of all logs were written, and how far each sink that ships them has come.
ALTER TABLE audit_events ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

UPDATE audit_events SET position = placed.position
FROM (SELECT organization, environment, sequence,
             row_number() OVER (ORDER BY time, organization, environment, sequence) AS position
      FROM audit_events) AS placed
WHERE audit_events.organization = placed.organization AND audit_events.environment = placed.environment
  AND audit_events.sequence = placed.sequence;

CREATE INDEX audit_events_by_position ON audit_events (position);

CREATE TABLE sinks (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    holder   TEXT,
    beat     BIGINT NOT NULL
);

-- The origins that callbacks may go to; and a change log that names whatever was touched: a secret by its locator, a list of
-- origins by its organization.

ALTER TABLE changes RENAME COLUMN locator TO touched;

CREATE TABLE allowed_origins (
    organization TEXT   NOT NULL REFERENCES organizations (id),
    id           TEXT   NOT NULL,
    origin       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, origin)
);

-- Third parties that users link accounts of, and tries to do so.

CREATE TABLE connectors (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    sealed       BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, name)
);

CREATE TABLE link_sessions (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    state           BYTEA  NOT NULL UNIQUE,
    registered_user TEXT   NOT NULL,
    sealed          BYTEA  NOT NULL,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
);

CREATE INDEX link_sessions_by_expiry ON link_sessions (expires_at);

-- What was done through MCP. A call stays when its user goes.

CREATE TABLE tool_calls (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    tool            TEXT   NOT NULL,
    connector       TEXT,
    registered_user TEXT,
    access_key      TEXT   NOT NULL,
    began_at        BIGINT NOT NULL,
    ended_at        BIGINT,
    outcome         TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, id)
);

CREATE INDEX tool_calls_by_user ON tool_calls (organization, environment, registered_user, id);

-- Links by which operators sign in to the page, and their sessions. Of each token, the digest alone.

CREATE TABLE sign_ins (
    token      BYTEA   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    operator   TEXT   NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX sign_ins_by_operator ON sign_ins (operator);

CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);

-- What the store says of itself: one row, which the program makes at opening. `oldest_schema` is how many of these steps a
-- program must know at least to read and write the store: before a step that older programs cannot live with stands a step
-- that raises it.

CREATE TABLE store (
    id               BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    identity         TEXT   NOT NULL,
    incarnation      BIGINT NOT NULL,
    prefix           TEXT,
    longest_lease_ms BIGINT NOT NULL,
    oldest_schema    BIGINT NOT NULL
);

ALTER TABLE sessions ADD COLUMN asked BIGINT;

-- The incarnation of the store that wrote an event.

ALTER TABLE audit_events ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 1;

-- Each change under its name, for a while: for repeats under an idempotency key, for commits that were not answered, and for
-- answers that wait until the change is in effect.

CREATE TABLE operations (
    operation       TEXT   NOT NULL PRIMARY KEY,
    actor           TEXT   NOT NULL,
    idempotency_key TEXT,
    request         BYTEA,
    revision        BIGINT NOT NULL,
    subject         TEXT   NOT NULL,
    time            BIGINT NOT NULL,
    UNIQUE (actor, idempotency_key)
);

CREATE INDEX operations_by_subject ON operations (subject, revision);

CREATE INDEX operations_by_time ON operations (time);

CREATE INDEX operations_by_age ON operations (idempotency_key, time);

INSERT INTO operations (operation, actor, idempotency_key, request, revision, subject, time)
SELECT md5(actor || ' ' || idempotency_key), actor, idempotency_key, NULL, 0, subject, created_at FROM idempotency_keys;

DROP TABLE idempotency_keys;

-- Tries to link an account, step by step: a session is bound to the browser that began, and its tokens wait for the backend's
-- confirmation. The table before it stays empty from here on: a program from before finds no session of this table there, and
-- so keeps no tokens that nobody confirmed. Its sessions end with it.

CREATE TABLE links (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    registered_user TEXT   NOT NULL,
    connector       TEXT   NOT NULL,
    start           BYTEA  NOT NULL UNIQUE,
    state           BYTEA  NOT NULL UNIQUE,
    plan            BYTEA  NOT NULL,
    status          TEXT   NOT NULL,
    browser         BYTEA,
    confirmation    BYTEA,
    tokens          BYTEA,
    error           TEXT,
    provider_error  TEXT,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
);

CREATE INDEX links_by_expiry ON links (expires_at);

CREATE INDEX links_by_user ON links (organization, environment, registered_user);

DELETE FROM link_sessions;

-- Tokens that third parties are to be told to revoke.

CREATE TABLE revocations (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    connector    TEXT   NOT NULL,
    record       TEXT   NOT NULL,
    sealed       BYTEA  NOT NULL,
    attempts     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id)
);

CREATE INDEX revocations_by_time ON revocations (due_at);

-- Operators whom an identity provider can sign in. The others are local ones, whatever names a provider gives.

ALTER TABLE operators ADD COLUMN by_provider BIGINT NOT NULL DEFAULT 0;

ALTER TABLE operators ADD COLUMN issuer TEXT;

ALTER TABLE operators ADD COLUMN subject TEXT;

CREATE UNIQUE INDEX operators_by_identity ON operators (issuer, subject);

-- The name of the key that the store's values are sealed with; none until a server has started with one.

ALTER TABLE store ADD COLUMN sealing_key TEXT;

-- The id of the actor of an event; none in events from before.

ALTER TABLE audit_events ADD COLUMN actor_id TEXT;
