use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_types::{Environment, Incarnation, OrganizationId};

use crate::{Hash, NoteError, NoteKey, NoteVerifier};

/// What a log held at some moment: how many events, and the root of the Merkle tree over them (C2SP `tlog-checkpoint`).
///
/// Whoever keeps one can tell later whether the log still begins with those events: cutting its end off, or writing it
/// anew from the start, cannot be hidden from them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Which log: see [`Checkpoint::origin_of`].
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The incarnation of the store that wrote the last of them.
    pub incarnation: Incarnation,
}

impl Checkpoint {
    /// How the log of an organization and environment is called, in checkpoints and as the name of its key.
    #[must_use]
    pub fn origin_of(organization: OrganizationId, environment: Environment) -> String {
        format!("doorward/{organization}/{environment}")
    }

    /// The checkpoint as a signed note. Only a log that was verified is vouched for: see
    /// [`VerifiedLog::sign`](crate::VerifiedLog::sign).
    pub(crate) fn sign(&self, key: &NoteKey) -> String {
        key.sign(&self.origin, &self.to_string())
    }

    /// The checkpoint in a note that this key has signed.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, CheckpointError> {
        let checkpoint: Self = verifier.open(note)?.parse()?;
        if checkpoint.origin == verifier.name() { Ok(checkpoint) } else { Err(CheckpointError::Malformed) }
    }

    /// The checkpoint in a note that one of these keys has signed, whatever log each key was shown for: signing keys rotate,
    /// and one key signs the checkpoints of many logs.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]: what the last key says.
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

/// The beginning of the extension line that names the incarnation. A store that was never restored writes none.
const INCARNATION: &str = "incarnation ";

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))?;
        f.write_str(&incarnation_line(self.incarnation))
    }
}

/// The extension line of a store that was restored.
pub(crate) fn incarnation_line(incarnation: Incarnation) -> String {
    match incarnation {
        Incarnation::FIRST => String::new(),
        restored => format!("{INCARNATION}{restored}\n"),
    }
}

/// The incarnation that one of these lines names.
pub(crate) fn incarnation_of<'a>(mut lines: impl Iterator<Item = &'a str>) -> Result<Incarnation, CheckpointError> {
    let incarnation = lines.find_map(|line| line.strip_prefix(INCARNATION)).map(number).transpose()?;
    Ok(incarnation.map_or(Incarnation::FIRST, Incarnation))
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the first three lines, and the extension line with the incarnation; others are passed over.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed);
        };
        let size = number(size)?;
        let root = BASE64.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(CheckpointError::Malformed)?;
        if origin.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size, root: Hash(root), incarnation: incarnation_of(lines)? })
    }
}

/// A number has one way to be written.
pub(crate) fn number(text: &str) -> Result<u64, CheckpointError> {
    let number: u64 = text.parse().map_err(|_| CheckpointError::Malformed)?;
    if number.to_string() == text { Ok(number) } else { Err(CheckpointError::Malformed) }
}

/// Why a text is no checkpoint to rely on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is no checkpoint.
    #[error("this is no checkpoint of a log")]
    Malformed,
    /// The event is not in the log, or not in this place, or is another.
    #[error("the proof does not lead from this event to the checkpoint: the event was changed, or is not in the log")]
    NotProven,
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
}
