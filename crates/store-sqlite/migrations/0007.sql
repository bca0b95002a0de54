-- Connectors to third parties, and link sessions.

CREATE TABLE connectors (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    sealed       BLOB   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, name)
) WITHOUT ROWID;

CREATE TABLE link_sessions (
    organization    TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    state           BLOB   NOT NULL UNIQUE,
    registered_user TEXT   NOT NULL,
    sealed          BLOB   NOT NULL,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (organization, environment, id),
    FOREIGN KEY (organization, environment, registered_user)
        REFERENCES registered_users (organization, environment, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX link_sessions_by_expiry ON link_sessions (expires_at);
