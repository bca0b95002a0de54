//! Records, events and changes that the cases share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_audit::{Action, ActorId, Attribution, Detail, Event, EventDraft};
use doorward_key::{Digest, KeyPrefix};
use doorward_records::Store;
use doorward_store::{
    AccessKey, Change, ChangeContext, Conflict, EventFilter, KeyRef, Knowledge, LiveSecret, OperationId, Organization,
    Page, Poll, Position, RequestHash, Scope, Secret, Session, SessionStatus, StoreError,
};
use doorward_types::{
    AccessKeyId, Environment, IdSeed, Locator, Name, OrganizationId, SecretState, SessionId, Timestamp,
};

pub(crate) fn seed() -> IdSeed {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&count.to_be_bytes());
    IdSeed { now: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(count).unwrap()), random }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn locator() -> Locator {
    let text = AccessKeyId::new(seed()).to_string();
    text[text.len() - Locator::LENGTH..].parse().unwrap()
}

pub(crate) fn secret(generation: u32, state: SecretState) -> Secret {
    let digest = Digest::from_bytes([u8::try_from(generation).unwrap_or(0); 32]);
    Secret { locator: locator(), digest, generation, state, created_at: Timestamp::from_millis(5) }
}

/// An event of which a case has nothing to say.
pub(crate) fn telling() -> EventDraft {
    event(Action::CredentialPut, OrganizationId::INSTALLATION, Environment::Production, "anything")
}

pub(crate) fn operation() -> OperationId {
    OperationId::from_bytes(AccessKeyId::new(seed()).as_u128().to_be_bytes())
}

pub(crate) fn access_key(organization: OrganizationId, environment: Environment) -> AccessKey {
    AccessKey {
        id: AccessKeyId::new(seed()),
        organization,
        environment,
        name: name("a key"),
        created_at: Timestamp::from_millis(4),
        created_by: name("ada"),
    }
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
    let attribution = Attribution::local(name("ada"));
    EventDraft {
        time: Timestamp::from_millis(3),
        actor: attribution.actor,
        actor_id: Some(ActorId::CLI),
        action,
        subject: subject.to_owned(),
        organization,
        environment,
        source_address: Some([192, 0, 2, 1].into()),
        request_id: attribution.request_id,
        detail: Detail { name: Some(name("\"quoted\", =1+1; 東京")), ..Detail::default() },
    }
}

pub(crate) fn context(action: Action, key: &AccessKey) -> ChangeContext {
    context_of(event(action, key.organization, key.environment, &key.id.to_string()))
}

pub(crate) fn context_of(event: EventDraft) -> ChangeContext {
    let request = RequestHash::of([event.action.as_str()]);
    ChangeContext::new(operation(), event.into(), request, KeyPrefix::default())
}

pub(crate) async fn provision(store: &dyn Store) -> (Organization, AccessKey, Secret) {
    let id = OrganizationId::new(seed());
    let organization = Organization { id, name: name("Acme"), created_at: Timestamp::from_millis(1) };
    let key = access_key(organization.id, Environment::Production);
    let secret = secret(1, SecretState::Current);
    let change =
        Change::Provision { organization: organization.clone(), key: key.clone(), secret, only_if_empty: false };
    store.change(change, context(Action::OrganizationCreated, &key)).await.unwrap();
    (organization, key, secret)
}

pub(crate) async fn create(store: &dyn Store, organization: OrganizationId) -> (AccessKey, Secret) {
    let key = access_key(organization, Environment::Test);
    let secret = secret(1, SecretState::Current);
    let change = Change::Create { key: key.clone(), secret };
    store.change(change, context(Action::AccessKeyCreated, &key)).await.unwrap();
    (key, secret)
}

pub(crate) async fn register(store: &dyn Store) -> SessionId {
    let session = Session { id: SessionId::new(seed()), lease: Duration::from_secs(3) };
    store.register(session).await.unwrap();
    session.id
}

/// A poll as a node of this store's makes it, judged.
pub(crate) async fn poll(store: &dyn Store, session: SessionId, position: Position) -> Poll {
    let (_, identity) = store.identity().await.unwrap().proved_of_any_store().unwrap();
    let knowledge = Knowledge { store: identity.id, incarnation: identity.incarnation, position };
    knowledge.judge(store.poll(session, position).await.unwrap()).unwrap()
}

pub(crate) async fn sessions(store: &dyn Store) -> Vec<SessionStatus> {
    store.sessions().await.unwrap().proved_of_any_store().unwrap().1
}

pub(crate) async fn live_secret(store: &dyn Store, locator: Locator) -> Option<LiveSecret> {
    store.live_secret(locator).await.unwrap().proved_of_any_store().unwrap().1
}

pub(crate) async fn log(store: &dyn Store, organization: OrganizationId, environment: Environment) -> Vec<Event> {
    store
        .events(&Scope::assertion(organization, environment), &EventFilter::default(), Page::first(1_000))
        .await
        .unwrap()
}

/// All that a refused change must leave as it was.
pub(crate) async fn everything(store: &dyn Store) -> String {
    let mut shown = format!("{:?}", store.position().await.unwrap().proved_of_any_store().unwrap().1);
    for organization in store.organizations(Page::first(1_000)).await.unwrap() {
        shown += &format!("{organization:?} {:?}", store.access_keys(organization.id).await.unwrap());
        for environment in Environment::ALL {
            shown += &format!("{:?}", log(store, organization.id, environment).await);
        }
    }
    shown + &format!("{:?}", store.live_secrets(None, 1_000).await.unwrap().proved_of_any_store().unwrap().1)
}

pub(crate) fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}
