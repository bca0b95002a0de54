-- Revoked secrets, for 30 days, with the calls that were refused since. An older program remembers none.

CREATE TABLE retired_secrets (
    organization      TEXT   NOT NULL,
    environment       TEXT   NOT NULL,
    locator           TEXT   NOT NULL UNIQUE,
    digest            BLOB   NOT NULL,
    access_key        TEXT   NOT NULL,
    generation        BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    retired_at        BIGINT NOT NULL,
    refused           BIGINT NOT NULL,
    last_refused_at   BIGINT,
    last_refused_from TEXT,
    PRIMARY KEY (organization, environment, locator)
);

CREATE INDEX retired_secrets_by_time ON retired_secrets (retired_at);

-- The note of a key.

ALTER TABLE access_keys ADD COLUMN note TEXT;
