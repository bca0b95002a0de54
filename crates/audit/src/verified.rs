use crate::{Action, Checkpoint, NoteKey};

/// A log that was followed to its end, every event of it. Only such a log is vouched for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedLog {
    checkpoint: Checkpoint,
    first: Option<Action>,
    pruned: u64,
    is_proved: bool,
}

impl VerifiedLog {
    pub(crate) const fn new(checkpoint: Checkpoint, first: Option<Action>, pruned: u64, is_proved: bool) -> Self {
        Self { checkpoint, first, pruned, is_proved }
    }

    /// Returns what the log holds: how many events, and the root of the tree over them.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns how many events were ever written.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Returns the action of the first event that is there.
    #[must_use]
    pub const fn first(&self) -> Option<Action> {
        self.first
    }

    /// Returns how many events were pruned from the beginning of the log.
    #[must_use]
    pub const fn pruned(&self) -> u64 {
        self.pruned
    }

    /// Returns whether a trusted key has signed that the pruned events were pruned; also true if none were.
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        self.is_proved
    }

    /// The checkpoint as a signed note.
    ///
    /// # Errors
    ///
    /// [`Unproved`], if nobody vouches for the events that are gone: the checkpoint would.
    pub fn sign(&self, key: &NoteKey) -> Result<String, Unproved> {
        if self.is_proved { Ok(self.checkpoint.sign(key)) } else { Err(Unproved(self.pruned)) }
    }
}

/// No trusted key has signed that the first events, so many, were pruned.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nothing proves that events 1 to {0} were pruned, and not deleted: nothing is signed that goes on from them")]
pub struct Unproved(pub u64);
