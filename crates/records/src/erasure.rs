use async_trait::async_trait;
use doorward_store::StoreError;
use doorward_types::Timestamp;

/// The erasure of closed organizations.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Erases the data of each organization that is closed and due by its `erase_at`: registered users, credentials, link
    /// sessions, tool calls and connectors. Audit logs stay. Does nothing twice, so that any node may call it at any time.
    ///
    /// Credentials and tokens become [`Revocation`](crate::Revocation)s in the same transaction. Connectors are erased by
    /// the first call after all revocations of the organization have ended, because a revocation needs its connector.
    /// The call also clears `erase_at`.
    async fn erase_closed(&self, now: Timestamp) -> Result<(), StoreError>;
}
