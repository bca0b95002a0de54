-- What a session's node says of itself, for people, and the store's time of that. Older programs say nothing.

ALTER TABLE sessions ADD COLUMN host TEXT;
ALTER TABLE sessions ADD COLUMN program TEXT;
ALTER TABLE sessions ADD COLUMN described_at BIGINT;
ALTER TABLE sessions ADD COLUMN store_time BIGINT;
