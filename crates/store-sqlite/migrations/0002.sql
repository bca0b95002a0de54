-- Uses of secrets: the last use, and counts in spans of ten minutes, kept for a day.

CREATE TABLE last_uses (
    locator      TEXT   NOT NULL PRIMARY KEY REFERENCES secrets (locator) ON DELETE CASCADE,
    last_used_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE uses (
    locator TEXT   NOT NULL REFERENCES secrets (locator) ON DELETE CASCADE,
    span    BIGINT NOT NULL,
    uses    BIGINT NOT NULL,
    PRIMARY KEY (locator, span)
) WITHOUT ROWID;

CREATE INDEX uses_by_span ON uses (span);
