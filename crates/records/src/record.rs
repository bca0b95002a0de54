use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Page, Scope, StoreError};

/// A record of one environment, kept in a [`Table`].
pub trait Record: Clone + Send + Sync + 'static {
    /// What names a record within its scope.
    type Key: Clone + Send + Sync;

    /// This record's key.
    fn key(&self) -> Self::Key;
}

/// Records of one kind, each in its organization and environment.
///
/// A [`crate::Credential`] that another one replaces, that is deleted, or whose user is deleted, becomes a [`crate::Revocation`] in the
/// same transaction.
#[async_trait]
pub trait Table<R: Record>: Send + Sync {
    /// Adds a record; [`doorward_store::Conflict::Duplicate`] where its key or a unique field is taken in this scope.
    async fn insert(&self, scope: &Scope, record: R) -> Result<(), StoreError>;

    /// Adds a record, or puts it in the place of the one with its key (keeping when that was created);
    /// [`StoreError::Missing`] where the record that it belongs to does not exist in this scope. The event that tells of it is
    /// written in the same transaction.
    async fn put(&self, scope: &Scope, record: R, event: EventDraft) -> Result<(), StoreError>;

    /// The record with this key in this scope.
    async fn get(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, StoreError>;

    /// Records of this scope, newest key first.
    async fn list(&self, scope: &Scope, page: Page<R::Key>) -> Result<Vec<R>, StoreError>;

    /// Removes a record and all that belongs to it, and returns whether there was one. If so, the event that tells of it is
    /// written in the same transaction.
    async fn delete(&self, scope: &Scope, key: &R::Key, event: EventDraft) -> Result<bool, StoreError>;
}
