//! The facts of the coherence protocol, as every handle on a store reads and writes them.

use std::time::Duration;

use doorward_store::{
    LiveSecret, Observation, OperationId, OriginEntry, OriginsChange, Position, Revision, SecretChange, Session,
    SessionStatus, Sourced, StoreError, Touched,
};
use doorward_types::{Locator, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::lane::Reader;
use crate::{identity, lost, origins, row};

/// The answer to the last poll on a connection, and the file's `data_version` from before that poll looked.
///
/// While that version stands, nobody has committed since, so that the answer stands too: a poll of microseconds.
#[derive(Debug)]
pub(crate) struct LastPoll {
    data_version: i64,
    session: SessionId,
    since: Position,
    found: Sourced<Observation>,
}

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
    let mut list = connection
        .prepare_cached("SELECT touched, max(node IS NOT ?2) FROM changes WHERE revision > ?1 GROUP BY touched")
        .map_err(unavailable)?;
    let all: Vec<(_, bool)> = list
        .query_map(params![since.revision.0, session.to_string()], |row| Ok((row::parsed(row, 0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(of_read)?;
    let touched_by_others = all.iter().any(|(_, by_others)| *by_others);
    let (mut changes, mut origins) = (Vec::new(), Vec::new());
    for (touched, _) in all {
        match touched {
            Touched::Origins(organization) => {
                origins.push(OriginsChange { organization, entries: origins::of(connection, organization)? });
            }
            Touched::Secret(locator) => changes.push(SecretChange { locator, live: live_secret(connection, locator)? }),
        }
    }
    Ok(Observation {
        session: find_session(connection, session)?,
        position: position(connection)?,
        operation_there: operation_at(connection, since.revision)?,
        is_noted: lost::is_noted(connection, since)?,
        open_loss: lost::open(connection)?,
        touched_by_others,
        changes,
        origins,
    })
}

pub(crate) fn position(connection: &Connection) -> Result<Position, StoreError> {
    let mut newest = connection.prepare_cached("SELECT value FROM revision WHERE id = 1").map_err(unavailable)?;
    let revision = newest.query_row([], |row| row.get(0)).optional().map_err(unavailable)?;
    let revision = Revision(revision.ok_or(StoreError::Unfinished)?);
    Ok(Position { revision, operation: operation_at(connection, revision)? })
}

/// Returns the operation of a change, if the log still has it.
fn operation_at(connection: &Connection, revision: Revision) -> Result<OperationId, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT operation FROM changes WHERE revision = ?1 LIMIT 1").map_err(unavailable)?;
    let found = find.query_row([revision.0], |row| row::parsed(row, 0)).optional().map_err(of_read)?;
    Ok(found.unwrap_or_default())
}

const SESSIONS: &str = "SELECT id, lease_ms, acknowledged, asked, retired FROM sessions";

fn status(row: &Row<'_>) -> rusqlite::Result<SessionStatus> {
    Ok(SessionStatus {
        session: Session { id: row::parsed(row, 0)?, lease: Duration::from_millis(row.get(1)?) },
        acknowledged: row.get::<_, Option<u64>>(2)?.map(Revision),
        asked: row.get::<_, Option<u64>>(3)?.map(Revision),
        retired: row.get(4)?,
    })
}

fn find_session(connection: &Connection, session: SessionId) -> Result<Option<SessionStatus>, StoreError> {
    let mut find = connection.prepare_cached(&format!("{SESSIONS} WHERE id = ?1")).map_err(unavailable)?;
    find.query_row([session.to_string()], status).optional().map_err(of_read)
}

pub(crate) fn sessions(connection: &Connection) -> Result<Vec<SessionStatus>, StoreError> {
    let mut list = connection.prepare_cached(&format!("{SESSIONS} ORDER BY id")).map_err(unavailable)?;
    list.query_map([], status).and_then(Iterator::collect).map_err(of_read)
}

pub(crate) fn register(connection: &Connection, session: Session) -> Result<(), StoreError> {
    let lease = u64::try_from(session.lease.as_millis()).unwrap_or(u64::MAX);
    let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES (?1, ?2, 0)";
    row::write(connection, insert, params![session.id.to_string(), lease])?;
    let raise = "UPDATE store SET longest_lease_ms = max(longest_lease_ms, ?1) WHERE id = 1";
    row::write(connection, raise, [lease])
}

pub(crate) fn acknowledge(connection: &Connection, session: SessionId, applied: Position) -> Result<(), StoreError> {
    let revision = applied.revision;
    if !applied.is_in(position(connection)?.revision, operation_at(connection, revision)?) {
        return Ok(());
    }
    let raise = "UPDATE sessions SET acknowledged = ?2 WHERE id = ?1 AND coalesce(acknowledged < ?2, TRUE)";
    // A session that is gone, or that said so before, needs no row.
    row::write_some(connection, raise, params![session.to_string(), revision.0]).map(drop)
}

pub(crate) fn ask(connection: &Connection, revision: Revision) -> Result<(), StoreError> {
    let ask = "UPDATE sessions SET asked = ?1
               WHERE coalesce(asked < ?1, TRUE) AND coalesce(acknowledged < ?1, TRUE)";
    row::write_some(connection, ask, [revision.0]).map(drop)
}

pub(crate) fn for_each(connection: &Connection, sql: &str, sessions: &[SessionId]) -> Result<(), StoreError> {
    sessions.iter().try_for_each(|session| row::write_some(connection, sql, [session.to_string()]).map(drop))
}

pub(crate) fn live_secrets(
    connection: &Connection,
    after: Option<&LiveSecret>,
    limit: u32,
) -> Result<Vec<LiveSecret>, StoreError> {
    let after = after.map(|live| {
        let (key, secret) = (&live.key, &live.secret);
        [key.organization.to_string(), key.environment.to_string(), key.id.to_string(), secret.state.to_string()]
    });
    let [organization, environment, key, state] = after.unwrap_or_default();
    let sql = live_secrets_where(
        "(s.organization, s.environment, s.access_key, s.state) > (?1, ?2, ?3, ?4)
         ORDER BY s.organization, s.environment, s.access_key, s.state LIMIT ?5",
    );
    let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
    list.query_map(params![organization, environment, key, state, limit], row::live_secret)
        .and_then(Iterator::collect)
        .map_err(of_read)
}

pub(crate) fn live_secret(connection: &Connection, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
    let mut find = connection.prepare_cached(&live_secrets_where("s.locator = ?1")).map_err(unavailable)?;
    find.query_row([locator.as_str()], row::live_secret).optional().map_err(of_read)
}

fn live_secrets_where(condition: &str) -> String {
    format!(
        "SELECT {}, {}, o.name FROM secrets s
         JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment AND k.id = s.access_key
         JOIN organizations o ON o.id = s.organization
         WHERE {condition}",
        row::ACCESS_KEY,
        row::SECRET
    )
}

pub(crate) fn live_origins(
    connection: &Connection,
    after: Option<&OriginEntry>,
    limit: u32,
) -> Result<Vec<OriginEntry>, StoreError> {
    let after = after.map(|entry| [entry.organization.to_string(), entry.id.to_string()]);
    let [organization, id] = after.unwrap_or_default();
    let sql = format!(
        "SELECT {} FROM allowed_origins WHERE (organization, id) > (?1, ?2) ORDER BY organization, id LIMIT ?3",
        origins::COLUMNS
    );
    let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
    list.query_map(params![organization, id, limit], origins::entry).and_then(Iterator::collect).map_err(of_read)
}

pub(crate) fn claim_prefix(connection: &Connection, prefix: &str) -> Result<(), StoreError> {
    let claim = "UPDATE store SET prefix = ?1 WHERE id = 1 AND prefix IS NULL";
    connection.prepare_cached(claim).and_then(|mut claim| claim.execute([prefix])).map(drop).map_err(of_write)
}
