-- Operators' sign-in links and sessions. Only the digest of each token is stored.

CREATE TABLE sign_ins (
    token      BLOB    NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    operator   TEXT   NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sign_ins_by_operator ON sign_ins (operator);

CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);
