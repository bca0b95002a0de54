//! The facts of the coherence protocol, as every handle on a store reads and writes them.

use doorward_store::{
    LiveSecret, Observation, OperationId, OriginEntry, OriginsChange, Position, Revision, SecretChange, Session,
    SessionStatus, Sourced, StoreError, Touched,
};
use doorward_store_sql::coherence::{self as rows, STATUS};
use doorward_store_sql::table::columns;
use doorward_store_sql::{keys, sql, text};
use doorward_types::{Locator, SessionId};
use rusqlite::Connection;

use crate::error::unavailable;
use crate::reader::{LastPoll, Reader};
use crate::{identity, row};

/// Reads the facts of a poll.
pub(crate) fn poll(
    reader: &mut Reader,
    session: SessionId,
    since: Position,
) -> Result<Sourced<Observation>, StoreError> {
    reader.prove()?;
    let data_version = data_version(&reader.connection)?;
    if let Some(last) = &reader.last_poll
        && (last.data_version, last.session, last.since) == (data_version, session, since)
    {
        return Ok(last.found.clone());
    }
    let found = reader.read(|transaction| {
        let found = observe(transaction, session, since)?;
        identity::sourced(transaction, found)
    })?;
    reader.last_poll = Some(LastPoll { data_version, session, since, found: found.clone() });
    Ok(found)
}

/// Outside of a transaction: within one, it would not see the commits of others.
fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)))
        .map_err(unavailable)
}

fn observe(connection: &Connection, session: SessionId, since: Position) -> Result<Observation, StoreError> {
    let touched = sql("SELECT touched, max(node IS NOT $1) FROM changes WHERE revision > $2 GROUP BY touched");
    let touched = touched.bind(&session).bind(&since.revision);
    let all: Vec<(_, bool)> = row::list(connection, &touched)?;
    let touched_by_others = all.iter().any(|(_, by_others)| *by_others);
    let (mut changes, mut origins) = (Vec::new(), Vec::new());
    for (touched, _) in all {
        match touched {
            Touched::Origins(organization) => {
                let entries = row::list(connection, &keys::origins(organization))?;
                origins.push(OriginsChange { organization, entries });
            }
            Touched::Secret(locator) => changes.push(SecretChange { locator, live: live_secret(connection, locator)? }),
        }
    }
    Ok(Observation {
        session: find_session(connection, session)?,
        position: position(connection)?,
        operation_there: operation_at(connection, since.revision)?,
        is_noted: is_noted(connection, since)?,
        open_loss: open_loss(connection)?,
        touched_by_others,
        changes,
        origins,
    })
}

pub(crate) fn position(connection: &Connection) -> Result<Position, StoreError> {
    let revision = row::value(connection, &sql("SELECT value FROM revision WHERE id = 1"))?;
    let revision = revision.ok_or(StoreError::Unfinished)?;
    Ok(Position { revision, operation: operation_at(connection, revision)? })
}

/// Returns the operation of a change, if the log still has it.
fn operation_at(connection: &Connection, revision: Revision) -> Result<OperationId, StoreError> {
    let find = sql("SELECT operation FROM changes WHERE revision = $1 LIMIT 1").bind(&revision);
    row::value(connection, &find).map(Option::unwrap_or_default)
}

/// Returns a change that no operator has answered for.
fn open_loss(connection: &Connection) -> Result<Option<Position>, StoreError> {
    let find = sql("SELECT revision, operation FROM lost_changes WHERE NOT accepted LIMIT 1");
    row::find(connection, &find)
}

/// Returns whether this change is noted as lost.
fn is_noted(connection: &Connection, change: Position) -> Result<bool, StoreError> {
    let find = sql("SELECT 1 FROM lost_changes WHERE revision = $1 AND operation = $2");
    row::exists(connection, &find.bind(&change.revision).bind(&change.operation))
}

fn find_session(connection: &Connection, session: SessionId) -> Result<Option<SessionStatus>, StoreError> {
    let find = sql(text!("SELECT {STATUS} FROM sessions n WHERE n.id = $1")).bind(&session);
    row::find(connection, &find)
}

pub(crate) fn sessions(connection: &Connection) -> Result<Vec<SessionStatus>, StoreError> {
    row::list(connection, &sql(text!("SELECT {STATUS} FROM sessions n ORDER BY n.id")))
}

pub(crate) fn register(connection: &Connection, session: Session) -> Result<(), StoreError> {
    row::write(connection, &rows::register(&session))?;
    row::write_some(connection, &rows::raise_longest_lease(session.lease)).map(drop)
}

pub(crate) fn acknowledge(connection: &Connection, session: SessionId, applied: Position) -> Result<(), StoreError> {
    let revision = applied.revision;
    if !applied.is_in(position(connection)?.revision, operation_at(connection, revision)?) {
        return Ok(());
    }
    let raise = sql("UPDATE sessions SET acknowledged = $1 WHERE id = $2 AND coalesce(acknowledged < $1, TRUE)");
    // A session that is gone, or that said so before, needs no row.
    row::write_some(connection, &raise.bind(&revision).bind(&session)).map(drop)
}

pub(crate) fn live_secrets(
    connection: &Connection,
    after: Option<&LiveSecret>,
    limit: u32,
) -> Result<Vec<LiveSecret>, StoreError> {
    let page = text!(
        "{} WHERE (s.organization, s.environment, s.access_key, s.state) > ($1, $2, $3, $4)
         ORDER BY s.organization, s.environment, s.access_key, s.state LIMIT $5",
        select_live()
    );
    row::list(connection, &keys::bind_live_page(sql(page), after, limit))
}

pub(crate) fn live_secret(connection: &Connection, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
    let find = sql(text!("{} WHERE s.locator = $1", select_live())).bind(&locator);
    row::find(connection, &find)
}

fn select_live() -> String {
    format!(
        "SELECT {} FROM secrets s
         JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment AND k.id = s.access_key
         JOIN organizations o ON o.id = s.organization",
        keys::live_columns()
    )
}

pub(crate) fn live_origins(
    connection: &Connection,
    after: Option<&OriginEntry>,
    limit: u32,
) -> Result<Vec<OriginEntry>, StoreError> {
    let page = text!(
        "SELECT {} FROM allowed_origins WHERE (organization, id) > ($1, $2) ORDER BY organization, id LIMIT $3",
        columns::<OriginEntry>("")
    );
    row::list(connection, &keys::bind_origin_page(sql(page), after, limit))
}
