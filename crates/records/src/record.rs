use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Page, Scope, StoreError};

/// A record of one environment, stored in a [`Table`].
pub trait Record: Clone + Send + Sync + 'static {
    /// The key of a record within its scope.
    type Key: Clone + Send + Sync;

    /// Returns the key of this record.
    fn key(&self) -> Self::Key;
}

/// Records of one kind, each in its organization and environment.
///
/// A [`crate::Credential`] that is deleted or replaced, or whose user is deleted, becomes a [`crate::Revocation`] in
/// the same transaction.
#[async_trait]
pub trait Table<R: Record>: Send + Sync {
    /// Adds a record. Fails with [`doorward_store::Conflict::Duplicate`] if its key or a unique field is taken in this
    /// scope.
    async fn insert(&self, scope: &Scope, record: R) -> Result<(), StoreError>;

    /// Adds a record, or replaces the record with its key and keeps the time of creation. Writes the event in the same
    /// transaction. Fails with [`StoreError::NotFound`] if the record's parent does not exist in this scope.
    async fn put(&self, scope: &Scope, record: R, event: EventDraft) -> Result<(), StoreError>;

    /// Returns the record with this key in this scope.
    async fn get(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, StoreError>;

    /// Returns records of this scope, newest key first.
    async fn list(&self, scope: &Scope, page: Page<R::Key>) -> Result<Vec<R>, StoreError>;

    /// Deletes a record with its dependent records, and writes the event in the same transaction. Returns false, and
    /// writes no event, if there is no such record.
    async fn delete(&self, scope: &Scope, key: &R::Key, event: EventDraft) -> Result<bool, StoreError>;
}
