-- The marks of a secret that was reported as leaked. A program that does not know them is excluded at the first quarantine.

ALTER TABLE secrets ADD COLUMN reported_at BIGINT;

ALTER TABLE secrets ADD COLUMN quarantined_at BIGINT;
