//! Cosignatures of witnesses (C2SP `tlog-cosignature`): independent machines that have seen a checkpoint, and have checked that
//! the log has only grown since the one before.

use std::fmt;
use std::str::FromStr;

use doorward_types::Timestamp;

use crate::note::Ed25519Key;
use crate::{NoteError, NoteKeyError};

/// The number of a timestamped Ed25519 cosignature in a signed note.
const COSIGNATURE: u8 = 4;

/// The verifier of one witness's cosignatures. Its text is `NAME+ID+KEY`, as the witness publishes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessVerifier(Ed25519Key);

impl WitnessVerifier {
    /// Returns the name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the time at which the witness has cosigned a checkpoint.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if the text is not a note, or has no valid cosignature of this witness.
    pub fn cosigned_at(&self, note: &str) -> Result<Timestamp, NoteError> {
        let (text, signed) = self.0.signature_in(note)?;
        let (time, signature) = signed.split_first_chunk::<8>().ok_or(NoteError::Malformed)?;
        let seconds = i64::try_from(u64::from_be_bytes(*time)).map_err(|_| NoteError::Malformed)?;
        self.0.check(&format!("cosignature/v1\ntime {seconds}\n{text}"), signature)?;
        seconds.checked_mul(1_000).map(Timestamp::from_millis).ok_or(NoteError::Malformed)
    }

    /// Returns a checkpoint with the cosignatures of an answer of this witness.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if the answer has no valid cosignature of this witness.
    pub fn added(&self, note: &str, answer: &str) -> Result<String, NoteError> {
        let cosigned = format!("{note}{answer}");
        self.cosigned_at(&cosigned).map(|_| cosigned)
    }
}

impl fmt::Display for WitnessVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WitnessVerifier {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        Ed25519Key::parse(text, COSIGNATURE).map(Self)
    }
}
