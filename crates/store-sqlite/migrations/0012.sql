-- The id of the store's sealing key, or NULL until a server has started with a key.

ALTER TABLE store ADD COLUMN sealing_key TEXT;
