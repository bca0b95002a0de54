-- What stands for the events that were cut off the beginning of a log: a signed checkpoint, and what the chain and the tree
-- go on from.

CREATE TABLE pruned_logs (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    last_hash    BLOB   NOT NULL,
    peaks        BLOB   NOT NULL,
    checkpoint   TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, size)
) WITHOUT ROWID;
