use std::net::IpAddr;

use async_trait::async_trait;
use doorward_audit::{Action, ChainFault, Event, EventDraft, Hash, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, identity, row};

/// Writes an event as the next of its log, in the transaction of the change that it tells of.
pub(crate) fn append(connection: &Connection, draft: &EventDraft) -> Result<(), StoreError> {
    let (organization, environment) = (draft.organization.to_string(), draft.environment.as_str());
    let last = connection
        .prepare_cached(
            "SELECT sequence, hash FROM audit_events WHERE organization = ?1 AND environment = ?2
             ORDER BY sequence DESC LIMIT 1",
        )
        .and_then(|mut last| {
            last.query_row([&organization, environment], |row| Ok((row.get(0)?, hash(row, 1)?))).optional()
        })
        .map_err(of_read)?;
    let event = Event::following(last, identity::incarnation(connection)?, draft.clone());
    let detail = serde_json::to_string(&draft.detail).map_err(|error| unavailable(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject,
                                       source_address, request_id, detail, previous_hash, hash, position, incarnation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                     (SELECT coalesce(max(position), 0) + 1 FROM audit_events), ?13)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                organization,
                environment,
                event.sequence,
                draft.time.as_millis(),
                draft.actor.as_str(),
                draft.action.as_str(),
                draft.subject,
                draft.source_address.map(|address| address.to_string()),
                draft.request_id.map(|id| id.to_string()),
                detail,
                event.previous_hash.map(|hash| hash.0),
                event.hash.map(|hash| hash.0),
                event.incarnation.0,
            ])
        })
        .map_err(of_write)?;
    Ok(())
}

/// Writes an event if what it tells of was done; returns whether that was done.
pub(crate) fn append_if(connection: &Connection, is_done: bool, draft: &EventDraft) -> Result<bool, StoreError> {
    if is_done {
        append(connection, draft)?;
    }
    Ok(is_done)
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let (organization, environment, filter) = (scope.organization(), scope.environment(), filter.clone());
        self.scan(move |connection| {
            let mut list = connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE organization = ?1 AND environment = ?2 AND sequence < ?3
                       AND (?5 IS NULL OR time >= ?5) AND (?6 IS NULL OR time < ?6) AND (?7 IS NULL OR action = ?7)
                       AND (?8 IS NULL OR actor = ?8) AND (?9 IS NULL OR subject = ?9)
                     ORDER BY sequence DESC LIMIT ?4"
                ))
                .map_err(unavailable)?;
            let below = page.after.and_then(|after| i64::try_from(after).ok()).unwrap_or(i64::MAX);
            let EventFilter { since, until, action, actor, subject } = filter;
            let params = params![
                organization.to_string(),
                environment.as_str(),
                below,
                page.limit,
                since.map(Timestamp::as_millis),
                until.map(Timestamp::as_millis),
                action.map(Action::as_str),
                actor.as_ref().map(Name::as_str),
                subject,
            ];
            list.query_map(params, event).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| append(connection, &event)).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
        let (organization, environment) = (scope.organization(), scope.environment());
        self.scan(move |connection| {
            let mut list = connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE organization = ?1 AND environment = ?2 AND sequence > ?3
                     ORDER BY sequence LIMIT ?4"
                ))
                .map_err(unavailable)?;
            let above = page.after.map_or(i64::MIN, |after| i64::try_from(after).unwrap_or(i64::MAX));
            let params = params![organization.to_string(), environment.as_str(), above, page.limit];
            list.query_map(params, |row| Ok(link(row))).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment());
        self.read(move |connection| {
            let mut find = connection
                .prepare_cached(
                    "SELECT size, last_hash, peaks, checkpoint FROM pruned_logs
                     WHERE organization = ?1 AND environment = ?2 ORDER BY size DESC LIMIT 1",
                )
                .map_err(unavailable)?;
            let pruned = |row: &Row<'_>| {
                let peaks: Vec<u8> = row.get(2)?;
                Ok(Pruned {
                    size: row.get(0)?,
                    last_hash: Hash(row.get(1)?),
                    peaks: peaks.as_chunks().0.iter().copied().map(Hash).collect(),
                    note: row.get(3)?,
                })
            };
            find.query_row([organization.as_str(), environment.as_str()], pruned).optional().map_err(of_read)
        })
        .await
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        self.write(move |connection| {
            let there = "SELECT 1 FROM audit_events
                         WHERE organization = ?1 AND environment = ?2 AND sequence = ?3 AND hash = ?4";
            let place = params![organization, environment, pruned.size, pruned.last_hash.0];
            if !connection.prepare(there).and_then(|mut there| there.exists(place)).map_err(unavailable)? {
                return Err(Conflict::Stale.into());
            }
            let unshipped = "SELECT 1 FROM sinks WHERE position < (
                                 SELECT max(position) FROM audit_events
                                 WHERE organization = ?1 AND environment = ?2 AND sequence <= ?3)";
            let cut_off = params![organization, environment, pruned.size];
            if connection.prepare(unshipped).and_then(|mut any| any.exists(cut_off)).map_err(unavailable)? {
                return Err(Conflict::Unshipped.into());
            }
            append(connection, &event)?;
            let cut = "DELETE FROM audit_events WHERE organization = ?1 AND environment = ?2 AND sequence <= ?3";
            connection.execute(cut, cut_off).map_err(unavailable)?;
            let peaks: Vec<u8> = pruned.peaks.iter().flat_map(|peak| peak.0).collect();
            let insert = "INSERT INTO pruned_logs (organization, environment, size, last_hash, peaks, checkpoint)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let Pruned { size, last_hash, note, .. } = &pruned;
            let params = params![organization, environment, size, last_hash.0, peaks, note];
            connection.execute(insert, params).map(drop).map_err(of_write)
        })
        .await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let before = before.clone();
        self.write(move |connection| {
            let resign = "UPDATE pruned_logs SET checkpoint = ?1
                          WHERE organization = ?2 AND environment = ?3 AND size = ?4 AND last_hash = ?5 AND checkpoint = ?6
                            AND size = (SELECT max(size) FROM pruned_logs WHERE organization = ?2 AND environment = ?3)";
            let (organization, environment) = (event.organization.to_string(), event.environment.as_str());
            let place = params![after.note, organization, environment, before.size, before.last_hash.0, before.note];
            if connection.execute(resign, place).map_err(unavailable)? != 1 {
                return Err(Conflict::Stale.into());
            }
            append(connection, &event)
        })
        .await
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.scan(|connection| {
            let mut list = connection
                .prepare_cached(
                    "SELECT organization, environment FROM audit_events
                     UNION SELECT organization, environment FROM pruned_logs ORDER BY 1, 2",
                )
                .map_err(unavailable)?;
            list.query_map([], |row| Ok((row::parsed(row, 0)?, row::parsed(row, 1)?)))
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }
}

pub(crate) const COLUMNS: &str =
    "SELECT organization, environment, sequence, time, actor, action, subject, source_address,
                              request_id, detail, previous_hash, hash, position, incarnation FROM audit_events";

fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Hash>> {
    Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(Hash))
}

/// Reads an event by itself, so that one which cannot be read does not hide those after it.
pub(crate) fn link(row: &Row<'_>) -> Result<Event, ChainFault> {
    event(row)
        .map_err(|error| ChainFault::Unreadable { sequence: row.get(2).unwrap_or_default(), reason: error.to_string() })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let detail = serde_json::from_str(row.get_ref(9)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, Type::Text, error.into()))?;
    Ok(Event {
        sequence: row.get(2)?,
        incarnation: Incarnation(row.get(13)?),
        draft: EventDraft {
            organization: row::parsed(row, 0)?,
            environment: row::parsed(row, 1)?,
            time: row::timestamp(row, 3)?,
            actor: row::parsed(row, 4)?,
            action: row::parsed(row, 5)?,
            subject: row.get(6)?,
            source_address: row::parsed_option::<IpAddr>(row, 7)?,
            request_id: row::parsed_option(row, 8)?,
            detail,
        },
        previous_hash: hash(row, 10)?,
        hash: hash(row, 11)?,
    })
}
