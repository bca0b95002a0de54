//! Events of audit logs, statements for pruned events, and sinks.

use doorward_audit::{ActorId, Attribution, ChainError, Detail, Event, EventDraft, Pruned};
use doorward_store::{EventFilter, OutboxEntry, Page, Scope, SinkState, StoreError};
use doorward_types::{Name, RequestId, SessionId};
use std::net::IpAddr;

use crate::table::{Stored, insert_text, places, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    /// The table of events. The last column is the position, which is not part of an event.
    EVENTS = "audit_events" key 3 {
        organization: Text,
        environment: Text,
        sequence: Number,
        incarnation: Number,
        time: Number,
        actor: Text,
        actor_id: Text,
        action: Text,
        subject: Text,
        source_address: Text,
        request_id: Text,
        detail: Text,
        previous_hash: Bytes,
        hash: Bytes,
        position: Number,
    }
}

/// Returns the first part of the statements that read events.
fn select_events() -> String {
    format!("SELECT {} FROM audit_events", EVENTS.column_list())
}

/// Writes an event at the next position.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if the event's detail is not JSON.
pub fn append(event: &Event) -> Result<Statement, StoreError> {
    let insert = text!(
        "INSERT INTO audit_events ({}) VALUES ({}, (SELECT coalesce(max(position), 0) + 1 FROM audit_events))",
        EVENTS.column_list(),
        places(1, EVENTS.columns.len() - 1)
    );
    let Event { sequence, incarnation, draft, previous_hash, hash, .. } = event;
    let detail = serde_json::to_string(&draft.detail).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let insert = sql(insert).bind(&draft.organization).bind(&draft.environment).bind(sequence).bind(incarnation);
    let insert = insert.bind(&draft.time).bind(&draft.actor).bind(&draft.actor_id).bind(&draft.action);
    let insert = insert.bind(&draft.subject).bind(&draft.source_address).bind(&draft.request_id);
    Ok(insert.bind(&detail).bind(previous_hash).bind(hash))
}

impl FromRow for Event {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let (organization, environment) = (row.take()?, row.take()?);
        let (sequence, incarnation) = (row.take()?, row.take()?);
        let (time, actor) = (row.take()?, row.take()?);
        let by = Attribution::local(actor).with_actor_id(row.take::<Option<ActorId>>()?);
        let (action, subject) = (row.take()?, row.take()?);
        let by =
            by.with_source_address(row.take::<Option<IpAddr>>()?).with_request_id(row.take::<Option<RequestId>>()?);
        let detail: Detail =
            serde_json::from_str(&row.take::<String>()?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let draft = EventDraft::new(&by, time, action, subject, (organization, environment)).with_detail(detail);
        Ok(Event::new(sequence, incarnation, draft, row.take()?, row.take()?))
    }
}

/// Each event is read separately, so that an unreadable event does not hide later events.
impl FromRow for Result<Event, ChainError> {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let mut own = row.skip(2);
        let event = Event::read(row);
        Ok(event.map_err(|error| ChainError::Unreadable {
            sequence: own.take().unwrap_or_default(),
            reason: error.to_string(),
        }))
    }
}

/// Reads a page of a log's events, newest first.
pub fn events(scope: &Scope, filter: &EventFilter, page: &Page<u64>) -> Statement {
    let list = text!(
        "{} WHERE organization = $1 AND environment = $2 AND sequence < $3
           AND ($4 IS NULL OR time >= $4) AND ($5 IS NULL OR time < $5) AND ($6 IS NULL OR action = $6)
           AND ($7 IS NULL OR actor = $7) AND ($8 IS NULL OR subject = $8)
           AND ($9 IS NULL OR actor LIKE $9 ESCAPE '!' OR lower(actor) LIKE $10 ESCAPE '!')
         ORDER BY sequence DESC LIMIT $11",
        select_events()
    );
    let EventFilter { since, until, action, actor, actor_part, subject } = filter;
    let part = actor_part.as_ref().map(|part| format!("%{}%", escaped(part)));
    let lower = part.as_ref().map(|part| part.to_ascii_lowercase());
    let list = sql(list).scope(scope).bind(&page.after.unwrap_or(u64::MAX)).bind(since).bind(until);
    list.bind(action).bind(actor).bind(subject).bind(&part).bind(&lower).bind(&page.limit)
}

/// Returns a text in which LIKE finds no pattern, with `!` before each letter of patterns.
fn escaped(text: &str) -> String {
    let letters =
        text.chars().flat_map(|letter| matches!(letter, '%' | '_' | '!').then_some('!').into_iter().chain([letter]));
    letters.collect()
}

/// Reads a page of a log's events, oldest first, each separately.
pub fn chain(scope: &Scope, page: &Page<u64>) -> Statement {
    let list = text!(
        "{} WHERE organization = $1 AND environment = $2 AND sequence > $3 ORDER BY sequence LIMIT $4",
        select_events()
    );
    let above = page.after.map_or(i64::MIN, |after| i64::try_from(after).unwrap_or(i64::MAX));
    sql(list).scope(scope).bind(&above).bind(&page.limit)
}

/// Reads the logs that have or had events.
pub fn logs() -> Statement {
    sql("SELECT organization, environment FROM audit_events
         UNION SELECT organization, environment FROM pruned_logs ORDER BY 1, 2")
}

table! {
    Pruned in "pruned_logs" key 3 of { organization: Text, environment: Text }
    ( size, last_hash, peaks, note = "checkpoint" )
}

/// Reads the newest prune of a log.
pub fn pruned(scope: &Scope) -> Statement {
    let find =
        text!("{} WHERE organization = $1 AND environment = $2 ORDER BY size DESC LIMIT 1", select_text::<Pruned>());
    sql(find).scope(scope)
}

/// Returns a row if the log has the last event to prune.
pub fn prunes_to(scope: &Scope, pruned: &Pruned) -> Statement {
    let there = "SELECT 1 FROM audit_events
                 WHERE organization = $1 AND environment = $2 AND sequence = $3 AND hash = $4";
    sql(there).scope(scope).bind(&pruned.size).bind(&pruned.last_hash)
}

/// Returns a row if a sink has not shipped all events to prune.
pub fn unshipped(scope: &Scope, pruned: &Pruned) -> Statement {
    let unshipped = "SELECT 1 FROM sinks WHERE position < (
                         SELECT max(position) FROM audit_events
                         WHERE organization = $1 AND environment = $2 AND sequence <= $3)";
    sql(unshipped).scope(scope).bind(&pruned.size)
}

/// Prunes a log.
pub fn prune(scope: &Scope, pruned: &Pruned) -> [Statement; 2] {
    let cut = "DELETE FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence <= $3";
    let insert = sql(text!("{}", insert_text(&Pruned::TABLE))).scope(scope);
    [sql(cut).scope(scope).bind(&pruned.size), pruned.bind(insert)]
}

/// Replaces the note of the newest prune, `before`.
pub fn resign(before: &Pruned, note: &str, event: &EventDraft) -> Statement {
    let resign = "UPDATE pruned_logs SET checkpoint = $1
                  WHERE organization = $2 AND environment = $3 AND size = $4 AND last_hash = $5 AND checkpoint = $6
                    AND size = (SELECT max(size) FROM pruned_logs WHERE organization = $2 AND environment = $3)";
    let resign = sql(resign).text(note).bind(&event.organization).bind(&event.environment);
    resign.bind(&before.size).bind(&before.last_hash).bind(&before.note)
}

/// Reads the events after a position of the outbox.
pub fn events_after(position: u64, limit: u32) -> Statement {
    sql(text!("{} WHERE position > $1 ORDER BY position LIMIT $2", select_events())).bind(&position).bind(&limit)
}

impl FromRow for OutboxEntry {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let mut position = row.skip(EVENTS.columns.len() - 1);
        Ok(OutboxEntry { event: FromRow::read(row)?, position: position.take()? })
    }
}

table! {
    SINKS = "sinks" key 1 { name: Text, position: Number, holder: Text, beat: Number }
}

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
        Ok(SinkState::new(name, position, holder, beat, behind, row.take()?))
    }
}

/// Acquires a sink whose beat is `beat`, or a new sink if `beat` is `None`.
pub fn acquire_sink(name: &Name, beat: Option<u64>, holder: SessionId) -> Statement {
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

/// Stores a holder's progress.
pub fn commit_sink(name: &Name, holder: SessionId, position: u64) -> Statement {
    let advance = "UPDATE sinks SET position = $1, beat = beat + 1 WHERE name = $2 AND holder = $3";
    sql(advance).bind(&position).bind(name).bind(&holder)
}

/// Releases a sink.
pub fn release_sink(name: &Name, holder: SessionId) -> Statement {
    let release = "UPDATE sinks SET holder = NULL, beat = beat + 1 WHERE name = $1 AND holder = $2";
    sql(release).bind(name).bind(&holder)
}

/// Forgets a sink.
pub fn delete_sink(name: &Name) -> Statement {
    sql("DELETE FROM sinks WHERE name = $1").bind(name)
}
