-- Each change's operation, so that a node sees whether the store still has what it knew; what was found missing;
-- and how far a copy into this store has come.

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
