use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::{ChainError, Event, EventDraft, Pruned};
use doorward_key::{Digest, KeyPrefix};
use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, Erasure, FoundLink, LinkSession, LinkSessions, LinkStatus,
    RegisteredUser, Revocation, Revocations, Sealed, SealedKind, SealedValue, Sealing, Table, ToolCall, ToolCalls,
};
use doorward_store::{
    AccessKeyWithSecrets, ActiveSecret, AuditLog, Change, ChangeContext, ChangeFeed, Committed, EventFilter,
    IdempotencyKey, KeyOverview, KeyStore, LostChange, LostChangeStore, NodeRegistry, Observation, Operation, Operator,
    OperatorStore, Organization, OriginEntry, Outbox, OutboxEntry, Page, Passkey, Passkeys, Position, Provenance,
    ProviderIdentity, Refusals, RetiredSecret, RetiredSecrets, Revision, Scope, SealingKeyId, SecretUsage, Session,
    SessionStatus, SignIn, SignIns, SinkState, Sourced, StoreError, StoreIdentity, UsageBucket, UsageLog, WhichKey,
};
use doorward_store_memory::MemoryStore;
use doorward_types::{
    AccessKeyId, ActorName, Environment, Incarnation, LinkSessionId, Locator, Name, OperatorId, OrganizationId,
    RegisteredUserId, SessionId, Timestamp, ToolCallId,
};

/// The name of the called method.
pub(crate) type Call = &'static str;

/// The work of a call. Its answer is ready when the work has ended.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Intercepts the calls to a store and their answers.
#[async_trait]
pub(crate) trait Way: fmt::Debug + Send + Sync + 'static {
    /// Carries a call to the store, and its answer back. An error replaces the answer.
    async fn carry(&self, call: Call, work: Work<'_>) -> Result<(), StoreError>;

    /// Changes an answer.
    fn retouch(&self, _call: Call, _answer: &mut dyn Any) {}

    /// Returns the interceptor of a node's control plane, if it has its own.
    fn control(&self) -> Option<Arc<Self>>
    where
        Self: Sized,
    {
        None
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(10)
    }
}

/// A store behind an interceptor.
#[derive(Debug)]
pub(crate) struct Carried<W> {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) way: Arc<W>,
}

impl<W: Way> Carried<W> {
    pub(crate) fn new(store: &Arc<MemoryStore>, way: W) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), way: Arc::new(way) })
    }

    async fn call<T: Send + 'static>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        self.way.carry(call, Box::pin(async { answer = Some(work.await) })).await?;
        let mut answer = answer.expect("an interceptor neither carried the call nor failed")?;
        self.way.retouch(call, &mut answer);
        Ok(answer)
    }
}

/// Changes the provenance of an answer.
pub(crate) type Label = fn(Provenance) -> Provenance;

/// Changes the provenance of an answer that has one.
pub(crate) fn relabel(answer: &mut dyn Any, label: Label) {
    fn relabel<T: Clone + 'static>(answer: &mut dyn Any, label: Label) {
        if let Some(sourced) = answer.downcast_mut::<Sourced<T>>() {
            let (told, value) = sourced.clone().proved_of_any_store().expect("memory is a primary");
            *sourced = Sourced::new(label(told), value);
        }
    }
    relabel::<Observation>(answer, label);
    relabel::<Option<ActiveSecret>>(answer, label);
    relabel::<Option<Operation>>(answer, label);
    relabel::<Option<Revision>>(answer, label);
    relabel::<Position>(answer, label);
    relabel::<StoreIdentity>(answer, label);
    relabel::<Vec<ActiveSecret>>(answer, label);
    relabel::<Vec<OriginEntry>>(answer, label);
    relabel::<Vec<SessionStatus>>(answer, label);
}

/// Removes every node's acknowledgements from a list of sessions, as in a store that went back to an earlier state.
pub(crate) fn forget_acknowledgements(answer: &mut dyn Any) {
    if let Some(found) = answer.downcast_mut::<Sourced<Vec<SessionStatus>>>() {
        let (told, mut sessions) = found.clone().proved_of_any_store().expect("memory is a primary");
        sessions.iter_mut().for_each(|status| status.acknowledged = None);
        *found = Sourced::new(told, sessions);
    }
}

/// Implements a trait of the contract from its signatures. Each call goes through the interceptor.
macro_rules! carried {
    ($trait:ty: $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* $({ $($own:tt)* })?) => {
        #[async_trait]
        impl<W: Way> $trait for Carried<W> {
            $(
                async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                    self.call(stringify!($name), <MemoryStore as $trait>::$name(&self.store, $($argument),*)).await
                }
            )*
            $($($own)*)?
        }
    };
}

carried! { KeyStore:
    fn change(change: Change, context: ChangeContext) -> Committed;
    fn operation(actor: &ActorName, key: &IdempotencyKey) -> Sourced<Option<Operation>>;
    fn organization(id: OrganizationId) -> Option<Organization>;
    fn organizations(page: Page<OrganizationId>) -> Vec<Organization>;
    fn organizations_named(name: &Name, limit: u32) -> Vec<Organization>;
    fn access_keys(organization: OrganizationId) -> Vec<AccessKeyWithSecrets>;
    fn key_overviews(organizations: &[OrganizationId]) -> Vec<KeyOverview>;
    fn access_key(organization: OrganizationId, which: WhichKey) -> Option<AccessKeyWithSecrets>;
    fn allowed_origins(organization: OrganizationId) -> Vec<OriginEntry>;
    {
        fn usage_log(&self) -> Option<&dyn UsageLog> {
            Some(self)
        }

        fn retired_secrets(&self) -> Option<&dyn RetiredSecrets> {
            Some(self)
        }
    }
}

carried! { RetiredSecrets:
    fn newest_retired(limit: u32) -> Vec<RetiredSecret>;
    fn retired_of(organization: OrganizationId, limit: u32) -> Vec<RetiredSecret>;
    fn retired(locator: Locator) -> Option<RetiredSecret>;
    fn add_refusals(refusals: &[Refusals]) -> ();
}

carried! { ChangeFeed:
    fn identity() -> Sourced<StoreIdentity>;
    fn claim_prefix(prefix: &KeyPrefix) -> ();
    fn position() -> Sourced<Position>;
    fn active_secrets(after: Option<&ActiveSecret>, limit: u32) -> Sourced<Vec<ActiveSecret>>;
    fn active_secret(locator: Locator) -> Sourced<Option<ActiveSecret>>;
    fn all_allowed_origins(after: Option<&OriginEntry>, limit: u32) -> Sourced<Vec<OriginEntry>>;
    fn poll(session: SessionId, since: Position) -> Sourced<Observation>;
    fn report_lost(change: Position) -> ();
    fn last_change_of(subject: &str) -> Sourced<Option<Revision>>;
    {
        fn poll_interval(&self) -> Duration {
            self.way.poll_interval()
        }
    }
}

carried! { NodeRegistry:
    fn register(session: Session) -> ();
    fn acknowledge(session: SessionId, position: Position) -> ();
    fn ask(revision: Revision) -> ();
    fn sessions() -> Sourced<Vec<SessionStatus>>;
    fn retire(sessions: &[SessionId]) -> ();
    fn remove(sessions: &[SessionId]) -> ();
    {
        fn control(&self) -> Option<Arc<dyn NodeRegistry>> {
            Some(Arc::new(Self { store: Arc::clone(&self.store), way: self.way.control()? }))
        }
    }
}

carried! { LostChangeStore:
    fn lost_changes() -> Vec<LostChange>;
    fn accept_lost(seen: &[Position], event: EventDraft) -> ();
    fn begin_incarnation(last: Incarnation, event: EventDraft) -> Incarnation;
}

carried! { UsageLog:
    fn add_uses(uses: &[(Locator, u32)], at: Timestamp) -> ();
    fn recent_uses(organization: OrganizationId, now: Timestamp) -> Vec<UsageBucket>;
    fn usage(organization: OrganizationId, now: Timestamp) -> Vec<SecretUsage>;
    fn usage_with_spans(organization: OrganizationId, key: AccessKeyId, now: Timestamp) -> (Vec<SecretUsage>, Vec<UsageBucket>);
}

carried! { AuditLog:
    fn events(scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Vec<Event>;
    fn chain(scope: &Scope, page: Page<u64>) -> Vec<Result<Event, ChainError>>;
    fn record(event: EventDraft) -> ();
    fn pruned(scope: &Scope) -> Option<Pruned>;
    fn prune(scope: &Scope, pruned: Pruned, event: EventDraft) -> ();
    fn resign(before: &Pruned, after: Pruned, event: EventDraft) -> ();
    fn logs() -> Vec<(OrganizationId, Environment)>;
}

carried! { Outbox:
    fn events_after(position: u64, limit: u32) -> Vec<OutboxEntry>;
    fn sinks() -> Vec<SinkState>;
    fn acquire_sink(name: &Name, beat: Option<u64>, holder: SessionId) -> bool;
    fn commit_sink(name: &Name, holder: SessionId, position: u64) -> bool;
    fn release_sink(name: &Name, holder: SessionId) -> ();
    fn delete_sink(name: &Name) -> bool;
}

carried! { OperatorStore:
    fn add_operator(operator: Operator, event: EventDraft) -> ();
    fn remove_operator(id: OperatorId, event: EventDraft) -> ();
    fn operators() -> Vec<Operator>;
    fn operator_by_locator(locator: Locator) -> Option<Operator>;
    fn operator_by_identity(identity: &ProviderIdentity) -> Option<Operator>;
    fn bind_operator(id: OperatorId, identity: &ProviderIdentity, event: EventDraft) -> ();
}

macro_rules! table {
    ($record:ty, $key:ty) => {
        carried! { Table<$record>:
            fn insert(scope: &Scope, record: $record) -> ();
            fn put(scope: &Scope, record: $record, event: EventDraft) -> ();
            fn get(scope: &Scope, key: &$key) -> Option<$record>;
            fn list(scope: &Scope, page: Page<$key>) -> Vec<$record>;
            fn delete(scope: &Scope, key: &$key, event: EventDraft) -> bool;
        }
    };
}

table!(RegisteredUser, RegisteredUserId);
table!(Credential, CredentialKey);
table!(Connector, ConnectorName);

carried! { LinkSessions:
    fn open_link(scope: &Scope, session: LinkSession, now: Timestamp) -> ();
    fn link(scope: &Scope, id: LinkSessionId) -> Option<LinkSession>;
    fn link_by_start(start: Digest) -> Option<FoundLink>;
    fn link_by_state(state: Digest) -> Option<FoundLink>;
    fn advance_link(scope: &Scope, from: LinkStatus, session: LinkSession) -> ();
    fn complete_link(scope: &Scope, id: LinkSessionId, credential: Credential, event: EventDraft) -> ();
    fn expire_links(now: Timestamp) -> ();
}

carried! { Revocations:
    fn take_revocations(now: Timestamp, next: Timestamp, limit: u32) -> Vec<Revocation>;
    fn postpone_revocation(revocation: &Revocation, until: Timestamp) -> ();
    fn end_revocation(revocation: &Revocation) -> ();
}

carried! { Sealing:
    fn name_sealing_key(expected: Option<SealingKeyId>, key: SealingKeyId, event: Option<EventDraft>) -> bool;
    fn count_sealed(kind: SealedKind) -> u64;
    fn sealed_values(kind: SealedKind, after: Option<&SealedValue>, limit: u32) -> Vec<SealedValue>;
    fn replace_sealed(values: Vec<(SealedValue, Sealed)>) -> u64;
}

carried! { ToolCalls:
    fn begin_tool_call(scope: &Scope, call: ToolCall) -> ();
    fn end_tool_call(scope: &Scope, call: ToolCall) -> ();
    fn tool_calls(scope: &Scope, registered_user: Option<RegisteredUserId>, page: Page<ToolCallId>) -> Vec<ToolCall>;
}

carried! { SignIns:
    fn add_sign_in(sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> bool;
    fn sign_in(token: Digest, now: Timestamp) -> Option<(SignIn, Operator)>;
    fn consume_sign_in(token: Digest, event: EventDraft) -> bool;
    fn sign_ins(now: Timestamp) -> Vec<SignIn>;
    fn touch_sign_in(token: Digest, at: Timestamp) -> ();
    fn delete_sign_ins(operator: OperatorId, event: EventDraft) -> u64;
    {
        fn passkeys(&self) -> Option<&dyn Passkeys> {
            Some(self)
        }
    }
}

carried! { Passkeys:
    fn add_passkey(passkey: Passkey, event: EventDraft) -> ();
    fn passkeys_of(operator: OperatorId) -> Vec<Passkey>;
    fn passkey(id: &str) -> Option<(Passkey, Operator)>;
    fn use_passkey(seen: &Passkey, credential: Vec<u8>, at: Timestamp) -> bool;
    fn remove_passkey(operator: OperatorId, id: &str, event: EventDraft) -> bool;
    fn spend_challenge(challenge: Digest, now: Timestamp, until: Timestamp) -> bool;
}

carried! { Erasure:
    fn erase_closed(now: Timestamp) -> ();
}
