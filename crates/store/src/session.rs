use std::time::Duration;

use doorward_types::SessionId;

use crate::Revision;

/// The longest lease that a node may have. A writer assumes it for unknown nodes.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10);

/// One run of a verifying node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// The id, which is new and random at each registration.
    pub id: SessionId,
    /// The length of a lease by the node's clock, for which a writer must wait if the node is silent.
    pub lease: Duration,
}

/// The progress of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionStatus {
    /// The session.
    pub session: Session,
    /// The newest revision that the session has acknowledged, if any.
    pub acknowledged: Option<Revision>,
    /// The newest revision that a writer asked the session to acknowledge, if any.
    pub asked: Option<Revision>,
    /// True if a writer retired the session.
    pub retired: bool,
}
