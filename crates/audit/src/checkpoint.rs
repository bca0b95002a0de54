use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_types::{Environment, Incarnation, OrganizationId};

use crate::{Hash, NoteError, NoteKey, NoteVerifier};

/// The state of a log at one moment: its size, and the root of its Merkle tree (C2SP `tlog-checkpoint`).
///
/// With a kept checkpoint, anyone can later check that the log still begins with those events. A log that was shortened or
/// rewritten fails this check.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The log's name: see [`Checkpoint::origin_of`].
    pub origin: String,
    /// The number of events.
    pub size: u64,
    /// The root of the tree over the events.
    pub root: Hash,
    /// The incarnation of the store that wrote the last event.
    pub incarnation: Incarnation,
}

impl Checkpoint {
    /// Returns the name of the log of an organization and environment, in checkpoints and as the name of its key.
    #[must_use]
    pub fn origin_of(organization: OrganizationId, environment: Environment) -> String {
        format!("doorward/{organization}/{environment}")
    }

    /// Returns the checkpoint as a signed note. Only a verified log is signed: see
    /// [`VerifiedLog::sign`](crate::VerifiedLog::sign).
    pub(crate) fn sign(&self, key: &NoteKey) -> String {
        key.sign(&self.origin, &self.to_string())
    }

    /// Reads the checkpoint from a note that this key has signed.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, CheckpointError> {
        let checkpoint: Self = verifier.open(note)?.parse()?;
        if checkpoint.origin == verifier.name() { Ok(checkpoint) } else { Err(CheckpointError::Malformed) }
    }

    /// Reads the checkpoint from a note that one of these keys has signed. The log that a verifier key names does not matter, since
    /// signing keys rotate, and one key signs the checkpoints of many logs.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] of the last key.
    pub fn open_any(note: &str, verifiers: &[NoteVerifier]) -> Result<Self, CheckpointError> {
        let origin = note.lines().next().unwrap_or_default();
        let mut error = CheckpointError::Malformed;
        for verifier in verifiers {
            match Self::open(note, &verifier.named(origin)) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(other) => error = other,
            }
        }
        Err(error)
    }
}

/// The start of the extension line that names the incarnation. Omitted if the store was never restored.
const INCARNATION: &str = "incarnation ";

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))?;
        f.write_str(&incarnation_line(self.incarnation))
    }
}

/// Returns the extension line of a restored store.
pub(crate) fn incarnation_line(incarnation: Incarnation) -> String {
    match incarnation {
        Incarnation::FIRST => String::new(),
        restored => format!("{INCARNATION}{restored}\n"),
    }
}

/// Returns the incarnation that one of these lines names.
pub(crate) fn incarnation_of<'a>(mut lines: impl Iterator<Item = &'a str>) -> Result<Incarnation, CheckpointError> {
    let incarnation = lines.find_map(|line| line.strip_prefix(INCARNATION)).map(number).transpose()?;
    Ok(incarnation.map_or(Incarnation::FIRST, Incarnation))
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the first three lines and the extension line with the incarnation. Ignores other lines.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed);
        };
        let size = number(size)?;
        if origin.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size, root: hash(root)?, incarnation: incarnation_of(lines)? })
    }
}

/// Reads a hash in the form in which checkpoints, statements and proofs write it.
pub(crate) fn hash(text: &str) -> Result<Hash, CheckpointError> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Hash).ok_or(CheckpointError::Malformed)
}

/// Reads a number in its only valid form.
pub(crate) fn number(text: &str) -> Result<u64, CheckpointError> {
    let number: u64 = text.parse().map_err(|_| CheckpointError::Malformed)?;
    if number.to_string() == text { Ok(number) } else { Err(CheckpointError::Malformed) }
}

/// The reason why a checkpoint cannot be trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is not a checkpoint.
    #[error("this is not a checkpoint of a log")]
    Malformed,
    /// The log was rewritten since the earlier checkpoint, or the proof is of other checkpoints.
    #[error(
        "the proof does not lead from the earlier checkpoint to the later one: the log was rewritten, or the proof is of others"
    )]
    NotExtended,
    /// The event is not in the log, is at another place, or is a different event.
    #[error("the proof does not lead from this event to the checkpoint: the event was changed, or is not in the log")]
    NotProven,
    /// The fault of the note around the checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
}
