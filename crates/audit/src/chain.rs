use std::cmp::Ordering;

use doorward_types::Incarnation;

use crate::{Action, Checkpoint, Event, Hash, NoteKey, NoteVerifier, Pruned, PrunedFault, Tree, Unproved, VerifiedLog};

/// Follows a log from its first event, and stops at the first that does not belong where it stands.
#[derive(Debug, Default)]
pub struct ChainVerifier {
    last: Option<(u64, Hash)>,
    first: Option<Action>,
    incarnation: Incarnation,
    tree: Tree,
    base: Option<Base>,
}

/// The pruned events that a log goes on after.
#[derive(Debug)]
struct Base {
    size: u64,
    /// True if a trusted key has signed that they were pruned.
    is_proved: bool,
    /// The subject of the event that must tell of the prune, until it has come.
    told_by: Option<String>,
}

/// What is wrong with a log, and where it begins.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// What the event says is not what its hash was made of.
    #[error("event {0} was changed")]
    Changed(u64),
    /// The event was put in between; those after it moved on by one.
    #[error("event {0} was inserted")]
    Inserted(u64),
    /// Events are gone.
    #[error("events {from} to {to} are missing")]
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Two events changed places.
    #[error("events {0} and {1} were swapped")]
    Swapped(u64, u64),
    /// The event has no hash.
    #[error("event {0} has no hash")]
    Unhashed(u64),
    /// The event is whole, but follows another one than stands before it.
    #[error("event {0} does not follow the one before it: that one, or both, were put in the place of others")]
    Unlinked(u64),
    /// The event cannot be read.
    #[error("event {sequence} cannot be read: {reason}")]
    Unreadable {
        /// Its place.
        sequence: u64,
        /// Why.
        reason: String,
    },
}

impl ChainVerifier {
    /// Looks at the next event.
    ///
    /// # Errors
    ///
    /// What is wrong with it. [`ChainFault::Changed`] and [`ChainFault::Unlinked`] are what is seen at this event alone;
    /// [`ChainVerifier::explain`] looks at those after it.
    pub fn follow(&mut self, event: &Event) -> Result<(), ChainFault> {
        let due = self.last.map_or(1, |(sequence, _)| sequence + 1);
        match event.sequence.cmp(&due) {
            Ordering::Less => return Err(ChainFault::Inserted(event.sequence)),
            Ordering::Equal => {}
            Ordering::Greater => return Err(ChainFault::Missing { from: due, to: event.sequence - 1 }),
        }
        let hash = event.hash.ok_or(ChainFault::Unhashed(due))?;
        if event.computed_hash() != hash {
            return Err(ChainFault::Changed(due));
        }
        if event.previous_hash != self.last.map(|(_, hash)| hash) {
            return Err(ChainFault::Unlinked(due));
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

    /// Ends at the log's end: the log of this name is whole from its first event on, or from the one after those that were
    /// pruned.
    ///
    /// # Errors
    ///
    /// [`PrunedFault::Untold`], if no event tells of the prune.
    pub fn end(&self, log: String) -> Result<VerifiedLog, PrunedFault> {
        let (pruned, is_proved) = match &self.base {
            None => (0, true),
            Some(Base { size, told_by: Some(_), .. }) => return Err(PrunedFault::Untold(*size)),
            Some(base) => (base.size, base.is_proved),
        };
        let (size, root) = (self.tree.size(), self.tree.root());
        let checkpoint = Checkpoint { origin: log, size, root, incarnation: self.incarnation };
        Ok(VerifiedLog::new(checkpoint, self.first, pruned, is_proved))
    }

    /// Signs that the events so far are pruned from the log of this name; none, if there is no event.
    ///
    /// # Errors
    ///
    /// [`Unproved`], if nobody vouches for what was pruned before.
    pub fn prune(&self, log: &str, key: &NoteKey) -> Result<Option<Pruned>, Unproved> {
        match &self.base {
            Some(base) if !base.is_proved => Err(Unproved(base.size)),
            _ => Ok(self.last.map(|(_, hash)| Pruned::new(log, &self.tree, hash, self.incarnation, key))),
        }
    }

    /// Returns the action of the first event that is not pruned.
    #[must_use]
    pub const fn first(&self) -> Option<Action> {
        self.first
    }

    /// What happened to a log whose event `at` does not belong there, seen from that event and those after it.
    #[must_use]
    pub fn explain(at: &Event, after: &[Event]) -> ChainFault {
        let place = at.sequence;
        let was_at = |event: &Event, sequence| event.hash == Some(event.hash_at(sequence));
        if let Some(other) = after.iter().find(|event| was_at(event, place)) {
            return if was_at(at, other.sequence) {
                ChainFault::Swapped(place, other.sequence)
            } else {
                ChainFault::Inserted(place)
            };
        }
        // Those after a gap were given its numbers.
        let later = (place + 1..=place + FAR).find(|sequence| was_at(at, *sequence));
        match later {
            Some(sequence) => ChainFault::Missing { from: place, to: sequence - 1 },
            None if was_at(at, place) => ChainFault::Unlinked(place),
            None => ChainFault::Changed(place),
        }
    }

    /// Returns the incarnation of the store that wrote the last event.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The tree over the events so far.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }
}

impl Pruned {
    /// Returns the verifier that goes on after these events of this log. With keys, one of them must have signed the
    /// statement; without, the verifier signs nothing, since anyone who can write to the store can write a statement.
    ///
    /// # Errors
    ///
    /// [`PrunedFault`]: what is wrong with it.
    pub fn verifier(&self, log: &str, keys: &[NoteVerifier]) -> Result<ChainVerifier, PrunedFault> {
        let (tree, incarnation) = self.checked(log, keys)?;
        let (size, told_by) = (tree.size(), Some(Self::subject(log, self.size)));
        let base = Some(Base { size, is_proved: !keys.is_empty(), told_by });
        Ok(ChainVerifier { last: Some((size, self.last_hash)), first: None, incarnation, tree, base })
    }
}

/// How many events a gap may have that was closed by renumbering, to be seen as one.
const FAR: u64 = 1_000;
