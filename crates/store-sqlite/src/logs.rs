//! Writing events, each as the next event of its log.

use doorward_audit::{Event, EventDraft};
use doorward_store::StoreError;
use doorward_store_sql::{audit, sql};
use rusqlite::Connection;

use crate::{identity, row};

/// Writes an event as the next event of its log, in the transaction of its change.
pub(crate) fn append(connection: &Connection, draft: &EventDraft) -> Result<(), StoreError> {
    let last = sql("SELECT sequence, hash FROM audit_events WHERE organization = $1 AND environment = $2
                    ORDER BY sequence DESC LIMIT 1");
    let last = last.bind(&draft.organization).bind(&draft.environment);
    let last = row::find(connection, &last)?;
    let event = Event::following(last, identity::incarnation(connection)?, draft.clone());
    row::write(connection, &audit::append(&event)?)
}

/// Writes an event if its change was made. Returns `is_done`.
pub(crate) fn append_if(connection: &Connection, is_done: bool, draft: &EventDraft) -> Result<bool, StoreError> {
    if is_done {
        append(connection, draft)?;
    }
    Ok(is_done)
}
