//! The tables of a copy to another engine.

use doorward_audit::Pruned;
use doorward_records::{Connector, Credential, RegisteredUser, Revocation, ToolCall};
use doorward_store::copy::{CopiedTable, CopyProgress, Row};
use doorward_store::{AccessKey, Operation, Operator, Organization, OriginEntry, Passkey, RetiredSecret, Secret};

use crate::table::{Stored, names, places};
use crate::{Statement, audit, coherence, keys, sql};

/// Every copied table, after the tables that it references. Sessions and the change log are not copied: they concern
/// nodes of the old store. Link sessions, which last for half an hour, operators' sessions and answered
/// challenges are not copied either.
pub const TABLES: &[CopiedTable] = &[
    Organization::TABLE,
    AccessKey::TABLE,
    Secret::TABLE,
    keys::IMPORTS,
    RetiredSecret::TABLE,
    OriginEntry::TABLE,
    audit::EVENTS,
    Pruned::TABLE,
    audit::SINKS,
    Operator::TABLE,
    Passkey::TABLE,
    RegisteredUser::TABLE,
    Credential::TABLE,
    Connector::TABLE,
    Revocation::TABLE,
    ToolCall::TABLE,
    Operation::TABLE,
    coherence::LAST_USES,
    coherence::USES,
    coherence::LOST_CHANGES,
];

/// Counts the copied rows.
pub fn count(table: &CopiedTable) -> Statement {
    sql(format!("SELECT count(*) FROM {} WHERE {}", table.name, table.only.unwrap_or("TRUE")))
}

/// Reads a page of the copied rows in the order of their keys, from the beginning or after a key.
pub fn page(table: &CopiedTable, after: Option<Row>, limit: u32) -> Statement {
    let key: Vec<_> = names(table.columns).into_iter().take(table.key).collect();
    let (key, only) = (key.join(", "), table.only.unwrap_or("TRUE"));
    let after_it = after.as_ref().map(|after| format!("({key}) > ({})", places(1, after.len())));
    let after_it = after_it.unwrap_or_else(|| "TRUE".to_owned());
    let (name, columns) = (table.name, table.column_list());
    let page = sql(format!("SELECT {columns} FROM {name} WHERE {after_it} AND {only} ORDER BY {key} LIMIT {limit}"));
    let cells = after.into_iter().flatten().zip(table.columns);
    cells.fold(page, |page, (cell, (_, kind))| page.cell(*kind, cell))
}

/// Returns a row if the table has a row.
pub fn any(table: &CopiedTable) -> Statement {
    sql(format!("SELECT 1 FROM {} LIMIT 1", table.name))
}

/// Removes the rows of a table.
pub fn clear(table: &CopiedTable) -> Statement {
    sql(format!("DELETE FROM {}", table.name))
}

/// Deletes the sealing key id of an abandoned copy.
pub fn forget_sealing_key() -> Statement {
    sql("UPDATE store SET sealing_key = NULL WHERE id = 1")
}

/// Stores the progress of a table's copy. If the name is empty, stores the source of the copy.
pub fn note(table: &str, came_to: &str) -> Statement {
    let note = "INSERT INTO copy_progress (table_name, came_to) VALUES ($1, $2)
                ON CONFLICT (table_name) DO UPDATE SET came_to = excluded.came_to";
    sql(note).text(table).text(came_to)
}

/// Reads the notes of a copy: two columns of text.
pub fn notes() -> Statement {
    sql("SELECT table_name, came_to FROM copy_progress")
}

/// Returns the progress of a copy from its notes.
#[must_use]
pub fn progress(notes: Vec<(String, String)>) -> CopyProgress {
    let mut progress = CopyProgress::default();
    for (table, came_to) in notes {
        if table.is_empty() {
            progress.source = came_to;
        } else {
            progress.tables.push((table, came_to));
        }
    }
    progress
}

/// Removes the notes of a copy.
pub fn forget_notes() -> Statement {
    sql("DELETE FROM copy_progress")
}
