use std::fmt;

use async_trait::async_trait;
use doorward_audit::{Action, ChainError, Event, EventDraft, Pruned};
use doorward_types::{ActorName, Environment, OrganizationId, Timestamp};

use crate::{Page, Scope, StoreError};

/// Reads, records and prunes audit events.
#[async_trait]
pub trait AuditLog: fmt::Debug + Send + Sync {
    /// Returns the matching events of a scope's log, newest first, below the sequence of `page.after`.
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError>;

    /// Returns the events of a scope's log, oldest first, above the sequence of `page.after`. Each event is read
    /// separately, so that an unreadable event does not hide later events from a verification.
    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError>;

    /// Writes an event without another change.
    async fn record(&self, event: EventDraft) -> Result<(), StoreError>;

    /// Returns the statement for the events that were pruned from a scope's log, if events were pruned.
    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError>;

    /// Writes the event and deletes the events that `pruned` covers, in one transaction.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::Stale`] if the last covered event is missing or differs. [`crate::Conflict::Unshipped`] if a
    /// sink has not shipped all covered events.
    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError>;

    /// Replaces the statement `before` by `after`, a new signature for the same pruned events, and writes the event, in
    /// one transaction.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::Stale`] if the log's statement is not `before`.
    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError>;

    /// Returns every log with an event or a statement for pruned events.
    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError>;
}

/// A filter. An event matches if it satisfies every field that is set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventFilter {
    /// The earliest time.
    pub since: Option<Timestamp>,
    /// The end of the times, excluded.
    pub until: Option<Timestamp>,
    /// The action.
    pub action: Option<Action>,
    /// The actor.
    pub actor: Option<ActorName>,
    /// A part of the actor's name. Upper and lower case of ASCII letters count as equal.
    pub actor_part: Option<String>,
    /// The id of the record that the event is about, such as a key's.
    pub subject: Option<String>,
}

impl EventFilter {
    /// Returns true if the event matches.
    #[must_use]
    pub fn admits(&self, event: &EventDraft) -> bool {
        let Self { since, until, action, actor, actor_part, subject } = self;
        let has_part = |part: &String| event.actor.as_str().to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time < until)
            && action.is_none_or(|action| event.action == action)
            && actor.as_ref().is_none_or(|actor| event.actor == *actor)
            && actor_part.as_ref().is_none_or(has_part)
            && subject.as_ref().is_none_or(|subject| event.subject == *subject)
    }
}
