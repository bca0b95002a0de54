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
) WITHOUT ROWID;
