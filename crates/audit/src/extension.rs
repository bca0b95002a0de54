use crate::checkpoint::{hash, number};
use crate::proof::to_text;
use crate::{Checkpoint, CheckpointError, Hash, NoteVerifier, proves_consistency};

/// The start of the first line, with the size of the earlier log.
const OLD: &str = "old ";

/// The maximum number of hashes: a proof has at most one for each level of the tree, and one more.
const MAX_HASHES: usize = 64;

/// A proof that a log has only grown since an earlier checkpoint, for a reader who has both checkpoints and nothing else of the
/// log. Its text is also the request by which a witness cosigns the later checkpoint (C2SP `tlog-witness`, `add-checkpoint`).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExtensionProof {
    /// The size of the earlier log. Zero stands for no earlier log.
    pub old_size: u64,
    /// The hashes from the earlier root to the later root.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint of the later log.
    pub checkpoint: String,
}

impl ExtensionProof {
    /// Creates a proof from its parts.
    #[must_use]
    pub const fn new(old_size: u64, hashes: Vec<Hash>, checkpoint: String) -> Self {
        Self { old_size, hashes, checkpoint }
    }

    /// Returns the proof as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&format!("{OLD}{}\n", self.old_size), &self.hashes, &self.checkpoint)
    }

    /// Reads the text of a proof.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(CheckpointError::Malformed)?;
        let mut lines = head.lines();
        let old = lines.next().and_then(|line| line.strip_prefix(OLD)).ok_or(CheckpointError::Malformed)?;
        let hashes: Vec<Hash> = lines.map(hash).collect::<Result<_, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { old_size: number(old)?, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Returns the later checkpoint, if one of these keys has signed it and the proof leads from the earlier checkpoint to it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotExtended`] if the proof does not show that the later log begins as the earlier log; else the fault of
    /// the later checkpoint.
    pub fn verify(&self, earlier: &Checkpoint, verifiers: &[NoteVerifier]) -> Result<Checkpoint, CheckpointError> {
        let later = Checkpoint::open_any(&self.checkpoint, verifiers)?;
        let (old, new) = ((earlier.size, earlier.root), (later.size, later.root));
        let is_of_both = later.origin == earlier.origin && self.old_size == earlier.size;
        if is_of_both && proves_consistency(&self.hashes, old, new) {
            Ok(later)
        } else {
            Err(CheckpointError::NotExtended)
        }
    }
}
