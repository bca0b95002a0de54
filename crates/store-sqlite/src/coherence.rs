use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use doorward_store::{
    CHANGE_LOG_LENGTH, Coherence, LiveSecret, OperationId, OriginEntry, OriginsChange, Poll, Position, Revision,
    SecretChange, Session, SessionStatus, StoreError, Touched,
};
use doorward_types::{Locator, SessionId};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::error::{of_read, unavailable};
use crate::{SqliteStore, lost, origins, row, transact};

/// What the last poll found, and the file's `data_version` from before it looked.
///
/// While that version stands, no one has committed since, so that the answer stands too: a poll of one microsecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastPoll {
    data_version: i64,
    session: SessionId,
    position: Position,
}

#[async_trait]
impl Coherence for SqliteStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let lease = u64::try_from(session.lease.as_millis()).unwrap_or(u64::MAX);
            transaction
                .execute(
                    "INSERT INTO sessions (id, lease_ms, retired) VALUES (?1, ?2, 0)",
                    params![session.id.to_string(), lease],
                )
                .map_err(unavailable)?;
            Ok(())
        })
        .await
    }

    async fn live_secrets(&self, after: Option<&LiveSecret>, limit: u32) -> Result<Vec<LiveSecret>, StoreError> {
        let after = after.map(|live| {
            let (key, secret) = (&live.key, &live.secret);
            [key.organization.to_string(), key.environment.to_string(), key.id.to_string(), secret.state.to_string()]
        });
        let [organization, environment, key, state] = after.unwrap_or_default();
        self.read(move |transaction| {
            let sql = live_secrets_where(
                "(s.organization, s.environment, s.access_key, s.state) > (?1, ?2, ?3, ?4)
                 ORDER BY s.organization, s.environment, s.access_key, s.state LIMIT ?5",
            );
            let mut list = transaction.prepare_cached(&sql).map_err(unavailable)?;
            list.query_map(params![organization, environment, key, state, limit], row::live_secret)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn live_origins(&self, after: Option<&OriginEntry>, limit: u32) -> Result<Vec<OriginEntry>, StoreError> {
        let after = after.map(|entry| [entry.organization.to_string(), entry.id.to_string()]);
        let [organization, id] = after.unwrap_or_default();
        self.read(move |transaction| {
            let sql = format!(
                "SELECT {} FROM allowed_origins WHERE (organization, id) > (?1, ?2) ORDER BY organization, id LIMIT ?3",
                origins::COLUMNS
            );
            let mut list = transaction.prepare_cached(&sql).map_err(unavailable)?;
            list.query_map(params![organization, id, limit], origins::entry)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn live_secret(&self, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
        self.read(move |transaction| find_live_secret(transaction, locator)).await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.read(newest_position).await
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Poll, StoreError> {
        let last_poll = Arc::clone(&self.last_poll);
        self.poller
            .run(move |connection| {
                let mut last_poll = last_poll.lock().unwrap_or_else(PoisonError::into_inner);
                let data_version = data_version(connection)?;
                let unchanged = last_poll.is_some_and(|last| {
                    last.data_version == data_version && last.session == session && last.position == since
                });
                if unchanged {
                    return Ok(nothing_new(since));
                }
                let found = transact(connection, TransactionBehavior::Deferred, |transaction| {
                    look(transaction, session, since)
                })?;
                *last_poll = match found {
                    Poll::Current { position, .. } => Some(LastPoll { data_version, session, position }),
                    _ => None,
                };
                Ok(found)
            })
            .await
    }

    async fn acknowledge(&self, session: SessionId, revision: Revision) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE sessions SET acknowledged = ?2 WHERE id = ?1 AND (acknowledged IS NULL OR acknowledged < ?2)",
                )
                .and_then(|mut update| update.execute(params![session.to_string(), revision.0]))
                .map_err(unavailable)?;
            Ok(())
        })
        .await
    }

    async fn sessions(&self) -> Result<Vec<SessionStatus>, StoreError> {
        self.read(|transaction| {
            let mut list = transaction
                .prepare_cached("SELECT id, lease_ms, acknowledged, retired FROM sessions ORDER BY id")
                .map_err(unavailable)?;
            let status = |row: &rusqlite::Row<'_>| {
                let session = Session { id: row::parsed(row, 0)?, lease: Duration::from_millis(row.get(1)?) };
                let acknowledged: Option<u64> = row.get(2)?;
                Ok(SessionStatus { session, acknowledged: acknowledged.map(Revision), retired: row.get(3)? })
            };
            list.query_map([], status).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.for_each_session("UPDATE sessions SET retired = 1 WHERE id = ?1", sessions).await
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.for_each_session("DELETE FROM sessions WHERE id = ?1", sessions).await
    }

    fn poll_interval(&self) -> Duration {
        // A poll costs microseconds, and a change from another process takes effect with the next one.
        Duration::from_millis(10)
    }
}

impl SqliteStore {
    async fn for_each_session(&self, sql: &'static str, sessions: &[SessionId]) -> Result<(), StoreError> {
        let sessions = sessions.to_vec();
        self.write(move |transaction| {
            for session in sessions {
                transaction.execute(sql, [session.to_string()]).map_err(unavailable)?;
            }
            Ok(())
        })
        .await
    }
}

/// Outside of a transaction: within one, it would not see the commits of others.
fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)))
        .map_err(unavailable)
}

fn newest_position(transaction: &Transaction<'_>) -> Result<Position, StoreError> {
    let mut newest = transaction.prepare_cached("SELECT value FROM revision WHERE id = 1").map_err(unavailable)?;
    let revision = newest.query_row([], |row| row.get(0)).optional().map_err(unavailable)?;
    let revision = Revision(revision.ok_or(StoreError::Unfinished)?);
    Ok(Position { revision, operation: operation_at(transaction, revision)? })
}

/// The operation of a change, where the log still has it.
fn operation_at(transaction: &Transaction<'_>, revision: Revision) -> Result<OperationId, StoreError> {
    let mut find =
        transaction.prepare_cached("SELECT operation FROM changes WHERE revision = ?1 LIMIT 1").map_err(unavailable)?;
    let found = find.query_row([revision.0], |row| row::parsed(row, 0)).optional().map_err(of_read)?;
    Ok(found.unwrap_or_default())
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

fn find_live_secret(transaction: &Transaction<'_>, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
    let mut find = transaction.prepare_cached(&live_secrets_where("s.locator = ?1")).map_err(unavailable)?;
    find.query_row([locator.as_str()], row::live_secret).optional().map_err(of_read)
}

fn look(transaction: &Transaction<'_>, session: SessionId, since: Position) -> Result<Poll, StoreError> {
    let session = session.to_string();
    let in_force: Option<bool> = transaction
        .prepare_cached("SELECT retired = 0 FROM sessions WHERE id = ?1")
        .and_then(|mut find| find.query_row([&session], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    if in_force != Some(true) {
        return Ok(Poll::Retired);
    }
    let position = newest_position(transaction)?;
    let behind = since.revision.0 + (CHANGE_LOG_LENGTH as u64) < position.revision.0;
    let lost = !behind
        && (since.revision > position.revision || since.operation != operation_at(transaction, since.revision)?);
    if lost && !lost::is_noted(transaction, since)? {
        return Ok(Poll::Lost(since));
    }
    if let Some(change) = lost::open(transaction)? {
        return Ok(Poll::Lost(change));
    }
    if behind || lost {
        return Ok(Poll::Behind);
    }
    if since == position {
        return Ok(nothing_new(position));
    }
    let mut list = transaction
        .prepare_cached("SELECT touched, min(node IS ?2) FROM changes WHERE revision > ?1 GROUP BY touched")
        .map_err(unavailable)?;
    let all: Vec<(_, bool)> = list
        .query_map(params![since.revision.0, session], |row| Ok((row::parsed(row, 0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(of_read)?;
    let acknowledgement_wanted = all.iter().any(|(_, all_mine)| !all_mine);
    let (mut changes, mut origins) = (Vec::new(), Vec::new());
    for (touched, _) in all {
        match touched {
            Touched::Origins(organization) => {
                origins.push(OriginsChange { organization, entries: origins::of(transaction, organization)? });
            }
            Touched::Secret(locator) => {
                changes.push(SecretChange { locator, live: find_live_secret(transaction, locator)? });
            }
        }
    }
    Ok(Poll::Current { position, changes, origins, acknowledgement_wanted })
}

const fn nothing_new(position: Position) -> Poll {
    Poll::Current { position, changes: vec![], origins: vec![], acknowledgement_wanted: false }
}
