use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_types::Incarnation;

use crate::checkpoint::{hash, incarnation_line, incarnation_of, number};
use crate::{Checkpoint, CheckpointError, Hash, NoteError, NoteKey, NoteVerifier, Tree};

/// The record of the events that were cut off the beginning of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pruned {
    /// The number of pruned events.
    pub size: u64,
    /// The hash of the last pruned event, which the next event follows.
    pub last_hash: Hash,
    /// The peaks of the tree over the pruned events. The tree grows on from them.
    pub peaks: Vec<Hash>,
    /// The signed statement about the prune. Older programs signed a checkpoint instead, which does not prove a prune.
    pub note: String,
}

impl Pruned {
    /// Creates a record that was read from a store.
    #[must_use]
    pub const fn new(size: u64, last_hash: Hash, peaks: Vec<Hash>, note: String) -> Self {
        Self { size, last_hash, peaks, note }
    }

    /// Returns the subject of the event that records the prune of events 1 to `size` of this log.
    #[must_use]
    pub fn subject(log: &str, size: u64) -> String {
        format!("{log} 1 to {size}")
    }

    /// Returns the name under which prune statements of this log are signed. No checkpoint has this name, so a statement and a
    /// checkpoint cannot be mistaken for each other.
    #[must_use]
    pub fn name_of(log: &str) -> String {
        format!("{log}/pruned")
    }

    /// Returns the tree over the pruned events and the store's incarnation, if one of the keys has signed the statement, or if no
    /// key is given.
    pub(crate) fn checked(&self, log: &str, keys: &[NoteVerifier]) -> Result<(Tree, Incarnation), PrunedError> {
        let stated = self.stated(log)?;
        let tree = Tree::of_peaks(self.size, self.peaks.clone()).ok_or(PrunedError::Differs)?;
        if self.size == 0 || stated != Statement::new(log, &tree, self.last_hash, stated.incarnation) {
            return Err(PrunedError::Differs);
        }
        if !keys.is_empty() && !keys.iter().any(|key| self.is_signed_by(log, key)) {
            return Err(PrunedError::Unsigned(self.size));
        }
        Ok((tree, stated.incarnation))
    }

    /// Returns whether this key has signed the prune of these events from this log. The key's name is ignored, since trust is in
    /// the holder of the key.
    #[must_use]
    pub fn is_signed_by(&self, log: &str, key: &NoteVerifier) -> bool {
        key.named(&Self::name_of(log)).open(&self.note).is_ok()
    }

    /// Returns the record with this key's signature added, since signing keys rotate and an old key's signature still verifies. A
    /// fresh statement replaces an older program's checkpoint, and a statement about other events.
    ///
    /// The caller vouches for the prune: another key has signed it, or the caller has made it.
    ///
    /// # Errors
    ///
    /// [`PrunedError`] if there is not one peak for each bit of the size.
    pub fn signed_again(&self, log: &str, key: &NoteKey) -> Result<Self, PrunedError> {
        let tree = Tree::of_peaks(self.size, self.peaks.clone()).ok_or(PrunedError::Differs)?;
        let incarnation = match self.stated(log) {
            Ok(stated) => stated.incarnation,
            Err(_) => self.old_checkpoint().map_or(Incarnation::FIRST, |old| old.incarnation),
        };
        let statement = Statement::new(log, &tree, self.last_hash, incarnation);
        let (text, name) = (statement.to_string(), Self::name_of(log));
        let signed = key.sign(&name, &text);
        let note = match self.note.strip_prefix(&text) {
            Some(signatures) if self.stated(log).is_ok() => {
                let mine = signed.strip_prefix(&text).unwrap_or_default().trim_start_matches('\n');
                format!("{text}{signatures}{mine}")
            }
            _ => signed,
        };
        Ok(Self { note, ..self.clone() })
    }

    /// Creates the record when the verifier cuts off the events that it has followed.
    pub(crate) fn signed(log: &str, tree: &Tree, last_hash: Hash, incarnation: Incarnation, key: &NoteKey) -> Self {
        let statement = Statement::new(log, tree, last_hash, incarnation);
        let note = key.sign(&Self::name_of(log), &statement.to_string());
        Self { size: tree.size(), last_hash, peaks: tree.peaks().to_vec(), note }
    }

    fn stated(&self, log: &str) -> Result<Statement, PrunedError> {
        let (text, _) = self.note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let stated: Statement = match text.parse() {
            Ok(stated) => stated,
            Err(_) if self.old_checkpoint().is_some() => return Err(PrunedError::OldForm(self.size)),
            Err(error) => return Err(error.into()),
        };
        if stated.name == Self::name_of(log) { Ok(stated) } else { Err(PrunedError::Differs) }
    }

    fn old_checkpoint(&self) -> Option<Checkpoint> {
        let (text, _) = self.note.rsplit_once("\n\n")?;
        text.parse().ok()
    }
}

/// The signed text of a prune. It has the form of a checkpoint (C2SP `tlog-checkpoint`) with an extension line, under a name that
/// no log has.
#[derive(Debug, Eq, PartialEq)]
struct Statement {
    name: String,
    size: u64,
    root: Hash,
    last_hash: Hash,
    incarnation: Incarnation,
}

impl Statement {
    fn new(log: &str, tree: &Tree, last_hash: Hash, incarnation: Incarnation) -> Self {
        Self { name: Pruned::name_of(log), size: tree.size(), root: tree.root(), last_hash, incarnation }
    }
}

/// The start of the line with the last event's hash. The root covers that hash, but only a proof could show it.
const LAST: &str = "last ";

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.name, self.size, BASE64.encode(self.root.0))?;
        writeln!(f, "{LAST}{}", BASE64.encode(self.last_hash.0))?;
        f.write_str(&incarnation_line(self.incarnation))
    }
}

impl FromStr for Statement {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(CheckpointError::Malformed);
        let (name, size, root) = (line()?.to_owned(), number(line()?)?, hash(line()?)?);
        let last_hash = hash(line()?.strip_prefix(LAST).ok_or(CheckpointError::Malformed)?)?;
        Ok(Self { name, size, root, last_hash, incarnation: incarnation_of(lines)? })
    }
}

/// The reason why the record of pruned events cannot be trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrunedError {
    /// The statement is about other events, or about another log.
    #[error("the statement about pruned events is about other events")]
    Differs,
    /// An older program signed a checkpoint, which anyone could have requested.
    #[error(
        "only a checkpoint stands for events 1 to {0}, which does not prove that they were pruned. Older programs \
         wrote nothing else: if you know of the prune, run `doorward audit resign` once"
    )]
    OldForm(u64),
    /// The statement cannot be read.
    #[error("the statement about pruned events: {0}")]
    Statement(#[from] CheckpointError),
    /// None of the given keys has signed the statement.
    #[error(
        "none of the given keys has signed that events 1 to {0} were pruned: if another key of yours has, give \
         its verifier key too"
    )]
    Unsigned(u64),
    /// The log has no event that records the prune.
    #[error("events 1 to {0} are missing, and no event records that they were pruned")]
    Untold(u64),
}

impl From<NoteError> for PrunedError {
    fn from(error: NoteError) -> Self {
        Self::Statement(error.into())
    }
}
