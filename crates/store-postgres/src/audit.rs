use async_trait::async_trait;
use deadpool_postgres::Transaction;
use doorward_audit::{Event, EventDraft, Hash};
use doorward_store::{AuditLog, Page, Scope, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::error::{of_statement, unavailable};
use crate::row::{self, number, text};

/// Writes an event as the next of its log, in the transaction of the change that it tells of; that one holds the lock.
pub(crate) async fn append(transaction: &Transaction<'_>, event: &EventDraft) -> Result<(), StoreError> {
    let detail = serde_json::to_string(&event.detail).map_err(unavailable)?;
    let (organization, environment) = (event.organization.to_string(), event.environment.as_str());
    let (actor, action, time) = (event.actor.as_str(), event.action.as_str(), event.time.as_millis());
    let source_address = event.source_address.map(|address| address.to_string());
    let request_id = event.request_id.map(|id| id.to_string());
    let insert = "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject,
                                            source_address, request_id, detail)
                  SELECT $1, $2, coalesce(max(sequence), 0) + 1, $3, $4, $5, $6, $7, $8, $9
                  FROM audit_events WHERE organization = $1 AND environment = $2";
    let params = [
        text(&organization),
        text(&environment),
        number(&time),
        text(&actor),
        text(&action),
        text(&event.subject),
        text(&source_address),
        text(&request_id),
        text(&detail),
    ];
    transaction.execute_typed(insert, &params).await.map(drop).map_err(of_statement)
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn events(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let (organization, environment) = (scope.organization().to_string(), scope.environment().as_str());
        let (below, limit) = (page.after.map_or(i64::MAX, row::big), i64::from(page.limit));
        let sql = "SELECT organization, environment, sequence, time, actor, action, subject, source_address,
                          request_id, detail, previous_hash, hash
                   FROM audit_events WHERE organization = $1 AND environment = $2 AND sequence < $3
                   ORDER BY sequence DESC LIMIT $4";
        let params = [text(&organization), text(&environment), number(&below), number(&limit)];
        self.query(sql, &params).await?.iter().map(event).collect()
    }
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let corrupt = |error: &dyn std::fmt::Display| StoreError::Corrupt(error.to_string());
    let detail = serde_json::from_str(row::get(row, 9)?).map_err(|error| corrupt(&error))?;
    let hash = |column| {
        let bytes: Option<&[u8]> = row::get(row, column)?;
        bytes.map(|bytes| bytes.try_into().map(Hash).map_err(|error| corrupt(&error))).transpose()
    };
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
        previous_hash: hash(10)?,
        hash: hash(11)?,
    })
}
