-- The id of the actor of an event; none in events from before.

ALTER TABLE audit_events ADD COLUMN actor_id TEXT;
