-- The external id and the state of an organization, and the time from which the data of a closed organization is erased.
-- An older program may use the store until an organization is suspended.

ALTER TABLE organizations ADD COLUMN external_id TEXT;
ALTER TABLE organizations ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE organizations ADD COLUMN erase_at BIGINT;

CREATE UNIQUE INDEX organizations_by_external_id ON organizations (external_id);

CREATE INDEX organizations_by_name ON organizations (name);

CREATE INDEX organizations_by_erasure ON organizations (erase_at);
