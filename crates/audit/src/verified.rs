use crate::{Action, Checkpoint, NoteKey};

/// A log whose every event was verified. Only such a log is signed.
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

    /// Returns the log's checkpoint: its size, and the root of its tree.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the number of events ever written.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Returns the action of the first remaining event.
    #[must_use]
    pub const fn first(&self) -> Option<Action> {
        self.first
    }

    /// Returns how many events were pruned from the beginning of the log.
    #[must_use]
    pub const fn pruned(&self) -> u64 {
        self.pruned
    }

    /// Returns whether a trusted key has signed the prune; also true if no event was pruned.
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        self.is_proved
    }

    /// Returns the checkpoint as a signed note.
    ///
    /// # Errors
    ///
    /// [`Unproved`] if no trusted key has signed the prune of the missing events, since the checkpoint would vouch for them.
    pub fn sign(&self, key: &NoteKey) -> Result<String, Unproved> {
        if self.is_proved { Ok(self.checkpoint.sign(key)) } else { Err(Unproved(self.pruned)) }
    }
}

/// No trusted key has signed the prune of the first events; holds their number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "no trusted signature proves that events 1 to {0} were pruned and not deleted, so later events are not signed either"
)]
pub struct Unproved(pub u64);
