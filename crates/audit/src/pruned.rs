use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_types::Incarnation;

use crate::checkpoint::{incarnation_line, incarnation_of, number};
use crate::{Checkpoint, CheckpointError, Hash, NoteError, NoteKey, NoteVerifier, Tree};

/// What stands for the events that were cut off the beginning of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pruned {
    /// How many they were.
    pub size: u64,
    /// The hash of the last of them, which the next event follows.
    pub last_hash: Hash,
    /// The peaks of the tree over them, which it grows on from.
    pub peaks: Vec<Hash>,
    /// The signed statement that they were pruned. Programs from before signed a checkpoint, which proves no prune.
    pub note: String,
}

impl Pruned {
    /// Returns the subject of the event that tells of a prune: of events 1 to `size` of this log.
    #[must_use]
    pub fn subject(log: &str, size: u64) -> String {
        format!("{log} 1 to {size}")
    }

    /// Returns the name under which statements about this log are signed. No checkpoint has this name, so that neither
    /// passes for the other.
    #[must_use]
    pub fn name_of(log: &str) -> String {
        format!("{log}/pruned")
    }

    /// Returns the tree over these events of this log and the store's incarnation, if one of the keys has signed the
    /// statement, or if no key is given.
    pub(crate) fn checked(&self, log: &str, keys: &[NoteVerifier]) -> Result<(Tree, Incarnation), PrunedFault> {
        let stated = self.stated(log)?;
        let (tree, is_same) = self.tree_and_whether_it_is(&stated)?;
        if !is_same {
            return Err(PrunedFault::Differs);
        }
        if !keys.is_empty() && !keys.iter().any(|key| self.is_signed_by(log, key)) {
            return Err(PrunedFault::Unsigned(self.size));
        }
        Ok((tree, stated.incarnation))
    }

    /// Returns whether this key has signed that these events of this log were pruned. The name of the key does not count: a key
    /// speaks for its holder.
    #[must_use]
    pub fn is_signed_by(&self, log: &str, key: &NoteVerifier) -> bool {
        key.named(&Self::name_of(log)).open(&self.note).is_ok()
    }

    /// Returns the same with a statement that this key has signed as well: signing keys rotate, and what an old key signed
    /// still verifies. A checkpoint from an older program, and a statement about other events, give way to a fresh statement.
    ///
    /// The caller answers for the prune: by the signature of another key, or as the one who knows that it was made.
    ///
    /// # Errors
    ///
    /// [`PrunedFault`], if there is not one peak for each bit of the size.
    pub fn signed_again(&self, log: &str, key: &NoteKey) -> Result<Self, PrunedFault> {
        let tree = Tree::of_peaks(self.size, self.peaks.clone()).ok_or(PrunedFault::Differs)?;
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

    /// Returns the statement that the verifier signs when it cuts off the events that it has followed.
    pub(crate) fn new(log: &str, tree: &Tree, last_hash: Hash, incarnation: Incarnation, key: &NoteKey) -> Self {
        let statement = Statement::new(log, tree, last_hash, incarnation);
        let note = key.sign(&Self::name_of(log), &statement.to_string());
        Self { size: tree.size(), last_hash, peaks: tree.peaks().to_vec(), note }
    }

    fn stated(&self, log: &str) -> Result<Statement, PrunedFault> {
        let (text, _) = self.note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let stated: Statement = match text.parse() {
            Ok(stated) => stated,
            Err(_) if self.old_checkpoint().is_some() => return Err(PrunedFault::OldForm(self.size)),
            Err(error) => return Err(error.into()),
        };
        if stated.name == Self::name_of(log) { Ok(stated) } else { Err(PrunedFault::Differs) }
    }

    fn old_checkpoint(&self) -> Option<Checkpoint> {
        let (text, _) = self.note.rsplit_once("\n\n")?;
        text.parse().ok()
    }

    fn tree_and_whether_it_is(&self, stated: &Statement) -> Result<(Tree, bool), PrunedFault> {
        let tree = Tree::of_peaks(self.size, self.peaks.clone()).ok_or(PrunedFault::Differs)?;
        let same = stated.size == self.size && stated.root == tree.root() && stated.last_hash == self.last_hash;
        Ok((tree, same && self.size > 0))
    }
}

/// The text that a prune signs. It has the form of a checkpoint (C2SP `tlog-checkpoint`) with an extension line, under a
/// name that is no log's.
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

/// The beginning of the line that names the hash of the last event: the root covers it, and only a proof would show it.
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
        let hash = |text: &str| {
            let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.map(Hash).ok_or(CheckpointError::Malformed)
        };
        let (name, size, root) = (line()?.to_owned(), number(line()?)?, hash(line()?)?);
        let last_hash = hash(line()?.strip_prefix(LAST).ok_or(CheckpointError::Malformed)?)?;
        Ok(Self { name, size, root, last_hash, incarnation: incarnation_of(lines)? })
    }
}

/// Why what stands for pruned events cannot be relied on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrunedFault {
    /// The statement is about other events, or about another log.
    #[error("what stands for pruned events is not of those that were cut off")]
    Differs,
    /// A program from before signed a checkpoint, as anyone can have it who asked for one.
    #[error(
        "what stands for events 1 to {0} is a checkpoint, which does not prove that they were pruned. Programs from before \
         wrote nothing else: if you know of the prune, run `doorward audit resign` once"
    )]
    OldForm(u64),
    /// The statement cannot be read.
    #[error("what stands for pruned events: {0}")]
    Statement(#[from] CheckpointError),
    /// None of the keys has signed it.
    #[error(
        "none of the given keys has signed that events 1 to {0} were pruned: if another key of yours has, give \
         its verifier key too"
    )]
    Unsigned(u64),
    /// The log has no event of the prune.
    #[error("events 1 to {0} are gone, and no event tells that they were pruned")]
    Untold(u64),
}

impl From<NoteError> for PrunedFault {
    fn from(error: NoteError) -> Self {
        Self::Statement(error.into())
    }
}
