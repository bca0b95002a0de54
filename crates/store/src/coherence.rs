//! The contract of the coherence protocol: facts that an engine reads, and the one judgement of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_types::{Incarnation, Locator, OrganizationId, SessionId};

use crate::{LiveSecret, OperationId, OriginEntry, Position, Revision, Sourced, StoreError, StoreId, StoreIdentity};

/// The part of a store that lets a node verify from memory, and a writer know when a dead secret is dead everywhere.
///
/// The protocol itself is `doorward-auth`'s. An engine only keeps facts, each in the transaction that states it: a
/// revision that each change raises by one, a log of the secrets that each revision touched, the sessions of nodes, and how
/// far each session says that it has come. [`Knowledge::judge`] decides what the facts of a poll mean.
#[async_trait]
pub trait Coherence: fmt::Debug + Send + Sync {
    /// Returns a second handle on the same store, with connections of its own, for a node's control plane: no request can
    /// use them, and so none can delay a poll. None, if this handle has no connections that requests could fill.
    fn control(&self) -> Option<Arc<dyn Coherence>>;

    /// Returns what the store says of itself.
    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError>;

    /// Writes the prefix of the store's keys if the store has none yet. A store that has one keeps it.
    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError>;

    /// Adds a session, durably, and raises the longest lease that the store knows of to the session's if need be: under the
    /// lock that changes take, so that no change misses it. A node does this *before* its first read.
    async fn register(&self, session: Session) -> Result<(), StoreError>;

    /// Returns a page of the secrets that work, in the engine's own order, after the last secret of the page before. The
    /// pages need not be of one snapshot: the caller follows them with [`Coherence::poll`] from a position that it took
    /// first.
    async fn live_secrets(
        &self,
        after: Option<&LiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<LiveSecret>>, StoreError>;

    /// Returns the secret with this locator if it works: for a verifier that would rather ask than remember.
    async fn live_secret(&self, locator: Locator) -> Result<Sourced<Option<LiveSecret>>, StoreError>;

    /// Returns a page of the origins that are allowed, of all organizations, in the engine's own order, after the last entry
    /// of the page before. As with [`Coherence::live_secrets`], the pages need not be of one snapshot.
    async fn live_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError>;

    /// Returns how far the history has come.
    async fn position(&self) -> Result<Sourced<Position>, StoreError>;

    /// Reads the facts of a poll, in one statement or one snapshot, without a lock.
    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError>;

    /// Writes that the session has applied and published all up to `position`. A session that is gone stays gone; a position that
    /// this store's history does not have is no word about it, and is passed over: the session learned of it before a restore or
    /// a failover.
    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError>;

    /// Notes, durably, that a change is missing (see [`crate::LostChanges`]). A change that was noted before stays as it is.
    async fn report_lost(&self, change: Position) -> Result<(), StoreError>;

    /// Asks every session that has not acknowledged `revision` to do so after its next poll.
    async fn ask(&self, revision: Revision) -> Result<(), StoreError>;

    /// Returns every session, retired ones included.
    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError>;

    /// Marks sessions as no longer in force, so that their next poll finds out. Writers still wait for them.
    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// Removes sessions. Their owner may do this once it has stopped verifying; anyone else, if the sessions were seen
    /// retired for all of the time that a lease can last.
    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError>;

    /// Returns how often a node should poll. The cost of a poll is the engine's to know.
    fn poll_interval(&self) -> Duration;

    /// Resolves when the engine hears that something may have changed, so that a node polls early. A hint and no more:
    /// nothing depends on it, and an engine that hears nothing never resolves it.
    async fn hint(&self) {
        std::future::pending().await
    }
}

/// The longest lease that any node may have: what a writer assumes of a node that it cannot know of.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10);

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
    /// The newest revision that a writer asked it to acknowledge; none until a writer asked.
    pub asked: Option<Revision>,
    /// Whether a writer gave up on it.
    pub retired: bool,
}

/// The facts that a poll reads. They mean nothing by themselves: see [`Knowledge::judge`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    /// The session that polls; none if the store does not have it.
    pub session: Option<SessionStatus>,
    /// The newest change of the history.
    pub position: Position,
    /// The operation of the change log at the revision that the node knows; the nil operation if the log has none there.
    pub operation_there: OperationId,
    /// Whether the position that the node knows was noted as lost before.
    pub is_noted: bool,
    /// A lost change that no operator has answered for.
    pub open_loss: Option<Position>,
    /// Whether a writer outside of the session's process made one of the changes since.
    pub touched_by_others: bool,
    /// Each secret that was touched since, once, as it is now.
    pub changes: Vec<SecretChange>,
    /// Each list of allowed origins that was touched since, once, as it is now.
    pub origins: Vec<OriginsChange>,
}

/// The knowledge that a node has of the store: all that a poll is judged by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Knowledge {
    /// The store that the node started on.
    pub store: StoreId,
    /// The incarnation of the store at the node's last load.
    pub incarnation: Incarnation,
    /// The newest change that the node has applied.
    pub position: Position,
}

impl Knowledge {
    /// Decides what the facts of a poll since [`Knowledge::position`] mean.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`], if the facts do not come from the primary of this node's store.
    pub fn judge(&self, observed: Sourced<Observation>) -> Result<Poll, StoreError> {
        let incarnation = observed.provenance().incarnation;
        let found = observed.proved(self.store)?;
        let Some(session) = found.session.filter(|session| !session.retired) else { return Ok(Poll::Retired) };
        let since = self.position;
        let restored = incarnation != self.incarnation;
        let behind = since.revision < found.position.revision.oldest_kept();
        let lost = !behind && !restored && !since.is_in(found.position.revision, found.operation_there);
        if lost && !found.is_noted {
            return Ok(Poll::Lost { change: since, newest: found.position });
        }
        if let Some(open) = found.open_loss {
            return Ok(Poll::Lost { change: open, newest: found.position });
        }
        if behind || lost || restored {
            return Ok(Poll::Behind);
        }
        Ok(Poll::Current {
            position: found.position,
            acknowledgement_wanted: found.touched_by_others || session.asked > session.acknowledged,
            changes: found.changes,
            origins: found.origins,
        })
    }
}

/// The meaning of a poll.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Poll {
    /// The change log no longer reaches back so far, the store was restored, or an operator answered for what was lost: load
    /// everything again.
    Behind,
    /// The store lost a change that it had confirmed, and no operator has answered for it yet: serve nothing.
    Lost {
        /// The change that the node knows, or a change that another node missed (see [`crate::LostChanges`]).
        change: Position,
        /// The newest change that the store has.
        newest: Position,
    },
    /// The session is not in force: stop serving, and register again.
    Retired,
    /// All that happened since.
    Current {
        /// The newest change of the history.
        position: Position,
        /// Each secret that was touched, once, as it is now.
        changes: Vec<SecretChange>,
        /// Each list of allowed origins that was touched, once, as it is now.
        origins: Vec<OriginsChange>,
        /// Whether a writer outside of this session's process waits for word.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CHANGE_LOG_LENGTH, Provenance};

    const STORE: StoreId = StoreId::from_bytes([7; 16]);

    fn at(revision: u64, operation: u8) -> Position {
        Position { revision: Revision(revision), operation: OperationId::from_bytes([operation; 16]) }
    }

    fn provenance() -> Provenance {
        Provenance {
            store: STORE,
            incarnation: Incarnation::FIRST,
            primary: true,
            writable: true,
            needs_schema: 1,
            knows_schema: 1,
        }
    }

    fn knowledge() -> Knowledge {
        Knowledge { store: STORE, incarnation: Incarnation::FIRST, position: at(5, 5) }
    }

    fn session() -> SessionStatus {
        let session = Session { id: SessionId::from_u128(1), lease: Duration::from_secs(3) };
        SessionStatus { session, acknowledged: Some(Revision(5)), asked: None, retired: false }
    }

    fn observation() -> Observation {
        Observation {
            session: Some(session()),
            position: at(6, 6),
            operation_there: at(5, 5).operation,
            is_noted: false,
            open_loss: None,
            touched_by_others: false,
            changes: vec![],
            origins: vec![],
        }
    }

    fn judged(observation: Observation) -> Poll {
        knowledge().judge(Sourced::new(provenance(), observation)).unwrap()
    }

    /// The answer that `change` is lost, from a store that has come to this position.
    fn lost(change: Position, newest: Position) -> Poll {
        Poll::Lost { change, newest }
    }

    fn wanted(observation: Observation) -> bool {
        match judged(observation) {
            Poll::Current { acknowledgement_wanted, .. } => acknowledgement_wanted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_that_is_gone_or_retired_is_told_so_before_all_else() {
        let gone = Observation { session: None, open_loss: Some(at(9, 9)), ..observation() };
        assert_eq!(judged(gone), Poll::Retired);
        let retired = Observation { session: Some(SessionStatus { retired: true, ..session() }), ..observation() };
        assert_eq!(judged(retired), Poll::Retired);
    }

    #[test]
    fn a_change_that_the_store_lacks_is_lost_until_it_was_noted_and_answered_for() {
        let other = Observation { operation_there: at(5, 4).operation, ..observation() };
        assert_eq!(judged(other.clone()), lost(at(5, 5), at(6, 6)));
        let older = Observation { position: at(4, 4), operation_there: OperationId::default(), ..observation() };
        assert_eq!(judged(older), lost(at(5, 5), at(4, 4)));
        assert_eq!(judged(Observation { is_noted: true, ..other.clone() }), Poll::Behind);
        let open = Some(at(8, 8));
        assert_eq!(judged(Observation { is_noted: true, open_loss: open, ..other }), lost(at(8, 8), at(6, 6)));
        assert_eq!(judged(Observation { open_loss: open, ..observation() }), lost(at(8, 8), at(6, 6)));
    }

    #[test]
    fn a_log_that_no_longer_reaches_back_means_loading_again_and_no_loss() {
        let reach = CHANGE_LOG_LENGTH as u64;
        let far = |revision| Observation {
            position: at(revision, 1),
            operation_there: OperationId::default(),
            ..observation()
        };
        assert_eq!(judged(far(5 + reach + 1)), Poll::Behind);
        assert_eq!(judged(far(5 + reach)), lost(at(5, 5), at(5 + reach, 1)));
    }

    #[test]
    fn a_restored_store_is_loaded_again() {
        let restored = Provenance { incarnation: Incarnation(2), ..provenance() };
        let older = Observation { position: at(3, 3), operation_there: OperationId::default(), ..observation() };
        assert_eq!(knowledge().judge(Sourced::new(restored, older)).unwrap(), Poll::Behind);
    }

    #[test]
    fn word_is_wanted_by_writers_elsewhere_and_by_those_who_ask() {
        assert!(!wanted(observation()));
        assert!(wanted(Observation { touched_by_others: true, ..observation() }));
        let asked = |revision| SessionStatus { asked: Some(Revision(revision)), ..session() };
        assert!(!wanted(Observation { session: Some(asked(5)), ..observation() }));
        assert!(wanted(Observation { session: Some(asked(6)), ..observation() }));
    }
}
