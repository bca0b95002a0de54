use async_trait::async_trait;
use deadpool_postgres::Transaction;
use doorward_audit::{Action, ChainFault, Event, EventDraft, Hash, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_types::{Environment, Name, OrganizationId, Timestamp};
use tokio_postgres::Row;

use crate::connect::in_time;
use crate::error::{of_statement, unavailable};
use crate::row::{self, bytes, number, text};
use crate::{PostgresStore, transaction};

/// Writes an event as the next of its log, in the transaction of the change that it tells of; that one holds the lock.
pub(crate) async fn append(transaction: &Transaction<'_>, draft: &EventDraft) -> Result<(), StoreError> {
    let (organization, environment) = (draft.organization.to_string(), draft.environment.as_str());
    let last = "SELECT sequence, hash FROM audit_events WHERE organization = $1 AND environment = $2
                ORDER BY sequence DESC LIMIT 1";
    let last = transaction
        .query_typed(last, &[text(&organization), text(&environment)])
        .await
        .map_err(of_statement)?
        .first()
        .map(|last| Ok::<_, StoreError>((row::count(last, 0)?, hash(last, 1)?)))
        .transpose()?;
    let event = Event::following(last, draft.clone());
    let detail = serde_json::to_string(&draft.detail).map_err(unavailable)?;
    let (sequence, time) = (row::big(event.sequence), draft.time.as_millis());
    let (actor, action) = (draft.actor.as_str(), draft.action.as_str());
    let source_address = draft.source_address.map(|address| address.to_string());
    let request_id = draft.request_id.map(|id| id.to_string());
    let hashes = [event.previous_hash, event.hash].map(|hash| hash.map(|hash| hash.0.to_vec()));
    let [previous_hash, hash] = &hashes;
    let insert = "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject,
                                            source_address, request_id, detail, previous_hash, hash, position)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                          (SELECT coalesce(max(position), 0) + 1 FROM audit_events))";
    let params = [
        text(&organization),
        text(&environment),
        number(&sequence),
        number(&time),
        text(&actor),
        text(&action),
        text(&draft.subject),
        text(&source_address),
        text(&request_id),
        text(&detail),
        bytes(previous_hash),
        bytes(hash),
    ];
    transaction.execute_typed(insert, &params).await.map(drop).map_err(of_statement)
}

pub(crate) const COLUMNS: &str =
    "SELECT organization, environment, sequence, time, actor, action, subject, source_address,
                              request_id, detail, previous_hash, hash, position FROM audit_events";

#[async_trait]
impl AuditLog for PostgresStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        let (below, limit) = (page.after.map_or(i64::MAX, row::big), i64::from(page.limit));
        let sql = format!(
            "{COLUMNS} WHERE organization = $1 AND environment = $2 AND sequence < $3
               AND ($5 IS NULL OR time >= $5) AND ($6 IS NULL OR time < $6) AND ($7 IS NULL OR action = $7)
               AND ($8 IS NULL OR actor = $8) AND ($9 IS NULL OR subject = $9)
             ORDER BY sequence DESC LIMIT $4"
        );
        let (since, until) = (filter.since.map(Timestamp::as_millis), filter.until.map(Timestamp::as_millis));
        let (action, actor) = (filter.action.map(Action::as_str), filter.actor.as_ref().map(Name::as_str));
        let params = [
            text(&organization),
            text(&environment),
            number(&below),
            number(&limit),
            number(&since),
            number(&until),
            text(&action),
            text(&actor),
            text(&filter.subject),
        ];
        self.query(&sql, &params).await?.iter().map(event).collect()
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            transaction::lock(&transaction).await?;
            append(&transaction, &event).await?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        let (above, limit) = (page.after.map_or(i64::MIN, row::big), i64::from(page.limit));
        let sql = format!(
            "{COLUMNS} WHERE organization = $1 AND environment = $2 AND sequence > $3 ORDER BY sequence LIMIT $4"
        );
        let params = [text(&organization), text(&environment), number(&above), number(&limit)];
        Ok(self.query(&sql, &params).await?.iter().map(link).collect())
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        let sql = "SELECT size, last_hash, peaks, checkpoint FROM pruned_logs
                   WHERE organization = $1 AND environment = $2 ORDER BY size DESC LIMIT 1";
        let found = self.query(sql, &[text(&organization), text(&environment)]).await?;
        let pruned = |found: &Row| {
            let peaks: &[u8] = row::get(found, 2)?;
            Ok(Pruned {
                size: row::count(found, 0)?,
                last_hash: hash(found, 1)?.ok_or_else(|| StoreError::Corrupt("pruned events without a hash".into()))?,
                peaks: peaks.as_chunks().0.iter().copied().map(Hash).collect(),
                checkpoint: row::get(found, 3)?,
            })
        };
        found.first().map(pruned).transpose()
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        let (size, last_hash) = (row::big(pruned.size), pruned.last_hash.0.to_vec());
        let peaks: Vec<u8> = pruned.peaks.iter().flat_map(|peak| peak.0).collect();
        let place = [text(&organization), text(&environment), number(&size)];
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            transaction::lock(&transaction).await?;
            let there = "SELECT 1 FROM audit_events
                         WHERE organization = $1 AND environment = $2 AND sequence = $3 AND hash = $4";
            let params = [&place[..], &[bytes(&last_hash)]].concat();
            if transaction.query_typed(there, &params).await.map_err(of_statement)?.is_empty() {
                return Err(Conflict::Stale.into());
            }
            let unshipped = "SELECT 1 FROM sinks WHERE position < (
                                 SELECT max(position) FROM audit_events
                                 WHERE organization = $1 AND environment = $2 AND sequence <= $3)";
            if !transaction.query_typed(unshipped, &place).await.map_err(of_statement)?.is_empty() {
                return Err(Conflict::Unshipped.into());
            }
            append(&transaction, &event).await?;
            let cut = "DELETE FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence <= $3";
            transaction.execute_typed(cut, &place).await.map_err(of_statement)?;
            let insert = "INSERT INTO pruned_logs (organization, environment, size, last_hash, peaks, checkpoint)
                          VALUES ($1, $2, $3, $4, $5, $6)";
            let params = [&params[..], &[bytes(&peaks), text(&pruned.checkpoint)]].concat();
            transaction.execute_typed(insert, &params).await.map_err(of_statement)?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        let sql = "SELECT DISTINCT organization, environment FROM audit_events ORDER BY 1, 2";
        let log = |found: &Row| Ok((row::parsed(found, 0)?, row::parsed(found, 1)?));
        self.query(sql, &[]).await?.iter().map(log).collect()
    }
}

fn hash(found: &Row, column: usize) -> Result<Option<Hash>, StoreError> {
    let bytes: Option<&[u8]> = row::get(found, column)?;
    let hash = bytes.map(|bytes| bytes.try_into().map(Hash)).transpose();
    hash.map_err(|error| StoreError::Corrupt(format!("a hash: {error}")))
}

/// Reads an event by itself, so that one which cannot be read does not hide those after it.
pub(crate) fn link(found: &Row) -> Result<Event, ChainFault> {
    event(found).map_err(|error| ChainFault::Unreadable {
        sequence: row::count(found, 2).unwrap_or_default(),
        reason: error.to_string(),
    })
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let detail = serde_json::from_str(row::get(row, 9)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Event {
        sequence: row::count(row, 2)?,
        draft: EventDraft {
            organization: row::parsed(row, 0)?,
            environment: row::parsed(row, 1)?,
            time: row::timestamp(row, 3)?,
            actor: row::parsed(row, 4)?,
            action: row::parsed(row, 5)?,
            subject: row::get(row, 6)?,
            source_address: row::parsed_option(row, 7)?,
            request_id: row::parsed_option(row, 8)?,
            detail,
        },
        previous_hash: hash(row, 10)?,
        hash: hash(row, 11)?,
    })
}
