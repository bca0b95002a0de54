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
) WITHOUT ROWID;

CREATE INDEX tool_calls_by_user ON tool_calls (organization, environment, registered_user, id);
