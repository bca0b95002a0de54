-- The format of a secret that another service made, or NULL.

ALTER TABLE secrets ADD COLUMN imported TEXT;

-- The locators of all secrets that were ever imported. A revoked secret stays here, so it cannot be imported again.

CREATE TABLE imports (
    locator TEXT NOT NULL PRIMARY KEY
);
