use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::{ChainFault, Event, EventDraft, Pruned};
use doorward_key::{Digest, KeyPrefix};
use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, FoundLink, LinkSession, LinkSessions, LinkStatus,
    RegisteredUser, Revocation, Revocations, Sealed, SealedKind, SealedValue, Sealing, Table, ToolCall, ToolCalls,
};
use doorward_store::{
    AccessKeyWithSecrets, AuditLog, Change, ChangeContext, Coherence, Committed, EventFilter, IdempotencyKey, KeyStore,
    LiveSecret, LostChange, LostChanges, Observation, Operation, Operator, Operators, Organization, OriginEntry,
    Outbox, Page, Position, Provenance, ProviderIdentity, Revision, Scope, SealingKeyId, SecretUsage, Session,
    SessionStatus, Shipment, SignIn, SignIns, SinkState, Sourced, SpanUses, StoreError, StoreIdentity, UsageLog,
    WhichKey,
};
use doorward_store_memory::MemoryStore;
use doorward_types::{
    Environment, Incarnation, LinkSessionId, Locator, Name, OperatorId, OrganizationId, RegisteredUserId, SessionId,
    Timestamp, ToolCallId,
};

/// A call to the store, by the name of its method.
pub(crate) type Call = &'static str;

/// The work of a call, which has its answer ready when it has ended.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The way to a store: what happens to calls and to answers.
#[async_trait]
pub(crate) trait Way: fmt::Debug + Send + Sync + 'static {
    /// Carries a call to the store, and its answer back. An error takes the place of the answer.
    async fn carry(&self, call: Call, work: Work<'_>) -> Result<(), StoreError>;

    /// Changes an answer.
    fn retouch(&self, _call: Call, _answer: &mut dyn Any) {}

    /// Returns the way of a node's control plane, if that has one of its own.
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

/// A store that is reached by a way.
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
        let mut answer = answer.expect("a way carries a call, or fails")?;
        self.way.retouch(call, &mut answer);
        Ok(answer)
    }
}

/// Another provenance for an answer.
pub(crate) type Label = fn(Provenance) -> Provenance;

/// Puts another label on an answer that has one.
pub(crate) fn relabel(answer: &mut dyn Any, label: Label) {
    fn relabel<T: Clone + 'static>(answer: &mut dyn Any, label: Label) {
        if let Some(sourced) = answer.downcast_mut::<Sourced<T>>() {
            let (told, value) = sourced.clone().proved_of_any_store().expect("memory is a primary");
            *sourced = Sourced::new(label(told), value);
        }
    }
    relabel::<Observation>(answer, label);
    relabel::<Option<LiveSecret>>(answer, label);
    relabel::<Option<Operation>>(answer, label);
    relabel::<Option<Revision>>(answer, label);
    relabel::<Position>(answer, label);
    relabel::<StoreIdentity>(answer, label);
    relabel::<Vec<LiveSecret>>(answer, label);
    relabel::<Vec<OriginEntry>>(answer, label);
    relabel::<Vec<SessionStatus>>(answer, label);
}

/// Takes the word of every node out of a list of sessions, as in a store that went back to before they gave it.
pub(crate) fn forget_acknowledgements(answer: &mut dyn Any) {
    if let Some(found) = answer.downcast_mut::<Sourced<Vec<SessionStatus>>>() {
        let (told, mut sessions) = found.clone().proved_of_any_store().expect("memory is a primary");
        sessions.iter_mut().for_each(|status| status.acknowledged = None);
        *found = Sourced::new(told, sessions);
    }
}

/// Implements a trait of the contract by its signatures: each call goes its way.
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
    fn operation(actor: &Name, key: &IdempotencyKey) -> Sourced<Option<Operation>>;
    fn last_change_of(subject: &str) -> Sourced<Option<Revision>>;
    fn organization(id: OrganizationId) -> Option<Organization>;
    fn organizations(page: Page<OrganizationId>) -> Vec<Organization>;
    fn organizations_named(name: &Name, limit: u32) -> Vec<Organization>;
    fn access_keys(organization: OrganizationId) -> Vec<AccessKeyWithSecrets>;
    fn access_key(organization: OrganizationId, which: WhichKey) -> Option<AccessKeyWithSecrets>;
    fn allowed_origins(organization: OrganizationId) -> Vec<OriginEntry>;
}

carried! { Coherence:
    fn identity() -> Sourced<StoreIdentity>;
    fn claim_prefix(prefix: &KeyPrefix) -> ();
    fn register(session: Session) -> ();
    fn live_secrets(after: Option<&LiveSecret>, limit: u32) -> Sourced<Vec<LiveSecret>>;
    fn live_secret(locator: Locator) -> Sourced<Option<LiveSecret>>;
    fn live_origins(after: Option<&OriginEntry>, limit: u32) -> Sourced<Vec<OriginEntry>>;
    fn position() -> Sourced<Position>;
    fn poll(session: SessionId, since: Position) -> Sourced<Observation>;
    fn acknowledge(session: SessionId, position: Position) -> ();
    fn report_lost(change: Position) -> ();
    fn ask(revision: Revision) -> ();
    fn sessions() -> Sourced<Vec<SessionStatus>>;
    fn retire(sessions: &[SessionId]) -> ();
    fn remove(sessions: &[SessionId]) -> ();
    {
        fn control(&self) -> Option<Arc<dyn Coherence>> {
            Some(Arc::new(Self { store: Arc::clone(&self.store), way: self.way.control()? }))
        }

        fn poll_interval(&self) -> Duration {
            self.way.poll_interval()
        }
    }
}

carried! { LostChanges:
    fn lost_changes() -> Vec<LostChange>;
    fn accept_lost(seen: &[Position], event: EventDraft) -> ();
    fn begin_incarnation(last: Incarnation, event: EventDraft) -> Incarnation;
}

carried! { UsageLog:
    fn add_uses(uses: &[(Locator, u32)], at: Timestamp) -> ();
    fn recent_uses(organization: OrganizationId, now: Timestamp) -> Vec<SpanUses>;
    fn usage(organization: OrganizationId, now: Timestamp) -> Vec<SecretUsage>;
}

carried! { AuditLog:
    fn events(scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Vec<Event>;
    fn chain(scope: &Scope, page: Page<u64>) -> Vec<Result<Event, ChainFault>>;
    fn record(event: EventDraft) -> ();
    fn pruned(scope: &Scope) -> Option<Pruned>;
    fn prune(scope: &Scope, pruned: Pruned, event: EventDraft) -> ();
    fn resign(before: &Pruned, after: Pruned, event: EventDraft) -> ();
    fn logs() -> Vec<(OrganizationId, Environment)>;
}

carried! { Outbox:
    fn events_after(position: u64, limit: u32) -> Vec<Shipment>;
    fn sinks() -> Vec<SinkState>;
    fn take_sink(name: &Name, beat: Option<u64>, holder: SessionId) -> bool;
    fn advance_sink(name: &Name, holder: SessionId, position: u64) -> bool;
    fn release_sink(name: &Name, holder: SessionId) -> ();
    fn forget_sink(name: &Name) -> bool;
}

carried! { Operators:
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
    fn take_sign_in(token: Digest, event: EventDraft) -> bool;
    fn see_sign_in(token: Digest, at: Timestamp) -> ();
    fn take_sign_ins(operator: OperatorId, event: EventDraft) -> u64;
}
