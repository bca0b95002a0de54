use std::cmp::Ordering;

use doorward_types::Incarnation;

use crate::{Action, Checkpoint, Event, Hash, NoteKey, NoteVerifier, Pruned, PrunedError, Tree, Unproved, VerifiedLog};

/// Follows a log from its first event, and stops at the first event that does not fit.
#[derive(Debug, Default)]
pub struct ChainVerifier {
    last: Option<(u64, Hash)>,
    first: Option<Action>,
    incarnation: Incarnation,
    tree: Tree,
    base: Option<Base>,
}

/// The pruned events before the first event of a log.
#[derive(Debug)]
struct Base {
    size: u64,
    /// True if a trusted key has signed the prune.
    is_proved: bool,
    /// The subject of the event that must record the prune, until that event is found.
    told_by: Option<String>,
}

/// The fault in a log, with its place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The event does not match its hash.
    #[error("event {0} was changed")]
    Changed(u64),
    /// The event was inserted, and the events after it moved on by one.
    #[error("event {0} was inserted")]
    Inserted(u64),
    /// Events are missing.
    #[error("events {from} to {to} are missing")]
    Missing {
        /// The first missing event.
        from: u64,
        /// The last missing event.
        to: u64,
    },
    /// Two events changed places.
    #[error("events {0} and {1} were swapped")]
    Swapped(u64, u64),
    /// The event has no hash.
    #[error("event {0} has no hash")]
    Unhashed(u64),
    /// The event is intact, but its previous hash does not match the event before it.
    #[error("event {0} does not follow the event before it: that event or both were replaced")]
    Unlinked(u64),
    /// The event cannot be read.
    #[error("event {sequence} cannot be read: {reason}")]
    Unreadable {
        /// The event's place.
        sequence: u64,
        /// The reason.
        reason: String,
    },
}

impl ChainVerifier {
    /// Checks the next event.
    ///
    /// # Errors
    ///
    /// The fault. This event alone shows only [`ChainError::Changed`] or [`ChainError::Unlinked`]; [`ChainVerifier::explain`]
    /// also looks at the events after it.
    pub fn follow(&mut self, event: &Event) -> Result<(), ChainError> {
        let due = self.last.map_or(1, |(sequence, _)| sequence + 1);
        match event.sequence.cmp(&due) {
            Ordering::Less => return Err(ChainError::Inserted(event.sequence)),
            Ordering::Equal => {}
            Ordering::Greater => return Err(ChainError::Missing { from: due, to: event.sequence - 1 }),
        }
        let hash = event.hash.ok_or(ChainError::Unhashed(due))?;
        if event.computed_hash() != hash {
            return Err(ChainError::Changed(due));
        }
        if event.previous_hash != self.last.map(|(_, hash)| hash) {
            return Err(ChainError::Unlinked(due));
        }
        self.tree.push(hash);
        (self.last, self.incarnation) = (Some((due, hash)), event.incarnation);
        self.first.get_or_insert(event.draft.action);
        if let Some(Base { told_by, .. }) = &mut self.base
            && event.draft.action == Action::AuditLogPruned
        {
            told_by.take_if(|subject| *subject == event.draft.subject);
        }
        Ok(())
    }

    /// Ends the check. The log of this name is then intact from its first event on, or from the first event after the prune.
    ///
    /// # Errors
    ///
    /// [`PrunedError::Untold`] if no event records the prune.
    pub fn end(&self, log: String) -> Result<VerifiedLog, PrunedError> {
        let (pruned, is_proved) = match &self.base {
            None => (0, true),
            Some(Base { size, told_by: Some(_), .. }) => return Err(PrunedError::Untold(*size)),
            Some(base) => (base.size, base.is_proved),
        };
        let (size, root) = (self.tree.size(), self.tree.root());
        let checkpoint = Checkpoint { origin: log, size, root, incarnation: self.incarnation };
        Ok(VerifiedLog::new(checkpoint, self.first, pruned, is_proved))
    }

    /// Signs that the events so far are pruned from the log of this name. Returns `None` if there is no event.
    ///
    /// # Errors
    ///
    /// [`Unproved`] if no trusted key has signed an earlier prune.
    pub fn prune(&self, log: &str, key: &NoteKey) -> Result<Option<Pruned>, Unproved> {
        match &self.base {
            Some(base) if !base.is_proved => Err(Unproved(base.size)),
            _ => Ok(self.last.map(|(_, hash)| Pruned::signed(log, &self.tree, hash, self.incarnation, key))),
        }
    }

    /// Returns the action of the first remaining event.
    #[must_use]
    pub const fn first(&self) -> Option<Action> {
        self.first
    }

    /// Returns the fault at event `at`, which does not fit, from that event and the events after it.
    #[must_use]
    pub fn explain(at: &Event, after: &[Event]) -> ChainError {
        let place = at.sequence;
        let was_at = |event: &Event, sequence| event.hash == Some(event.hash_at(sequence));
        if let Some(other) = after.iter().find(|event| was_at(event, place)) {
            return if was_at(at, other.sequence) {
                ChainError::Swapped(place, other.sequence)
            } else {
                ChainError::Inserted(place)
            };
        }
        // The events after a gap were renumbered to close it.
        let later = (place + 1..=place + MAX_RENUMBERED_GAP).find(|sequence| was_at(at, *sequence));
        match later {
            Some(sequence) => ChainError::Missing { from: place, to: sequence - 1 },
            None if was_at(at, place) => ChainError::Unlinked(place),
            None => ChainError::Changed(place),
        }
    }

    /// Returns the incarnation of the store that wrote the last event.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Returns the tree over the events so far.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }
}

impl Pruned {
    /// Returns the verifier for the events after the pruned events. If keys are given, one of them must have signed the
    /// statement. Without keys the verifier signs nothing, since any writer to the store can write a statement.
    ///
    /// # Errors
    ///
    /// [`PrunedError`] with the fault of the statement.
    pub fn verifier(&self, log: &str, keys: &[NoteVerifier]) -> Result<ChainVerifier, PrunedError> {
        let (tree, incarnation) = self.checked(log, keys)?;
        let (size, told_by) = (tree.size(), Some(Self::subject(log, self.size)));
        let base = Some(Base { size, is_proved: !keys.is_empty(), told_by });
        Ok(ChainVerifier { last: Some((size, self.last_hash)), first: None, incarnation, tree, base })
    }
}

/// The maximum number of missing events that are still recognized as one renumbered gap.
const MAX_RENUMBERED_GAP: u64 = 1_000;
