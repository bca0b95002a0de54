-- The name of the key that the store's values are sealed with; none until a server has started with one.

ALTER TABLE store ADD COLUMN sealing_key TEXT;
