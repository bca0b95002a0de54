//! Records, events and changes that the cases share.

use std::net::IpAddr;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_audit::{Action, ActorId, Attribution, Detail, Event, EventDraft};
use doorward_key::{Digest, KeyPrefix};
use doorward_records::Store;
use doorward_store::{
    AccessKey, ActiveSecret, AuditLog, Change, ChangeContext, Conflict, EventFilter, KeyEngine, KeyRef, Knowledge,
    OperationId, Organization, Page, Poll, Position, RequestHash, Scope, Secret, Session, SessionStatus, StoreError,
};
use doorward_types::{
    AccessKeyId, Environment, IdSeed, Locator, Name, NameError, OrganizationId, SecretState, SessionId, Timestamp,
};

pub(crate) fn seed() -> IdSeed {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&count.to_be_bytes());
    IdSeed::new(Timestamp::from_millis(1_700_000_000_000 + i64::try_from(count).unwrap()), random)
}

/// Returns a name of the kind that its place takes.
pub(crate) fn name<N: FromStr<Err = NameError>>(text: &str) -> N {
    text.parse().unwrap()
}

pub(crate) fn locator() -> Locator {
    let text = AccessKeyId::new(seed()).to_string();
    text[text.len() - Locator::LENGTH..].parse().unwrap()
}

pub(crate) fn secret(generation: u32, state: SecretState) -> Secret {
    let digest = Digest::from_bytes([u8::try_from(generation).unwrap_or(0); 32]);
    Secret::new(state, locator(), digest, generation, Timestamp::from_millis(5))
}

/// Returns an event for a case that does not depend on its content.
pub(crate) fn telling() -> EventDraft {
    event(Action::CredentialPut, OrganizationId::INSTALLATION, Environment::Production, "anything")
}

pub(crate) fn operation() -> OperationId {
    OperationId::from_bytes(AccessKeyId::new(seed()).as_u128().to_be_bytes())
}

pub(crate) fn access_key(organization: OrganizationId, environment: Environment) -> AccessKey {
    AccessKey::new(
        organization,
        environment,
        AccessKeyId::new(seed()),
        name("a key"),
        Timestamp::from_millis(4),
        name("ada"),
    )
}

pub(crate) fn reference(key: &AccessKey) -> KeyRef {
    KeyRef { organization: key.organization, environment: key.environment, id: key.id }
}

pub(crate) fn event(
    action: Action,
    organization: OrganizationId,
    environment: Environment,
    subject: &str,
) -> EventDraft {
    EventDraft::new(
        &Attribution::local(name("ada")).with_actor_id(ActorId::CLI).with_source_address(IpAddr::from([192, 0, 2, 1])),
        Timestamp::from_millis(3),
        action,
        subject.to_owned(),
        (organization, environment),
    )
    .with_detail(Detail::default().with_name(name::<Name>("\"quoted\", =1+1; 東京")))
}

pub(crate) fn context(action: Action, key: &AccessKey) -> ChangeContext {
    context_of(event(action, key.organization, key.environment, &key.id.to_string()))
}

pub(crate) fn context_of(event: EventDraft) -> ChangeContext {
    let request = RequestHash::of([event.action.as_str()]);
    ChangeContext::new(operation(), event.into(), request, KeyPrefix::default())
}

pub(crate) async fn provision(store: &dyn KeyEngine) -> (Organization, AccessKey, Secret) {
    let id = OrganizationId::new(seed());
    let organization = Organization::new(id, name("Acme"), Timestamp::from_millis(1));
    let key = access_key(organization.id, Environment::Production);
    let secret = secret(1, SecretState::Current);
    let change = Change::Provision {
        organization: organization.clone(),
        key: key.clone(),
        secret,
        only_if_empty: false,
        allow_duplicate_name: true,
    };
    store.change(change, context(Action::OrganizationCreated, &key)).await.unwrap();
    (organization, key, secret)
}

pub(crate) async fn create(store: &dyn KeyEngine, organization: OrganizationId) -> (AccessKey, Secret) {
    let key = access_key(organization, Environment::Test);
    let secret = secret(1, SecretState::Current);
    let change = Change::Create { key: key.clone(), secret };
    store.change(change, context(Action::AccessKeyCreated, &key)).await.unwrap();
    (key, secret)
}

pub(crate) async fn register(store: &dyn KeyEngine) -> SessionId {
    let session = Session { id: SessionId::new(seed()), lease: Duration::from_secs(3) };
    store.register(session).await.unwrap();
    session.id
}

/// A poll as a node of this store's makes it, judged.
pub(crate) async fn poll(store: &dyn KeyEngine, session: SessionId, position: Position) -> Poll {
    let (_, identity) = store.identity().await.unwrap().proved_of_any_store().unwrap();
    let knowledge = Knowledge { store: identity.id, incarnation: identity.incarnation, position };
    knowledge.judge(store.poll(session, position).await.unwrap()).unwrap()
}

pub(crate) async fn sessions(store: &dyn KeyEngine) -> Vec<SessionStatus> {
    store.sessions().await.unwrap().proved_of_any_store().unwrap().1
}

pub(crate) async fn active_secret(store: &dyn KeyEngine, locator: Locator) -> Option<ActiveSecret> {
    store.active_secret(locator).await.unwrap().proved_of_any_store().unwrap().1
}

pub(crate) async fn log(store: &dyn Store, organization: OrganizationId, environment: Environment) -> Vec<Event> {
    store
        .events(&Scope::assertion(organization, environment), &EventFilter::default(), Page::first(1_000))
        .await
        .unwrap()
}

/// The engine of a case that is about keys.
pub(crate) struct Keys {
    pub(crate) engine: Arc<dyn KeyEngine>,
    /// The log of its events, if it lets the log be read.
    pub(crate) log: Option<Arc<dyn AuditLog>>,
}

impl Deref for Keys {
    type Target = dyn KeyEngine;

    fn deref(&self) -> &Self::Target {
        &*self.engine
    }
}

impl Keys {
    /// The newest events of a log, newest first, if the log can be read.
    pub(crate) async fn events(&self, organization: OrganizationId, environment: Environment) -> Option<Vec<Event>> {
        let scope = Scope::assertion(organization, environment);
        let log = self.log.as_ref()?;
        Some(log.events(&scope, &EventFilter::default(), Page::first(1_000)).await.unwrap())
    }

    /// Returns all data that a refused change must leave unchanged.
    pub(crate) async fn everything(&self) -> String {
        let mut shown = format!("{:?}", self.position().await.unwrap().proved_of_any_store().unwrap().1);
        for organization in self.organizations(Page::first(1_000)).await.unwrap() {
            shown += &format!("{organization:?} {:?}", self.access_keys(organization.id).await.unwrap());
            for environment in Environment::ALL {
                shown += &format!("{:?}", self.events(organization.id, environment).await);
            }
        }
        shown + &format!("{:?}", self.active_secrets(None, 1_000).await.unwrap().proved_of_any_store().unwrap().1)
    }
}

pub(crate) fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}
