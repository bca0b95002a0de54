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
) WITHOUT ROWID;
