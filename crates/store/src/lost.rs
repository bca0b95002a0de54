use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_types::Incarnation;

use crate::{Position, StoreError};

/// Changes that a store confirmed and then lost. Nodes that know them report the loss.
///
/// Until an operator accepts the loss, every node's poll returns [`crate::Poll::Diverged`] and the node serves nothing,
/// because a revoked secret may be active again. Only an operator can confirm that the loss was handled.
#[async_trait]
pub trait LostChangeStore: std::fmt::Debug + Send + Sync {
    /// Returns every recorded lost change, in order.
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError>;

    /// Accepts the loss of these changes and writes the event. Fails with [`StoreError::NotFound`] if none of the
    /// changes is open. Losses that nodes report meanwhile stay open, because the operator has not seen them.
    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError>;

    /// Begins the next incarnation of a restored store, above the store's own and `last`, and writes the event, in one
    /// transaction under the lock of changes. Returns the new incarnation. The event already belongs to it. Lost
    /// changes stay open: the secrets must be revoked again before a node serves.
    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError>;
}

/// A lost change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LostChange {
    /// The position of the change.
    pub change: Position,
    /// True if an operator has accepted the loss.
    pub accepted: bool,
}

impl LostChange {
    /// Creates the record of a lost change.
    #[must_use]
    pub const fn new(change: Position, accepted: bool) -> Self {
        Self { change, accepted }
    }
}
