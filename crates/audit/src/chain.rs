use std::cmp::Ordering;

use doorward_types::Incarnation;

use crate::{Event, Hash, Tree};

/// Follows a log from its first event, and stops at the first that does not belong where it stands.
#[derive(Debug, Default)]
pub struct ChainVerifier {
    last: Option<(u64, Hash)>,
    incarnation: Incarnation,
    tree: Tree,
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
    /// Goes on after events that are known only by the last one's hash, and the tree over them.
    pub(crate) const fn after(sequence: u64, hash: Hash, incarnation: Incarnation, tree: Tree) -> Self {
        Self { last: Some((sequence, hash)), incarnation, tree }
    }

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
        Ok(())
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

/// How many events a gap may have that was closed by renumbering, to be seen as one.
const FAR: u64 = 1_000;
