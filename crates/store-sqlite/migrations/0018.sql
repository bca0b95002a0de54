-- Operators' passkeys: public keys, by which the page recognizes operators' devices. An older program signs nobody in by them.

CREATE TABLE passkeys (
    id           TEXT   NOT NULL PRIMARY KEY,
    operator     TEXT   NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    credential   BLOB   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX passkeys_by_operator ON passkeys (operator);

-- The challenges that a passkey has answered, for a while: each is answered once.

CREATE TABLE spent_challenges (
    challenge  BLOB   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX spent_challenges_by_expiry ON spent_challenges (expires_at);
