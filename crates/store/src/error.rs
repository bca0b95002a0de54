use std::error::Error;

use doorward_key::KeyPrefix;

use crate::{Doubt, Position, Revision};

/// An error of the engine's own, kept for the operator's log.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked. Nothing was changed, except where `Unavailable` says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The idempotency key was used before, for the same request.
    #[error("this was done before, for {subject}")]
    AlreadyDone {
        /// The id of what was made then.
        subject: String,
        /// The number of the change that was made then. Nobody may be told before that change is in effect.
        revision: Revision,
    },
    /// The store's state does not allow it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A stored row cannot be read back as what it should be.
    #[error("the store holds a record that cannot be read: {0}")]
    Corrupt(String),
    /// The answer may not come from the primary of the store that is meant.
    #[error(transparent)]
    Doubtful(#[from] Doubt),
    /// The idempotency key was used before, for another request.
    #[error(
        "this idempotency key was used before, for another request: nothing was done. Use a key of its own for each request"
    )]
    IdempotencyKeyReused,
    /// The store lost a change that it had confirmed, and no one has answered for that yet.
    #[error(
        "the store lost change {0}, which it had confirmed: a dead key may live again. `doorward store lost` tells what to do"
    )]
    LostChange(Position),
    /// What was to be changed, or what a new record should belong to, does not exist in this scope.
    #[error("there is no such record")]
    Missing,
    /// The change may have been made, and may not: the engine broke at the commit, and could not be asked after it.
    #[error("the store broke at the commit: whether the change was made is not known")]
    OutcomeUnknown,
    /// The value to write is sealed with another key than the store names.
    #[error("the sealing key was rotated, and this server does not have the new one: copy the file with the key here")]
    OtherSealingKey,
    /// The store's keys begin with another prefix than the writer gives to keys.
    #[error(
        "the keys in this store begin with `{store}_`: a key with another prefix would be refused everywhere. Start with the \
         prefix `{store}`"
    )]
    OtherPrefix {
        /// The prefix of the store's keys.
        store: KeyPrefix,
    },
    /// The store holds keys from before stores noted their prefix.
    #[error(
        "the store holds keys, but not the prefix that they begin with: start the server or service that made them once, \
         which notes it"
    )]
    PrefixUnknown,
    /// A copy into the store was begun, and is not finished.
    #[error("a copy into this store was begun and not finished: run `doorward store copy` again")]
    Unfinished,
    /// The engine failed. Where it failed at the commit, the change may or may not have been made.
    #[error("the store is not available")]
    Unavailable(#[source] BoxError),
    /// The store belongs to another version of Doorward.
    #[error("the store's schema has version {found}, and this program knows versions up to {supported}")]
    UnsupportedSchema {
        /// The version found.
        found: i64,
        /// The newest that this program knows.
        supported: i64,
    },
}

/// What stands against a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A secret is staged already.
    #[error("a secret is staged already")]
    AlreadyStaged,
    /// A record with the same unique field exists in this scope.
    #[error("such a record exists already")]
    Duplicate,
    /// The organization's list of allowed origins has as many entries as a list may have.
    #[error("the list of allowed origins is full")]
    ListFull,
    /// The store was to be empty, and is not.
    #[error("the store has an organization already")]
    NotEmpty,
    /// The keys changed since the caller looked.
    #[error("the key was changed by someone else in the meantime")]
    Stale,
    /// A sink has yet to ship what would be gone.
    #[error("a sink has not shipped all of these events yet")]
    Unshipped,
}
