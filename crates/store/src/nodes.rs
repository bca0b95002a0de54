//! The registry of nodes, by which a writer learns that a change is in effect on every node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{Name, SessionId, Timestamp};

use crate::{ChangeFeed, Position, Revision, Session, SessionStatus, Sourced, StoreError};

/// The time after which a node that describes itself every minute is out of sight.
const SILENCE: Duration = Duration::from_secs(90);

/// The words of a node about itself, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NodeDescription {
    /// The name of the node's machine.
    pub host: Name,
    /// The name and version of the node's program, such as `doorward-server 0.1.0`.
    pub program: Name,
    /// The time by the node's clock.
    pub at: Timestamp,
}

impl NodeDescription {
    /// Returns the description of a program on a machine, at this time by its clock.
    #[must_use]
    pub const fn new(host: Name, program: Name, at: Timestamp) -> Self {
        Self { host, program, at }
    }
}

/// A session of a node, with what the node says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NodeRecord {
    /// The session.
    pub status: SessionStatus,
    /// The node's newest description, unless the node is of an older program.
    pub description: Option<NodeDescription>,
    /// The time of that description by the store's clock.
    pub store_time: Option<Timestamp>,
}

impl NodeRecord {
    /// Returns a session with its node's newest description, and the store's time of it.
    #[must_use]
    pub fn new(status: SessionStatus, described: Option<(NodeDescription, Timestamp)>) -> Self {
        let (description, store_time) = described.unzip();
        Self { status, description, store_time }
    }

    /// Returns true if the node has not described itself for some time: it has ended, or cannot write to the store. A node that
    /// never describes itself is not judged: it is embedded in a service, or of an older program. `now` is by the store's clock.
    #[must_use]
    pub fn is_out_of_sight(&self, now: Timestamp) -> bool {
        self.store_time.is_some_and(|seen| seen + SILENCE < now)
    }

    /// Returns how many milliseconds the node's clock was ahead of the store's clock at the newest description; negative if it
    /// was behind. The time that the description took to arrive counts as behind.
    #[must_use]
    pub fn clock_ahead_millis(&self) -> Option<i64> {
        Some(self.description.as_ref()?.at.as_millis() - self.store_time?.as_millis())
    }
}

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

    /// Records what a node says of itself, and the store's own time. A session that is gone is not added again.
    ///
    /// The default records nothing: only people read it.
    async fn describe(&self, session: SessionId, description: &NodeDescription) -> Result<(), StoreError> {
        let _ = (session, description);
        Ok(())
    }

    /// Returns every session with what its node says of itself, in the order of the sessions' ids.
    ///
    /// The default has no descriptions.
    async fn nodes(&self) -> Result<Sourced<Vec<NodeRecord>>, StoreError> {
        let undescribed = |status| NodeRecord::new(status, None);
        Ok(self.sessions().await?.map(|sessions| sessions.into_iter().map(undescribed).collect()))
    }

    /// Returns the time by the store's clock, if the store is on another machine.
    ///
    /// The default returns `None`.
    async fn store_time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Returns a second handle on the same store with its own connections, for a node's control plane. Requests do not
    /// use these connections, so they cannot delay a poll.
    ///
    /// The default returns `None`: the node then shares the connections of requests. If requests use all connections, a
    /// poll is late, the lease ends, and the node answers 503 until the next poll.
    fn control(&self) -> Option<Arc<dyn NodeRegistry>> {
        None
    }
}
