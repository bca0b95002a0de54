use std::error::Error;

use doorward_key::KeyPrefix;

use crate::{Doubt, Position, Revision};

/// An engine's own error, for the operator's log.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The reason why a store failed. A change may have been made only after `OutcomeUnknown`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The idempotency key was used before, for the same request.
    #[error("this was done before, for {subject}")]
    AlreadyDone {
        /// The id of the record that was made.
        subject: String,
        /// The number of the first change. Answer the repeat only after that change is in effect.
        revision: Revision,
    },
    /// The store's state does not allow the change.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A stored row has an invalid value.
    #[error("a record in the store cannot be read: {0}")]
    Corrupt(String),
    /// The answer may not come from the primary of the expected store.
    #[error(transparent)]
    Doubtful(#[from] Doubt),
    /// The store's place holds tables of another program with names that the store needs. Nothing was changed.
    #[error(
        "{place} {}: nothing was changed. Give the store a place of its own: another schema (`?schema=NAME` in the store's \
         URL), or another file",
        ownership(tables)
    )]
    ForeignTables {
        /// The schema or the file.
        place: String,
        /// The names of the other program's tables.
        tables: Vec<String>,
    },
    /// An older program made the store, and the opening did not allow a migration.
    #[error(
        "the store's schema has version {found}, and this program needs version {needed}: run `doorward store migrate`. \
         Servers of the release before go on meanwhile"
    )]
    OlderSchema {
        /// The store's version.
        found: i64,
        /// The version that this program needs.
        needed: i64,
    },
    /// The idempotency key was used before, for another request.
    #[error(
        "this idempotency key was used before, for another request: nothing was done. Use a new key for each request"
    )]
    IdempotencyKeyReused,
    /// The store lost a confirmed change, and no operator has accepted the loss.
    #[error(
        "the store lost change {0}, which it had confirmed: a revoked key may work again. `doorward store lost` tells what to do"
    )]
    LostChange(Position),
    /// The record to change, or the parent of a new record, does not exist in this scope.
    #[error("there is no such record")]
    NotFound,
    /// The engine broke after a commit was sent, and the change could not be looked up afterwards. It may have been made or
    /// not.
    #[error("the store broke at the commit: it is unknown if the change was made")]
    OutcomeUnknown,
    /// The sealing key of the value to write is not the store's.
    #[error(
        "the sealing key was rotated, and this server does not have the new one: copy the key's file to this server"
    )]
    OtherSealingKey,
    /// The prefix of the store's keys differs from the writer's.
    #[error(
        "the keys in this store begin with `{store}_`: a key with another prefix would be refused everywhere. Start with the \
         prefix `{store}`"
    )]
    OtherPrefix {
        /// The prefix of the store's keys.
        store: KeyPrefix,
    },
    /// The store has keys from a version that did not store their prefix.
    #[error(
        "the store has keys, but does not know their prefix: start once the server or service that made the keys, \
         which then stores the prefix"
    )]
    PrefixUnknown,
    /// A setting of the store is wrong, such as a parameter of its URL. Nothing was changed, and a retry cannot help.
    #[error("{0}")]
    Settings(String),
    /// A copy into the store is unfinished.
    #[error("a copy into this store is unfinished: run `doorward store copy` again")]
    UnfinishedCopy,
    /// The engine failed, and nothing was changed.
    #[error("the store is not available")]
    Unavailable(#[source] BoxError),
    /// The store belongs to another version of Doorward.
    #[error("the store's schema has version {found}, and this program knows versions up to {supported}")]
    UnsupportedSchema {
        /// The store's version.
        found: i64,
        /// The newest version that this program knows.
        supported: i64,
    },
}

impl StoreError {
    /// Returns the kind of a failure of the store, for metrics. Returns `None` if the store works and rejects the caller's
    /// request.
    #[must_use]
    pub const fn failure(&self) -> Option<&'static str> {
        Some(match self {
            Self::AlreadyDone { .. } | Self::Conflict(_) | Self::IdempotencyKeyReused | Self::NotFound => return None,
            Self::Corrupt(_) => "corrupt",
            Self::Doubtful(_) => "doubtful",
            Self::LostChange(_) => "lost_change",
            Self::OtherSealingKey => "sealing_key",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable(_) => "unavailable",
            Self::OlderSchema { .. } | Self::UnsupportedSchema { .. } => "schema",
            Self::ForeignTables { .. }
            | Self::OtherPrefix { .. }
            | Self::PrefixUnknown
            | Self::Settings(_)
            | Self::UnfinishedCopy => "settings",
        })
    }
}

/// Returns who has a place, with the first names of the tables in it.
fn ownership(tables: &[String]) -> String {
    const SHOWN: usize = 8;
    if tables.is_empty() {
        return "belongs to another program".to_owned();
    }
    let shown: Vec<_> = tables.iter().take(SHOWN).map(String::as_str).collect();
    let rest = if tables.len() > SHOWN { ", …" } else { "" };
    format!("has tables of another program ({}{rest})", shown.join(", "))
}

/// The reason why the store's current state rejects a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The key has a staged secret.
    #[error("a secret is staged already")]
    AlreadyStaged,
    /// The organization is closed.
    #[error("the organization is closed")]
    Closed,
    /// A record with the same unique field exists in this scope.
    #[error("such a record exists already")]
    Duplicate,
    /// Another organization has the external id.
    #[error("another organization has this external id")]
    ExternalIdTaken,
    /// The organization's list of allowed origins is full.
    #[error("the list of allowed origins is full")]
    ListFull,
    /// Another organization has the name.
    #[error("another organization has this name")]
    NameTaken,
    /// The store must be empty, and is not.
    #[error("the store has an organization already")]
    NotEmpty,
    /// The key has changed since the caller read it.
    #[error("the key was changed by someone else in the meantime")]
    Stale,
    /// The organization is in the wanted state already.
    #[error("the organization is in this state already")]
    Unchanged,
    /// A sink has not shipped all events of a prune.
    #[error("a sink has not shipped all of these events yet")]
    Unshipped,
}
