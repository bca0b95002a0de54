//! The service's own table, under Doorward's rule: each statement needs a scope.

use doorward::store::Scope;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// A note of one environment of one organization.
#[derive(Debug, Serialize)]
pub struct Note {
    id: i64,
    text: String,
}

/// The table.
#[derive(Debug)]
pub struct Notes(Connection);

impl Notes {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened.
    pub fn open(path: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS notes (
                id           INTEGER PRIMARY KEY,
                organization TEXT NOT NULL,
                environment  TEXT NOT NULL,
                text         TEXT NOT NULL
            )",
        )?;
        Ok(Self(connection))
    }

    /// Adds a note.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn add(&self, scope: &Scope, text: &str) -> rusqlite::Result<i64> {
        let (organization, environment) = place(scope);
        self.0.execute(
            "INSERT INTO notes (organization, environment, text) VALUES (?1, ?2, ?3)",
            params![organization, environment, text],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Returns the note with this id in this scope. A note of another scope is not found.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn get(&self, scope: &Scope, id: i64) -> rusqlite::Result<Option<Note>> {
        let (organization, environment) = place(scope);
        let find = "SELECT id, text FROM notes WHERE organization = ?1 AND environment = ?2 AND id = ?3";
        let note = |row: &rusqlite::Row<'_>| Ok(Note { id: row.get(0)?, text: row.get(1)? });
        self.0.query_row(find, params![organization, environment, id], note).optional()
    }
}

fn place(scope: &Scope) -> (String, &'static str) {
    (scope.organization().to_string(), scope.environment().as_str())
}
