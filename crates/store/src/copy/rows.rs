use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_types::Incarnation;

use super::{CopiedTable, Row};
use crate::{Coherence, Revision, StoreError};

/// A store as rows of its tables: how it moves to another engine.
///
/// A store that is being filled has no revision, so that nothing can be changed in it and no node can start on it, until
/// the copy was verified.
#[async_trait]
pub trait Rows: Coherence {
    /// Returns every table that moves, each after those that it refers to: the same for all engines that move to each other.
    fn tables(&self) -> &'static [CopiedTable];

    /// Returns how many rows of this table move.
    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError>;

    /// Returns a page of rows, in the engine's own order of their keys, after the one with the key that `after` begins with.
    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError>;

    /// Begins a copy into this store, or goes on with the one that was begun; returns how far each table has come.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::NotEmpty`] if the store holds anything that did not come by a copy.
    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError>;

    /// Adds rows, and notes in the same transaction that the copy has come as far as `until`.
    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError>;

    /// Called when a table has all of its rows, before those come that refer to them.
    async fn table_filled(&self, _table: &'static CopiedTable) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes out all that a copy has brought so far, so that it can begin again.
    async fn abandon_copy(&self) -> Result<(), StoreError>;

    /// Opens the store for use, at the source's revision, with its prefix of keys and its incarnation: an event that the
    /// source lost in a restore shares its place with no event of the copy.
    async fn finish_copy(
        &self,
        revision: Revision,
        prefix: Option<&KeyPrefix>,
        incarnation: Incarnation,
    ) -> Result<(), StoreError>;
}

/// How far a copy has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CopyProgress {
    /// The source that it comes from.
    pub source: String,
    /// The tables that were begun: the name of each, and the note of its last batch.
    pub tables: Vec<(String, String)>,
}
