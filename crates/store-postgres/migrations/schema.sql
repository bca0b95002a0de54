-- Portable SQL: TEXT, BIGINT, BOOLEAN, BYTEA; ids made by the application; plain UNIQUE constraints carry the invariants.
-- Data of an environment has a primary key that begins with (organization, environment): that is the isolation rule.
--
-- Each statement is one migration. It runs in its own transaction and is counted. A released statement is never edited.
-- Add new statements at the end.

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
    digest       BYTEA  NOT NULL,
    generation   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, access_key, state),
    FOREIGN KEY (organization, environment, access_key) REFERENCES access_keys (organization, environment, id)
);

-- One row. Every change updates it, so revisions are in commit order, without gaps. The holder of the row's lock is the
-- only writer.
CREATE TABLE revision (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);

INSERT INTO revision (id, value) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

-- The writer draws `operation`. After an unanswered commit, it tells if the change was made. It shows a node if the
-- history still has the node's newest change.
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

-- Uses of secrets: the last use, and counts in spans of ten minutes, kept for a day. They reference no other table, so
-- that a node that hangs while it writes them does not delay a revocation.
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

-- Lost changes that nodes reported, until an operator accepts the loss.
CREATE TABLE lost_changes (
    revision  BIGINT  NOT NULL,
    operation TEXT    NOT NULL,
    accepted  BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (revision, operation)
);

-- The timeline of the last change. A promoted standby begins a new timeline.
ALTER TABLE revision ADD COLUMN timeline TEXT NOT NULL DEFAULT '';

-- The progress of a copy into this store. The row without a table's name has the source. Until the copy is finished,
-- `revision` has no row.
CREATE TABLE copy_progress (
    table_name TEXT NOT NULL PRIMARY KEY,
    came_to    TEXT NOT NULL
);

-- The statements for pruned events of a log: a signed checkpoint, and the state from which the chain and the tree
-- continue.
CREATE TABLE pruned_logs (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    last_hash    BYTEA  NOT NULL,
    peaks        BYTEA  NOT NULL,
    checkpoint   TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, size)
);

-- The order of the events of all logs, and the progress of each sink.
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

-- The allowed origins of callbacks. The change log names a changed secret by its locator, and a changed list of origins
-- by its organization.

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

-- Connectors to third parties, and link sessions.

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

-- Tool calls through MCP. Deleting a user does not delete its calls.

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

-- Operators' sign-in links and sessions. Only the digest of each token is stored.

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

-- The store's own record: one row, which the program makes at opening. `oldest_schema` is the number of migrations that
-- a program must at least know to use the store. A migration that older programs cannot work with comes after a
-- migration that raises this number.

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

-- Named changes, kept for a while: for repeats with an idempotency key, for unanswered commits, and for answers that
-- wait until the change is in effect.

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

-- Link sessions. A session is bound to the browser that opened the start URL, and its tokens wait for the backend's
-- confirmation. The old table stays empty from now on, and its sessions end. So an older program finds no session of
-- this table, and keeps no unconfirmed tokens.

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

-- Tokens to revoke at third parties.

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

-- Operators whom an identity provider can sign in. All other operators are local, whatever names a provider gives.

ALTER TABLE operators ADD COLUMN by_provider BIGINT NOT NULL DEFAULT 0;

ALTER TABLE operators ADD COLUMN issuer TEXT;

ALTER TABLE operators ADD COLUMN subject TEXT;

CREATE UNIQUE INDEX operators_by_identity ON operators (issuer, subject);

-- The id of the store's sealing key, or NULL until a server has started with a key.

ALTER TABLE store ADD COLUMN sealing_key TEXT;

-- The id of an event's actor, or NULL in older events.

ALTER TABLE audit_events ADD COLUMN actor_id TEXT;

-- The format of a secret that another service made, or NULL.

ALTER TABLE secrets ADD COLUMN imported TEXT;

-- The locators of all secrets that were ever imported. A revoked secret stays here, so it cannot be imported again.

CREATE TABLE imports (
    locator TEXT NOT NULL PRIMARY KEY
);

-- The external id and the state of an organization, and the time from which the data of a closed organization is erased.
-- An older program may use the store until an organization is suspended.

ALTER TABLE organizations ADD COLUMN external_id TEXT;

ALTER TABLE organizations ADD COLUMN state TEXT NOT NULL DEFAULT 'active';

ALTER TABLE organizations ADD COLUMN erase_at BIGINT;

CREATE UNIQUE INDEX organizations_by_external_id ON organizations (external_id);

CREATE INDEX organizations_by_name ON organizations (name);

CREATE INDEX organizations_by_erasure ON organizations (erase_at);

-- What a session's node says of itself, for people, and the store's time of that. Older programs say nothing.

ALTER TABLE sessions ADD COLUMN host TEXT, ADD COLUMN program TEXT, ADD COLUMN described_at BIGINT, ADD COLUMN store_time BIGINT;

-- Revoked secrets, for 30 days, with the calls that were refused since. An older program remembers none.

CREATE TABLE retired_secrets (
    organization      TEXT   NOT NULL,
    environment       TEXT   NOT NULL,
    locator           TEXT   NOT NULL UNIQUE,
    digest            BYTEA  NOT NULL,
    access_key        TEXT   NOT NULL,
    generation        BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    retired_at        BIGINT NOT NULL,
    refused           BIGINT NOT NULL,
    last_refused_at   BIGINT,
    last_refused_from TEXT,
    PRIMARY KEY (organization, environment, locator)
);

CREATE INDEX retired_secrets_by_time ON retired_secrets (retired_at);

-- Operators' passkeys: public keys, by which the page recognizes operators' devices. An older program signs nobody in by them.

CREATE TABLE passkeys (
    id           TEXT   NOT NULL PRIMARY KEY,
    operator     TEXT   NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    credential   BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX passkeys_by_operator ON passkeys (operator);

-- The challenges that a passkey has answered, for a while: each is answered once.

CREATE TABLE spent_challenges (
    challenge  BYTEA  NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX spent_challenges_by_expiry ON spent_challenges (expires_at);

-- The note of a key.

ALTER TABLE access_keys ADD COLUMN note TEXT;

-- The marks of a secret that was reported as leaked.

ALTER TABLE secrets ADD COLUMN reported_at BIGINT;

ALTER TABLE secrets ADD COLUMN quarantined_at BIGINT;
