use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::hash;
use crate::{Checkpoint, CheckpointError, Hash, NoteVerifier, proves_inclusion};

/// The first line of a proof (C2SP `tlog-proof`).
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an event is in a log, for a reader who has a verifier key and nothing else of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventProof {
    /// The event's place, counted from 0.
    pub index: u64,
    /// The sibling hashes on the path to the root.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint of the root.
    pub checkpoint: String,
}

impl EventProof {
    /// Creates a proof from its parts.
    #[must_use]
    pub const fn new(index: u64, hashes: Vec<Hash>, checkpoint: String) -> Self {
        Self { index, hashes, checkpoint }
    }

    /// Returns the proof as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&format!("{MAGIC}\nindex {}\n", self.index), &self.hashes, &self.checkpoint)
    }

    /// Reads the text of a proof. Ignores an `extra` line.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(CheckpointError::Malformed)?;
        let mut lines = head.lines().filter(|line| !line.starts_with("extra "));
        if lines.next() != Some(MAGIC) {
            return Err(CheckpointError::Malformed);
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        Ok(Self {
            index: index.ok_or(CheckpointError::Malformed)?,
            hashes: lines.map(hash).collect::<Result<_, _>>()?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Returns the checkpoint, if this key has signed it and the proof leads from this hash to its root.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotProven`] if the proof does not lead to the root; else the fault of the checkpoint.
    pub fn verify(&self, event: Hash, verifier: &NoteVerifier) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        if proves_inclusion(&self.hashes, event, self.index, checkpoint.size, checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::NotProven)
        }
    }
}

/// Returns the text of a proof: its first lines, a line for each hash, an empty line, and a signed checkpoint.
pub(crate) fn to_text(head: &str, hashes: &[Hash], checkpoint: &str) -> String {
    let mut text = head.to_owned();
    for hash in hashes {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", BASE64.encode(hash.0));
    }
    text + "\n" + checkpoint
}
