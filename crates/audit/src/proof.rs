use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Checkpoint, CheckpointError, Hash, NoteVerifier, proves_inclusion};

/// The first line of a proof (C2SP `tlog-proof`).
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// That one event is in a log, for whoever has a verifier key and nothing else of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventProof {
    /// The event's place, counted from 0.
    pub index: u64,
    /// The hashes beside its way to the root.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint that they lead to.
    pub checkpoint: String,
}

impl EventProof {
    /// The proof as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{MAGIC}\nindex {}\n", self.index);
        for hash in &self.hashes {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{}", BASE64.encode(hash.0));
        }
        text + "\n" + &self.checkpoint
    }

    /// Reads the text of a proof; an `extra` line is passed over.
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
        let hash = |line: &str| {
            let bytes = BASE64.decode(line).ok().and_then(|hash| hash.try_into().ok());
            bytes.map(Hash).ok_or(CheckpointError::Malformed)
        };
        Ok(Self {
            index: index.ok_or(CheckpointError::Malformed)?,
            hashes: lines.map(hash).collect::<Result<_, _>>()?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The checkpoint, where this key has signed it and the event with this hash is among those that it is of.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotProven`] where it is not; what is wrong with the checkpoint.
    pub fn verify(&self, event: Hash, verifier: &NoteVerifier) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        if proves_inclusion(&self.hashes, event, self.index, checkpoint.size, checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::NotProven)
        }
    }
}
