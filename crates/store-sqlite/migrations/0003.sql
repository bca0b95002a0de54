-- Each change's operation, so that a node sees whether the store still has what it knew; and what was found missing.

ALTER TABLE changes ADD COLUMN operation TEXT NOT NULL DEFAULT '';

CREATE TABLE lost_changes (
    revision  BIGINT NOT NULL,
    operation TEXT   NOT NULL,
    accepted  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (revision, operation)
) WITHOUT ROWID;
