use doorward_key::{KeyError, RandomError};
use doorward_store::{ActiveSecret, Hold, StoreError};
use doorward_types::Timestamp;

use crate::{KnownKey, RevokedKey};

/// The reason why a key was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The text is not a key.
    #[error(transparent)]
    Malformed(#[from] KeyError),
    /// This node cannot prove that it is current. The key may be valid or not.
    #[error("this node cannot prove that it is up to date")]
    NotCurrent,
    /// The key is active, but was reported as leaked, and waits for an operator.
    #[error("this key was reported as leaked, and waits for an operator")]
    Quarantined(KnownKey),
    /// The key was revoked while this node ran, and is one of the last ten thousand. The sender must get the same
    /// answer as for [`VerifyError::Unknown`].
    #[error("unknown or revoked key")]
    Revoked(RevokedKey),
    /// The key is valid, but its organization is suspended.
    #[error("the organization of this key is suspended")]
    Suspended,
    /// The key never existed, was deleted, or was regenerated. The answer is the same for all three.
    #[error("unknown or revoked key")]
    Unknown,
}

impl VerifyError {
    /// Returns the refusal of an active secret, if the secret is held.
    pub(crate) fn of_held(live: &ActiveSecret) -> Option<Self> {
        Some(match live.hold()? {
            Hold::Quarantined => Self::Quarantined(live.into()),
            // A hold of an unknown kind refuses as well.
            _ => Self::Suspended,
        })
    }
}

/// The reason why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gave no thread or runtime for the control plane.
    #[error("cannot start the thread of the control plane")]
    Thread(#[source] std::io::Error),
}

/// The reason why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// The same request was made before with the same idempotency key. The first change is in effect everywhere.
    #[error(
        "this request was carried out before, for {id}, and is in effect everywhere. A value is shown only in the first answer"
    )]
    AlreadyDone {
        /// The id of the record that was made.
        id: String,
    },
    /// The idempotency key was used before, for another request.
    #[error(
        "this idempotency key was used before, for another request: nothing was done. Use a new key for each request"
    )]
    IdempotencyKeyReused,
    /// A next production key is already staged.
    #[error("a next production key is staged already; regenerate to promote it, or unstage it first")]
    AlreadyStaged,
    /// Someone else changed the same key at the same moment.
    #[error("someone else changed this key at the same moment; look at it again before you go on")]
    ChangedMeanwhile,
    /// Another organization has the external id.
    #[error("another organization has this external id")]
    ExternalIdTaken,
    /// The list of allowed origins is full.
    #[error("the list of allowed origins is full with 1000 entries: remove unused entries")]
    ListFull,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// The name is reserved, so that no operator looks like one of Doorward's own programs in an audit log.
    #[error(
        "names that begin with `cli:`, `doorward`, `host:`, `key_` or `server` are reserved for programs, visitors and keys: choose another name"
    )]
    NameReserved,
    /// The secret was imported before, for another organization or environment.
    #[error(
        "the store has this key for another organization or environment, or another key with its locator: a key belongs to one"
    )]
    ImportedElsewhere,
    /// The secret was imported before, and is revoked. It is not imported again.
    #[error("this key was in the store before, and was revoked since: a revoked key never works again")]
    ImportRevoked,
    /// The time of creation of an imported secret is in the future.
    #[error("the key's time of creation is in the future")]
    ImportFromFuture,
    /// There is no such key in this organization.
    #[error("there is no such access key in this organization")]
    NoSuchKey,
    /// There is no such operator.
    #[error("there is no such operator")]
    NoSuchOperator,
    /// The operator has no such passkey.
    #[error("you have no such passkey")]
    NoSuchPasskey,
    /// There is no such organization.
    #[error("there is no such organization")]
    NoSuchOrganization,
    /// There is no such entry on this organization's list of allowed origins.
    #[error("there is no such allowed origin in this organization")]
    NoSuchOrigin,
    /// The store has lost no change, or an operator has accepted every loss.
    #[error("there is no lost change to accept")]
    NothingLost,
    /// No next production key is staged.
    #[error("no next production key is staged")]
    NothingStaged,
    /// The store has an organization already, but the change required an empty store.
    #[error("the store has an organization already")]
    NotEmpty,
    /// The organization is closed, and stays closed.
    #[error("the organization is closed")]
    OrganizationClosed,
    /// The passkey was added before.
    #[error("this passkey was added before")]
    PasskeyTaken,
    /// The engine has no table of passkeys.
    #[error("this store keeps no passkeys")]
    PasskeysNotKept,
    /// An organization always has a production key.
    #[error("an organization always has its production key: regenerate it instead of deleting it")]
    ProductionKeyRequired,
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The record is as the change would make it.
    #[error("it is in this state already")]
    StateUnchanged,
    /// The staged secret was reported as leaked, and is refused until an operator decides.
    #[error("the next key was reported as leaked and is refused: withdraw it, or release it first")]
    StagedQuarantined,
    /// The request asks that the secrets to revoke were unused for a time, and one was used.
    #[error("the key is still in use: it was last used at {last_used_at}, and {uses_last_hour} times in the last hour")]
    StillInUse {
        /// The time of the last use of a secret to revoke.
        last_used_at: Timestamp,
        /// The number of uses of the secrets to revoke in the last hour.
        uses_last_hour: u64,
    },
    /// The store failed. After [`StoreError::OutcomeUnknown`], the change may have been made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine has no log of uses.
    #[error("this store keeps no counts of uses: it is unknown what a regeneration would break")]
    UsesNotKept,
}
