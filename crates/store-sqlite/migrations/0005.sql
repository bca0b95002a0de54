-- The order of the events of all logs, and the progress of each sink.

ALTER TABLE audit_events ADD COLUMN position BIGINT NOT NULL DEFAULT 0;

UPDATE audit_events SET position = placed.position
FROM (SELECT organization, environment, sequence,
             row_number() OVER (ORDER BY time, organization, environment, sequence) AS position
      FROM audit_events) AS placed
WHERE audit_events.organization = placed.organization AND audit_events.environment = placed.environment
  AND audit_events.sequence = placed.sequence;

CREATE INDEX audit_events_by_position ON audit_events (position);

CREATE TABLE sinks (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    holder   TEXT,
    beat     BIGINT NOT NULL
) WITHOUT ROWID;
