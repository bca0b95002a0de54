use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_types::Incarnation;

use crate::{Position, StoreError};

/// Changes that a store had confirmed and then lost, as nodes that knew of them noticed.
///
/// While one of them is not answered for, every node is told [`crate::Poll::Lost`] and serves nothing: with the change, a
/// dead secret may have come back to life. Only an operator can say that this was dealt with.
#[async_trait]
pub trait LostChanges: Send + Sync {
    /// Every change that was ever noted, in order.
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError>;

    /// Answers for these changes, with the event that tells of it; [`StoreError::Missing`] if none of them is open. Another one,
    /// which a node noted meanwhile, stays open: nobody has seen it.
    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError>;

    /// Begins the next incarnation of a store that was restored, after the store's own and after `last`, and writes
    /// the event that tells of it, in one transaction under the lock of changes. Returns the new incarnation, which that
    /// event has already. Lost changes stay open: what died must die again before a node serves.
    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError>;
}

/// A change that was lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LostChange {
    /// Which one it was.
    pub change: Position,
    /// Whether an operator has answered for it.
    pub accepted: bool,
}
