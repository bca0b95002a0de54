use std::net::IpAddr;

use async_trait::async_trait;
use doorward_audit::{Event, EventDraft, Hash};
use doorward_store::{AuditLog, Page, Scope, StoreError};
use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, row};

/// Writes an event as the next of its log, in the transaction of the change that it tells of.
pub(crate) fn append(transaction: &Transaction<'_>, event: &EventDraft) -> Result<(), StoreError> {
    let detail = serde_json::to_string(&event.detail).map_err(unavailable)?;
    transaction
        .prepare_cached(
            "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject,
                                       source_address, request_id, detail)
             SELECT ?1, ?2, coalesce(max(sequence), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9
             FROM audit_events WHERE organization = ?1 AND environment = ?2",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                event.organization.to_string(),
                event.environment.as_str(),
                event.time.as_millis(),
                event.actor.as_str(),
                event.action.as_str(),
                event.subject,
                event.source_address.map(|address| address.to_string()),
                event.request_id.map(|id| id.to_string()),
                detail,
            ])
        })
        .map_err(of_write)?;
    Ok(())
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn events(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let (organization, environment) = (scope.organization(), scope.environment());
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT organization, environment, sequence, time, actor, action, subject, source_address,
                            request_id, detail, previous_hash, hash
                     FROM audit_events WHERE organization = ?1 AND environment = ?2 AND sequence < ?3
                     ORDER BY sequence DESC LIMIT ?4",
                )
                .map_err(unavailable)?;
            let below = page.after.and_then(|after| i64::try_from(after).ok()).unwrap_or(i64::MAX);
            list.query_map(params![organization.to_string(), environment.as_str(), below, page.limit], event)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let detail = serde_json::from_str(row.get_ref(9)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, Type::Text, error.into()))?;
    let hash = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 32]>>(column)?.map(Hash));
    Ok(Event {
        sequence: row.get(2)?,
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
        previous_hash: hash(10)?,
        hash: hash(11)?,
    })
}
