//! The registry of nodes, by which a writer learns that a change is in effect on every node.

use std::sync::Arc;

use async_trait::async_trait;
use doorward_types::SessionId;

use crate::{ChangeFeed, Position, Revision, Session, SessionStatus, Sourced, StoreError};

/// The sessions of the nodes that follow a [`ChangeFeed`], with the revision that each has acknowledged.
#[async_trait]
pub trait NodeRegistry: ChangeFeed {
    /// Adds a session durably, and raises the store's longest lease to the session's lease if that is longer. It takes
    /// the lock of changes, so that no change misses the session. A node registers *before* its first read.
    async fn register(&self, session: Session) -> Result<(), StoreError>;

    /// Records that the session has applied and published all changes up to `position`. A removed session is not added
    /// again. A position that is not in this store's history is ignored: the session read it before a restore or a
    /// failover.
    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError>;

    /// Asks every session that has not acknowledged `revision` to do so after its next poll.
    async fn ask(&self, revision: Revision) -> Result<(), StoreError>;

    /// Returns every session, retired ones included.
    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError>;

    /// Marks sessions as retired, which their next poll reports. Writers still wait for retired sessions.
    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// Removes sessions. A session's owner may remove it after it has stopped verifying. Others may remove a session
    /// after they saw it retired for the longest time of a lease.
    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// Returns a second handle on the same store with its own connections, for a node's control plane. Requests do not
    /// use these connections, so they cannot delay a poll.
    ///
    /// The default returns `None`: the node then shares the connections of requests. If requests use all connections, a
    /// poll is late, the lease ends, and the node answers 503 until the next poll.
    fn control(&self) -> Option<Arc<dyn NodeRegistry>> {
        None
    }
}
