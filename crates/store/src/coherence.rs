use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{Locator, OrganizationId, SessionId};

use crate::{LiveSecret, OperationId, OriginEntry, StoreError};

/// What lets a node verify from memory, and a writer know when a dead secret is dead everywhere.
///
/// The protocol itself is `doorward-auth`'s; an engine only keeps four things, each in the transaction that says so:
/// a revision that each change raises by one, a log of which secrets each revision touched, the sessions of nodes, and
/// how far each session says that it has come.
#[async_trait]
pub trait Coherence: Send + Sync {
    /// Adds a session, durably. A node does this *before* its first read.
    async fn register(&self, session: Session) -> Result<(), StoreError>;

    /// A page of the secrets that work, in the engine's own order, after the last one of the page before. The pages
    /// need not be of one snapshot: the caller follows them with [`Coherence::poll`] from a revision that it took first.
    async fn live_secrets(&self, after: Option<&LiveSecret>, limit: u32) -> Result<Vec<LiveSecret>, StoreError>;

    /// The secret with this locator, where it works: for whoever would rather ask than remember.
    async fn live_secret(&self, locator: Locator) -> Result<Option<LiveSecret>, StoreError>;

    /// A page of the origins that are allowed, of all organizations, in the engine's own order, after the last one of the page
    /// before. As with [`Coherence::live_secrets`], the pages need not be of one snapshot.
    async fn live_origins(&self, after: Option<&OriginEntry>, limit: u32) -> Result<Vec<OriginEntry>, StoreError>;

    /// Where the history has come to.
    async fn position(&self) -> Result<Position, StoreError>;

    /// In one statement or one snapshot, without a lock, at the primary: whether the session is in force, whether `since`
    /// is still part of the history, where that has come to, and what everything that was touched since is now.
    async fn poll(&self, session: SessionId, since: Position) -> Result<Poll, StoreError>;

    /// Says that the session has applied and published all up to `revision`. A session that is gone stays gone.
    async fn acknowledge(&self, session: SessionId, revision: Revision) -> Result<(), StoreError>;

    /// Every session, retired ones included.
    async fn sessions(&self) -> Result<Vec<SessionStatus>, StoreError>;

    /// Marks sessions as no longer in force, so that their next poll finds out. They are still to be waited for.
    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// Removes sessions: by their owner once it has stopped verifying, or by whoever saw them retired for all of the
    /// time that a lease can last.
    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// How often a node should poll. What a poll costs is the engine's to know.
    fn poll_interval(&self) -> Duration;

    /// Resolves where the engine hears that something may have changed, so that a node polls early. A hint and no more:
    /// nothing depends on it, and an engine that hears nothing never resolves it.
    async fn hint(&self) {
        std::future::pending().await
    }
}

/// How many revisions the change log reaches back: so many, and the one before them, are kept. A node that fell further
/// behind loads everything again, which is quicker by then.
pub const CHANGE_LOG_LENGTH: usize = 10_000;

/// The longest lease that any node may have: what a writer assumes of a node that it cannot know of.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10);

/// Counts the changes: each one has its own, in the order of their commits, without gaps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A point in a store's history: after this change and all before it.
///
/// Changes are made one after the other, and each draws an operation of its own. Where a store holds this operation at
/// this revision, its history therefore contains all that led there; where it does not, the store lost what it had
/// confirmed: a standby was promoted that had not received everything, or an older copy was put back.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The number of the newest change.
    pub revision: Revision,
    /// Its operation; the nil one where the store has no change yet, or came from another by a copy and has none since.
    pub operation: OperationId,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (operation {})", self.revision, self.operation)
    }
}

/// One run of one verifying node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// Fresh and random at each registration.
    pub id: SessionId,
    /// How long one of its leases lasts, by its own clock: what a writer that hears nothing must wait for.
    pub lease: Duration,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionStatus {
    /// The session.
    pub session: Session,
    /// The newest revision that it says it has published; none until it said so once.
    pub acknowledged: Option<Revision>,
    /// Whether a writer gave up on it.
    pub retired: bool,
}

/// What a poll found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Poll {
    /// The change log no longer reaches back so far, or someone answered for what was lost: load everything again.
    Behind,
    /// The store lost this change, which it had confirmed, and no one has answered for that yet: serve nothing. It is the
    /// one that was asked for, or one that another node missed (see [`crate::LostChanges`]).
    Lost(Position),
    /// The session is not in force: stop serving, and register anew.
    Retired,
    /// All that happened since.
    Current {
        /// Where the history has come to.
        position: Position,
        /// Each secret that was touched, once, as it is now.
        changes: Vec<SecretChange>,
        /// Each list of allowed origins that was touched, once, as it is now.
        origins: Vec<OriginsChange>,
        /// Whether a writer outside of this session's process made one of the changes, and may wait for word.
        acknowledgement_wanted: bool,
    },
}

/// What a touched list of allowed origins is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginsChange {
    /// Whose list.
    pub organization: OrganizationId,
    /// All that is on it.
    pub entries: Vec<OriginEntry>,
}

/// What a touched secret is now. It is a state and not a step, so that applying it twice does no harm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretChange {
    /// The secret.
    pub locator: Locator,
    /// What it is, where it works.
    pub live: Option<LiveSecret>,
}
