-- The statements for pruned events of a log: a signed checkpoint, and the state from which the chain and the tree
-- continue.

CREATE TABLE pruned_logs (
    organization TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    last_hash    BLOB   NOT NULL,
    peaks        BLOB   NOT NULL,
    checkpoint   TEXT   NOT NULL,
    PRIMARY KEY (organization, environment, size)
) WITHOUT ROWID;
