-- The id of an event's actor, or NULL in older events.

ALTER TABLE audit_events ADD COLUMN actor_id TEXT;
