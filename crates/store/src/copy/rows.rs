use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_types::Incarnation;

use super::{CopiedTable, Row};
use crate::{ChangeFeed, Revision, StoreError};

/// A store as rows of its tables, for a copy to another engine.
///
/// A store has no revision until its copy was verified: before, no change can be made and no node can start on it.
#[async_trait]
pub trait Rows: ChangeFeed {
    /// Returns every copied table, after the tables that it references. Engines that copy to each other have the same
    /// tables.
    fn tables(&self) -> &'static [CopiedTable];

    /// Returns the number of copied rows of this table.
    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError>;

    /// Returns a page of rows in the engine's order of keys, after the row whose key begins `after`.
    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError>;

    /// Begins a copy into this store, or continues an unfinished copy. Returns the progress of each table.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::NotEmpty`] if the store has data from another origin than a copy.
    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError>;

    /// Adds rows, and stores the progress `until` in the same transaction.
    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError>;

    /// Called when a table is complete, before the rows that reference it are added.
    async fn table_filled(&self, _table: &'static CopiedTable) -> Result<(), StoreError> {
        Ok(())
    }

    /// Removes all copied rows, so that a copy can begin again.
    async fn abandon_copy(&self) -> Result<(), StoreError>;

    /// Opens the store for use, with the source's revision, key prefix and incarnation. With the incarnation, no event
    /// of the copy can be taken for an event that the source lost in a restore.
    async fn finish_copy(
        &self,
        revision: Revision,
        prefix: Option<&KeyPrefix>,
        incarnation: Incarnation,
    ) -> Result<(), StoreError>;
}

/// The progress of a copy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CopyProgress {
    /// The source of the copy.
    pub source: String,
    /// The tables that were begun: each table's name and the note of its last batch.
    pub tables: Vec<(String, String)>,
}
