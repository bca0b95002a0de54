use async_trait::async_trait;
use doorward_audit::{Action, ChainFault, Event, EventDraft, Pruned};
use doorward_types::{AccessKeyId, Environment, Locator, Name, OperatorId, OrganizationId, Timestamp};

use crate::{
    AccessKeyWithSecrets, Change, ChangeContext, Coherence, Committed, IdempotencyKey, LostChanges, Operation,
    Operator, Organization, OriginEntry, ProviderIdentity, Revision, Scope, SecretUsage, SignIns, Sourced, SpanUses,
    StoreError,
};

/// Everything that the core needs of an engine: keys, operators, and the log of what was done to them.
pub trait KeyEngine: KeyStore + Coherence + LostChanges + UsageLog + AuditLog + Operators + SignIns + 'static {}

impl<S> KeyEngine for S where S: KeyStore + Coherence + LostChanges + UsageLog + AuditLog + Operators + SignIns + 'static
{}

/// The choice of an engine that finds no store at its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// Make it.
    Create,
    /// Refuse.
    Existing,
}

/// Organizations, keys and their secrets, allowed origins: the management side's view, which spans environments.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Carries out a change in one transaction: the rows of [`Change::plan`], the next revision, the change log, the
    /// operation, and the audit events. All of it, or nothing.
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError>;

    /// Returns the operation that this actor asked for under this idempotency key, if the store remembers one.
    async fn operation(&self, actor: &Name, key: &IdempotencyKey) -> Result<Sourced<Option<Operation>>, StoreError>;

    /// Returns the number of the newest change about the record with this id, if the store remembers one: an answer that
    /// tells of the record's state waits until that change is in effect.
    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError>;

    /// Closes the store: what was begun ends, and nothing is begun any more. An engine in files leaves one file behind.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The organization with this id.
    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError>;

    /// Organizations, newest first.
    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError>;

    /// Organizations with this name, newest first, `limit` of them at most.
    async fn organizations_named(&self, name: &Name, limit: u32) -> Result<Vec<Organization>, StoreError>;

    /// All keys of an organization, the production key first, then test keys by age.
    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError>;

    /// The origins that callbacks of an organization may go to, oldest first.
    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError>;

    /// One key of an organization, whatever the number of its keys.
    async fn access_key(
        &self,
        organization: OrganizationId,
        which: WhichKey,
    ) -> Result<Option<AccessKeyWithSecrets>, StoreError>;
}

/// A choice among an organization's keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhichKey {
    /// The key with this id.
    Id(AccessKeyId),
    /// The production key, which every organization has.
    Production,
}

/// How often secrets were used. What nodes count in memory, they add here from time to time.
#[async_trait]
pub trait UsageLog: Send + Sync {
    /// Adds uses that ended at about this time. Secrets that are gone by now are passed over.
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError>;

    /// What is kept of when an organization's secrets were used, by secret and then by time: [`USAGE_KEPT`](crate::USAGE_KEPT).
    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError>;

    /// The usage of every secret of an organization that was ever used.
    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError>;
}

/// Reading the audit events back.
#[async_trait]
pub trait AuditLog: std::fmt::Debug + Send + Sync {
    /// The events of a scope's log that the filter lets through, newest first, below the sequence of `page.after`.
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError>;

    /// The events of a scope's log, oldest first, above the sequence of `page.after`: to be verified, so that one which
    /// cannot be read does not hide those after it.
    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError>;

    /// Writes an event of what changes nothing else.
    async fn record(&self, event: EventDraft) -> Result<(), StoreError>;

    /// What stands for events that were cut off the beginning of a scope's log, where any were.
    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError>;

    /// Writes the event, and cuts off those that `pruned` stands for, in one transaction.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::Stale`] where the last of them is not there, or is another; [`crate::Conflict::Unshipped`] where a
    /// sink has not come as far.
    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError>;

    /// Puts what stands for pruned events in the place of `before`, and writes the event, in one transaction: the same events,
    /// signed again.
    ///
    /// # Errors
    ///
    /// [`crate::Conflict::Stale`] if something else stands for the log's pruned events.
    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError>;

    /// Every log that has an event, or something that stands for pruned events.
    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError>;
}

/// Which events: those that fit everything that is said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventFilter {
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Of this action.
    pub action: Option<Action>,
    /// By this actor.
    pub actor: Option<Name>,
    /// About the record with this id, such as a key's.
    pub subject: Option<String>,
}

impl EventFilter {
    /// Whether it lets an event through.
    #[must_use]
    pub fn admits(&self, event: &EventDraft) -> bool {
        let Self { since, until, action, actor, subject } = self;
        since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time < until)
            && action.is_none_or(|action| event.action == action)
            && actor.as_ref().is_none_or(|actor| event.actor == *actor)
            && subject.as_ref().is_none_or(|subject| event.subject == *subject)
    }
}

/// Who may use the management side.
#[async_trait]
pub trait Operators: Send + Sync {
    /// Adds an operator, with the event that tells of it.
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError>;

    /// Removes an operator, with the event that tells of it; [`StoreError::Missing`] where there is none.
    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError>;

    /// All operators, oldest first.
    async fn operators(&self) -> Result<Vec<Operator>, StoreError>;

    /// The operator whose token has this locator.
    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError>;

    /// Returns the operator that is bound to this identity.
    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError>;

    /// Binds an operator to an identity, for good, with the event that tells of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is no such operator, or it is not [`crate::ProviderAccess::Expected`];
    /// [`crate::Conflict::Duplicate`] if the identity is another operator's.
    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError>;
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page<K> {
    /// Only what comes after this one in the list's order.
    pub after: Option<K>,
    /// The most rows.
    pub limit: u32,
}

impl<K> Page<K> {
    /// The first rows.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}
