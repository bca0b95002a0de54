//! Events of audit logs, what stands for those that were pruned, and the sinks that events are shipped to.

use doorward_audit::{ChainFault, Event, EventDraft, Pruned};
use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{EventFilter, Page, Scope, Shipment, SinkState, StoreError};
use doorward_types::{Name, SessionId};

use crate::table::{insert_text, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

/// The table of events.
pub(crate) const EVENTS: CopiedTable = CopiedTable {
    name: "audit_events",
    columns: &[
        ("organization", Kind::Text),
        ("environment", Kind::Text),
        ("sequence", Kind::Number),
        ("time", Kind::Number),
        ("actor", Kind::Text),
        ("action", Kind::Text),
        ("subject", Kind::Text),
        ("source_address", Kind::Text),
        ("request_id", Kind::Text),
        ("detail", Kind::Text),
        ("previous_hash", Kind::Bytes),
        ("hash", Kind::Bytes),
        ("position", Kind::Number),
        ("incarnation", Kind::Number),
        ("actor_id", Kind::Text),
    ],
    key: 3,
    only: None,
};

/// The columns of an event.
const EVENT: &str = "sequence, incarnation, organization, environment, time, actor, action, subject, source_address,
                     request_id, detail, previous_hash, hash, actor_id";

/// Writes an event at the next position.
///
/// # Errors
///
/// [`StoreError::Corrupt`], if the event's detail is no JSON.
pub fn append(event: &Event) -> Result<Statement, StoreError> {
    let insert = text!(
        "INSERT INTO audit_events ({EVENT}, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                 (SELECT coalesce(max(position), 0) + 1 FROM audit_events))"
    );
    let Event { sequence, incarnation, draft, previous_hash, hash } = event;
    let EventDraft {
        time,
        actor,
        actor_id,
        action,
        subject,
        organization,
        environment,
        source_address,
        request_id,
        detail,
    } = draft;
    let detail = serde_json::to_string(detail).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let insert = sql(insert).bind(sequence).bind(incarnation).bind(organization).bind(environment).bind(time);
    let insert = insert.bind(actor).bind(action).bind(subject).bind(source_address).bind(request_id);
    Ok(insert.bind(&detail).bind(previous_hash).bind(hash).bind(actor_id))
}

impl FromRow for Event {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let sequence = row.take()?;
        event_at(sequence, row)
    }
}

fn event_at(sequence: u64, row: &mut Reader<'_>) -> Result<Event, StoreError> {
    let incarnation = row.take()?;
    let mut draft = EventDraft {
        organization: row.take()?,
        environment: row.take()?,
        time: row.take()?,
        actor: row.take()?,
        actor_id: None,
        action: row.take()?,
        subject: row.take()?,
        source_address: row.take()?,
        request_id: row.take()?,
        detail: serde_json::from_str(&row.take::<String>()?).map_err(|error| StoreError::Corrupt(error.to_string()))?,
    };
    let (previous_hash, hash) = (row.take()?, row.take()?);
    draft.actor_id = row.take()?;
    Ok(Event { sequence, incarnation, draft, previous_hash, hash })
}

/// An event is read by itself, so that one which cannot be read does not hide those after it.
impl FromRow for Result<Event, ChainFault> {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let sequence = row.take();
        let known = sequence.as_ref().copied().unwrap_or_default();
        let event = sequence.and_then(|sequence| event_at(sequence, row));
        Ok(event.map_err(|error| ChainFault::Unreadable { sequence: known, reason: error.to_string() }))
    }
}

/// Reads a page of a log's events, newest first.
pub fn events(scope: &Scope, filter: &EventFilter, page: &Page<u64>) -> Statement {
    let list = text!(
        "SELECT {EVENT} FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence < $3
           AND ($4 IS NULL OR time >= $4) AND ($5 IS NULL OR time < $5) AND ($6 IS NULL OR action = $6)
           AND ($7 IS NULL OR actor = $7) AND ($8 IS NULL OR subject = $8)
         ORDER BY sequence DESC LIMIT $9"
    );
    let EventFilter { since, until, action, actor, subject } = filter;
    let list = sql(list).scope(scope).bind(&page.after.unwrap_or(u64::MAX)).bind(since).bind(until);
    list.bind(action).bind(actor).bind(subject).bind(&page.limit)
}

/// Reads a page of a log's events, oldest first, each by itself.
pub fn chain(scope: &Scope, page: &Page<u64>) -> Statement {
    let list = text!(
        "SELECT {EVENT} FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence > $3
         ORDER BY sequence LIMIT $4"
    );
    let above = page.after.map_or(i64::MIN, |after| i64::try_from(after).unwrap_or(i64::MAX));
    sql(list).scope(scope).bind(&above).bind(&page.limit)
}

/// Reads the logs that have events or had some.
pub fn logs() -> Statement {
    sql("SELECT organization, environment FROM audit_events
         UNION SELECT organization, environment FROM pruned_logs ORDER BY 1, 2")
}

table! {
    Pruned in "pruned_logs" key 3 of { organization: Text, environment: Text }
    { size, last_hash, peaks, note = "checkpoint" }
}

/// Reads what stands for the events that were pruned from a log.
pub fn pruned(scope: &Scope) -> Statement {
    let find =
        text!("{} WHERE organization = $1 AND environment = $2 ORDER BY size DESC LIMIT 1", select_text::<Pruned>());
    sql(find).scope(scope)
}

/// Reads whether a log has the event up to which it is to be pruned.
pub fn prunes_to(scope: &Scope, pruned: &Pruned) -> Statement {
    let there = "SELECT 1 FROM audit_events
                 WHERE organization = $1 AND environment = $2 AND sequence = $3 AND hash = $4";
    sql(there).scope(scope).bind(&pruned.size).bind(&pruned.last_hash)
}

/// Reads whether a sink has not shipped all that is to be pruned.
pub fn unshipped(scope: &Scope, pruned: &Pruned) -> Statement {
    let unshipped = "SELECT 1 FROM sinks WHERE position < (
                         SELECT max(position) FROM audit_events
                         WHERE organization = $1 AND environment = $2 AND sequence <= $3)";
    sql(unshipped).scope(scope).bind(&pruned.size)
}

/// Prunes a log.
pub fn prune(scope: &Scope, pruned: &Pruned) -> [Statement; 2] {
    let cut = "DELETE FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence <= $3";
    let insert = sql(text!("{}", insert_text::<Pruned>())).scope(scope);
    [sql(cut).scope(scope).bind(&pruned.size), crate::table::Stored::bind(pruned, insert)]
}

/// Puts another note in the place of the newest prune's, which is `before`.
pub fn resign(before: &Pruned, note: &str, event: &EventDraft) -> Statement {
    let resign = "UPDATE pruned_logs SET checkpoint = $1
                  WHERE organization = $2 AND environment = $3 AND size = $4 AND last_hash = $5 AND checkpoint = $6
                    AND size = (SELECT max(size) FROM pruned_logs WHERE organization = $2 AND environment = $3)";
    let resign = sql(resign).text(note).bind(&event.organization).bind(&event.environment);
    resign.bind(&before.size).bind(&before.last_hash).bind(&before.note)
}

/// Reads the events after a position of the outbox.
pub fn events_after(position: u64, limit: u32) -> Statement {
    let list = text!("SELECT position, {EVENT} FROM audit_events WHERE position > $1 ORDER BY position LIMIT $2");
    sql(list).bind(&position).bind(&limit)
}

impl FromRow for Shipment {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(Shipment { position: row.take()?, event: FromRow::read(row)? })
    }
}

pub(crate) const SINKS: CopiedTable = CopiedTable {
    name: "sinks",
    columns: &[("name", Kind::Text), ("position", Kind::Number), ("holder", Kind::Text), ("beat", Kind::Number)],
    key: 1,
    only: None,
};

/// Reads every sink.
pub fn sinks() -> Statement {
    sql("SELECT s.name, s.position, s.holder, s.beat, (SELECT coalesce(max(position), 0) FROM audit_events),
                (SELECT e.time FROM audit_events e WHERE e.position > s.position ORDER BY e.position LIMIT 1)
         FROM sinks s ORDER BY s.name")
}

impl FromRow for SinkState {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let (name, position, holder, beat) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let behind = row.take::<u64>()?.saturating_sub(position);
        Ok(SinkState { name, position, holder, beat, behind, behind_since: row.take()? })
    }
}

/// Takes a sink that is at this beat, or one that there has never been.
pub fn take_sink(name: &Name, beat: Option<u64>, holder: SessionId) -> Statement {
    match beat {
        Some(beat) => {
            let take = "UPDATE sinks SET holder = $1, beat = beat + 1 WHERE name = $2 AND beat = $3";
            sql(take).bind(&holder).bind(name).bind(&beat)
        }
        None => {
            let make = "INSERT INTO sinks (holder, name, position, beat) VALUES ($1, $2, 0, 1)
                        ON CONFLICT (name) DO NOTHING";
            sql(make).bind(&holder).bind(name)
        }
    }
}

/// Notes how far a holder has come.
pub fn advance_sink(name: &Name, holder: SessionId, position: u64) -> Statement {
    let advance = "UPDATE sinks SET position = $1, beat = beat + 1 WHERE name = $2 AND holder = $3";
    sql(advance).bind(&position).bind(name).bind(&holder)
}

/// Lets go of a sink.
pub fn release_sink(name: &Name, holder: SessionId) -> Statement {
    let release = "UPDATE sinks SET holder = NULL, beat = beat + 1 WHERE name = $1 AND holder = $2";
    sql(release).bind(name).bind(&holder)
}

/// Forgets a sink.
pub fn forget_sink(name: &Name) -> Statement {
    sql("DELETE FROM sinks WHERE name = $1").bind(name)
}
