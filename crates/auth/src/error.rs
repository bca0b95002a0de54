use doorward_key::{KeyFault, RandomError};
use doorward_store::StoreError;

use crate::RevokedKey;

/// Why a key was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The text is no key.
    #[error(transparent)]
    Malformed(#[from] KeyFault),
    /// This node cannot prove that what it knows is current. Not a word about the key.
    #[error("this node cannot prove that it is up to date")]
    NotCurrent,
    /// The key was revoked while this node ran, and is among the last ten thousand. To the sender this is
    /// [`Refusal::Unknown`].
    #[error("the key is not known, or no longer")]
    Revoked(RevokedKey),
    /// No such key: it never was, was deleted, or was regenerated. The same answer for all three.
    #[error("the key is not known, or no longer")]
    Unknown,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gave no thread or runtime for the control plane.
    #[error("the control plane cannot have a thread of its own")]
    Thread(#[source] std::io::Error),
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The same was asked for before, under the same idempotency key. The first change is in effect everywhere.
    #[error(
        "this request was carried out before, for {id}, and is in effect everywhere; a value is shown in the first answer only"
    )]
    AlreadyDone {
        /// The id of what was made then.
        id: String,
    },
    /// The idempotency key was used before, for another request.
    #[error(
        "this idempotency key was used before, for another request: nothing was done. Use a key of its own for each request"
    )]
    IdempotencyKeyReused,
    /// A next production key is staged already.
    #[error("a next production key is staged already; regenerate to promote it, or unstage it first")]
    AlreadyStaged,
    /// Someone else changed the same key at the same moment.
    #[error("someone else changed this key at the same moment; look at it again before you go on")]
    ChangedMeanwhile,
    /// The list of allowed origins is full.
    #[error("the list of allowed origins has 1000 entries, and takes no more: remove those that nobody needs")]
    ListFull,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// The name is kept for Doorward's own programs, so that nobody is taken for one of them in an audit log.
    #[error(
        "names that begin with `cli:`, `doorward`, `key_` or `server` are those of Doorward's own programs and of keys: choose another"
    )]
    NameReserved,
    /// There is no such key in this organization.
    #[error("there is no such access key in this organization")]
    NoSuchKey,
    /// There is no such operator.
    #[error("there is no such operator")]
    NoSuchOperator,
    /// There is no such organization.
    #[error("there is no such organization")]
    NoSuchOrganization,
    /// There is no such entry on this organization's list of allowed origins.
    #[error("there is no such allowed origin in this organization")]
    NoSuchOrigin,
    /// The store has lost nothing, or all was answered for.
    #[error("no lost change is open")]
    NothingLost,
    /// No next production key is staged.
    #[error("no next production key is staged")]
    NothingStaged,
    /// The store has an organization already, and only an empty one was to be provisioned.
    #[error("the store has an organization already")]
    NotEmpty,
    /// An organization has a production key, always.
    #[error("an organization always has its production key: regenerate it instead of deleting it")]
    ProductionKeyRequired,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store failed. Where it failed at the commit, the change may or may not have been made.
    #[error(transparent)]
    Store(StoreError),
}
