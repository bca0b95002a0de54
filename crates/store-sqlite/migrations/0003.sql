-- Operations of changes, which show a node if the store still has the node's newest change; lost changes; and the
-- progress of a copy into this store.

ALTER TABLE changes ADD COLUMN operation TEXT NOT NULL DEFAULT '';

CREATE TABLE lost_changes (
    revision  BIGINT NOT NULL,
    operation TEXT   NOT NULL,
    accepted  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (revision, operation)
) WITHOUT ROWID;

CREATE TABLE copy_progress (
    table_name TEXT NOT NULL PRIMARY KEY,
    came_to    TEXT NOT NULL
) WITHOUT ROWID;
