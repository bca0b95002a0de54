//! The feed of changes: the facts that an engine reads, and their only judgement.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_types::{Incarnation, Locator, OrganizationId, SessionId};

use crate::{
    ActiveSecret, OperationId, OriginEntry, Position, Revision, SessionStatus, Sourced, StoreError, StoreId,
    StoreIdentity,
};

/// The part of a store that lets a node verify from memory: the active secrets and allowed origins, and each change to
/// them.
///
/// `doorward-auth` has the protocol. An engine only stores facts, in the transaction of each change: a revision that
/// each change raises by one, and a log of the entities that each change affects. [`Knowledge::judge`] decides on the
/// meaning of a poll's facts.
#[async_trait]
pub trait ChangeFeed: fmt::Debug + Send + Sync {
    /// Returns the store's own record.
    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError>;

    /// Writes the prefix of the store's keys, if the store has no prefix yet.
    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError>;

    /// Returns the newest position of the store's history.
    async fn position(&self) -> Result<Sourced<Position>, StoreError>;

    /// Returns a page of the active secrets in the engine's order, after the last secret of the previous page. Pages
    /// may be of different snapshots: the caller then calls [`ChangeFeed::poll`] with a position that it read before
    /// the first page.
    async fn active_secrets(
        &self,
        after: Option<&ActiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<ActiveSecret>>, StoreError>;

    /// Returns the active secret with this locator, if there is one. Used by strict mode, which reads the store for
    /// each verification.
    async fn active_secret(&self, locator: Locator) -> Result<Sourced<Option<ActiveSecret>>, StoreError>;

    /// Returns a page of the allowed origins of all organizations in the engine's order, after the last entry of the
    /// previous page. As for [`ChangeFeed::active_secrets`], pages may be of different snapshots.
    async fn all_allowed_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError>;

    /// Reads the facts of a poll, in one statement or one snapshot, without a lock.
    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError>;

    /// Records a lost change durably (see [`crate::LostChangeStore`]). An existing record stays unchanged.
    async fn report_lost(&self, change: Position) -> Result<(), StoreError>;

    /// Returns the number of the newest remembered change of the record with this id. An answer with the record's state
    /// waits until that change is in effect.
    ///
    /// The default returns the newest change of the store, so an answer also waits for changes of other records.
    async fn last_change_of(&self, _subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        Ok(self.position().await?.map(|newest| Some(newest.revision)))
    }

    /// Returns the interval between a node's polls. The engine chooses it, since it knows the cost of a poll.
    ///
    /// With the default, another process's change takes up to 100 ms longer.
    fn poll_interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// Completes when the engine learns of a possible change, so that a node polls early. Nothing depends on this hint.
    /// An engine without hints never completes it.
    async fn change_notified(&self) {
        std::future::pending().await
    }
}

/// The facts that a poll reads. [`Knowledge::judge`] gives them a meaning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observation {
    /// The polling session, or `None` if the store does not have it.
    pub session: Option<SessionStatus>,
    /// The newest change in the store's history.
    pub position: Position,
    /// The operation in the change log at the node's revision, or nil if the log has none.
    pub operation_there: OperationId,
    /// True if the node's position is recorded as lost.
    pub is_noted: bool,
    /// A lost change that no operator has accepted.
    pub open_loss: Option<Position>,
    /// True if another process made one of the new changes.
    pub touched_by_others: bool,
    /// The new state of each secret that the new changes affect.
    pub changes: Vec<SecretChange>,
    /// The new state of each list of allowed origins that the new changes affect.
    pub origins: Vec<OriginsChange>,
}

/// A node's knowledge of the store, by which a poll is judged.
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
    /// Returns the meaning of a poll's facts since [`Knowledge::position`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubtful`] if the facts do not come from the primary of this node's store.
    pub fn judge(&self, observed: Sourced<Observation>) -> Result<Poll, StoreError> {
        let incarnation = observed.provenance().incarnation;
        let found = observed.proved(self.store)?;
        let Some(session) = found.session.filter(|session| !session.retired) else { return Ok(Poll::Retired) };
        let since = self.position;
        // An incarnation never ends but for the next: a lower one is a file or a server from before a restore.
        let is_older = incarnation < self.incarnation;
        let restored = incarnation > self.incarnation;
        let behind = since.revision < found.position.revision.oldest_kept();
        let is_gone = !behind && !restored && !since.is_in(found.position.revision, found.operation_there);
        let lost = is_older || is_gone;
        if lost && !found.is_noted {
            return Ok(Poll::Diverged { change: since, newest: found.position });
        }
        if let Some(open) = found.open_loss {
            return Ok(Poll::Diverged { change: open, newest: found.position });
        }
        if behind || lost || restored {
            return Ok(Poll::ResyncRequired);
        }
        Ok(Poll::UpToDate {
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
    /// The node must load everything again: the change log does not reach back to the node's position, the store was
    /// restored, or an operator accepted a loss.
    ResyncRequired,
    /// The store lost a confirmed change, and no operator has accepted the loss. The node must stop serving.
    Diverged {
        /// The lost change, which this node or another node knew (see [`crate::LostChangeStore`]).
        change: Position,
        /// The newest change in the store.
        newest: Position,
    },
    /// The session is retired or gone. The node must stop serving and register again.
    Retired,
    /// The new changes.
    UpToDate {
        /// The newest change in the store's history.
        position: Position,
        /// The new state of each secret that the changes affect.
        changes: Vec<SecretChange>,
        /// The new state of each list of allowed origins that the changes affect.
        origins: Vec<OriginsChange>,
        /// True if a writer in another process waits for this session's acknowledgement.
        acknowledgement_wanted: bool,
    },
}

/// The new state of a list of allowed origins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginsChange {
    /// The organization of the list.
    pub organization: OrganizationId,
    /// All entries of the list.
    pub entries: Vec<OriginEntry>,
}

/// The new state of a secret. Because it is a state and not a step, it can be applied twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretChange {
    /// The secret.
    pub locator: Locator,
    /// The secret with its key, or `None` if it was revoked.
    pub live: Option<ActiveSecret>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CHANGE_LOG_LENGTH, Provenance, Session};

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

    /// Returns the poll that reports the loss of `change`.
    fn lost(change: Position, newest: Position) -> Poll {
        Poll::Diverged { change, newest }
    }

    fn wanted(observation: Observation) -> bool {
        match judged(observation) {
            Poll::UpToDate { acknowledgement_wanted, .. } => acknowledgement_wanted,
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
        assert_eq!(judged(Observation { is_noted: true, ..other.clone() }), Poll::ResyncRequired);
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
        assert_eq!(judged(far(5 + reach + 1)), Poll::ResyncRequired);
        assert_eq!(judged(far(5 + reach)), lost(at(5, 5), at(5 + reach, 1)));
    }

    #[test]
    fn a_restored_store_is_loaded_again() {
        let restored = Provenance { incarnation: Incarnation(2), ..provenance() };
        let older = Observation { position: at(3, 3), operation_there: OperationId::default(), ..observation() };
        assert_eq!(knowledge().judge(Sourced::new(restored, older)).unwrap(), Poll::ResyncRequired);
    }

    #[test]
    fn a_store_from_before_a_restore_has_lost_what_the_node_knows() {
        let knowledge = Knowledge { incarnation: Incarnation(2), ..knowledge() };
        let judged = |observed| knowledge.judge(Sourced::new(provenance(), observed)).unwrap();
        // Even if its own history is longer, or has the same change.
        for newest in [at(5, 5), at(9, 9), at(5 + CHANGE_LOG_LENGTH as u64 + 1, 1)] {
            let observed = Observation { position: newest, ..observation() };
            assert_eq!(judged(observed), lost(at(5, 5), newest));
        }
        assert_eq!(judged(Observation { is_noted: true, ..observation() }), Poll::ResyncRequired);
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
