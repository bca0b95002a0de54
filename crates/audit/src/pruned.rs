use crate::{ChainVerifier, Checkpoint, CheckpointError, Hash, NoteVerifier, Tree};

/// What stands for the events that were cut off the beginning of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pruned {
    /// How many they were.
    pub size: u64,
    /// The hash of the last of them, which the next event follows.
    pub last_hash: Hash,
    /// The peaks of the tree over them, which it grows on from.
    pub peaks: Vec<Hash>,
    /// The signed checkpoint of them.
    pub checkpoint: String,
}

impl Pruned {
    /// The verifier that goes on after them, where the checkpoint is of the same tree. With a key, its signature counts too.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn verifier(&self, key: Option<&NoteVerifier>) -> Result<ChainVerifier, PrunedFault> {
        let checkpoint = match key {
            Some(key) => Checkpoint::open(&self.checkpoint, key)?,
            None => self.checkpoint.parse::<Checkpoint>()?,
        };
        let tree = Tree::of_peaks(self.size, self.peaks.clone()).ok_or(PrunedFault::Differs)?;
        if checkpoint.size == self.size && checkpoint.root == tree.root() {
            Ok(ChainVerifier::after(self.size, self.last_hash, checkpoint.incarnation, tree))
        } else {
            Err(PrunedFault::Differs)
        }
    }
}

/// Why what stands for pruned events cannot be relied on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrunedFault {
    /// The checkpoint itself.
    #[error("the checkpoint that stands for pruned events: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of other events.
    #[error("the checkpoint that stands for pruned events is not of those that were cut off")]
    Differs,
}
