//! The life of an organization: names, external ids, suspension, closing, and the erasure of data.

use std::sync::Arc;

use doorward_audit::Action;
use doorward_records::{Connector, Credential, LinkSession, RegisteredUser, Sealed, Store, Table};
use doorward_store::{
    Change, ChangeContext, Committed, Conflict, KeyEngine, LogCheck, Organization, OrganizationUpdate, OriginEntry,
    OriginsChange, Page, Poll, Scope, StoreError, verify_log,
};
use doorward_types::{
    AllowedOriginId, Environment, ExternalId, OrganizationId, OrganizationState, SecretState, Timestamp, altered,
};

use crate::fixtures::{
    Keys, access_key, active_secret, conflict, context, context_of, create, event, log, name, poll, provision,
    register, secret, seed, telling,
};
use crate::links::{open_pending, session};
use crate::tables::{credential, tool_call, user};

/// Changes an organization's record as the caller saw it.
async fn update(
    store: &dyn KeyEngine,
    seen: &Organization,
    update: OrganizationUpdate,
) -> Result<Committed, StoreError> {
    let action = match update {
        OrganizationUpdate::Close { .. } => Action::OrganizationClosed,
        OrganizationUpdate::Rename { .. } => Action::OrganizationRenamed,
        OrganizationUpdate::Resume => Action::OrganizationResumed,
        OrganizationUpdate::Suspend => Action::OrganizationSuspended,
    };
    let told = event(action, seen.id, Environment::Production, &seen.id.to_string());
    store.change(Change::Update { seen: seen.clone(), update }, context_of(told)).await
}

fn to_name(text: &str, allow_duplicate_name: bool) -> OrganizationUpdate {
    OrganizationUpdate::Rename { name: Some(name(text)), external_id: None, allow_duplicate_name }
}

fn id(text: &str) -> ExternalId {
    text.parse().unwrap()
}

/// Returns the change that provisions an organization with this name and external id.
fn new(text: &str, external_id: Option<&str>, allow_duplicate_name: bool) -> (Organization, Change, ChangeContext) {
    let organization = Organization::new(OrganizationId::new(seed()), name(text), Timestamp::from_millis(1));
    let organization = altered!(organization, external_id: external_id.map(id));
    let key = access_key(organization.id, Environment::Production);
    let context = context(Action::OrganizationCreated, &key);
    let secret = secret(1, SecretState::Current);
    let change = Change::Provision {
        organization: organization.clone(),
        key,
        secret,
        only_if_empty: false,
        allow_duplicate_name,
    };
    (organization, change, context)
}

pub(super) async fn an_external_id_always_names_the_same_organization(store: Keys) {
    let (acme, change, context) = new("Acme", Some("tenant-7"), false);
    store.change(change, context).await.unwrap();
    let named = async |text: &str| store.organization_by_external_id(&id(text)).await.unwrap();
    assert_eq!(named("tenant-7").await, Some(acme.clone()));
    assert_eq!(named("TENANT-7").await, None);
    let before = store.everything().await;
    // The external id is checked before the name.
    for (text, allow) in [("Other", true), ("Acme", false)] {
        let (_, change, context) = new(text, Some("tenant-7"), allow);
        assert_eq!(conflict(store.change(change, context).await), Conflict::ExternalIdTaken);
    }
    assert_eq!(store.everything().await, before);
    // Several organizations may be without an external id, and may get one.
    let (other, ..) = provision(&*store).await;
    provision(&*store).await;
    let to_id = |text: &str| OrganizationUpdate::Rename {
        name: None,
        external_id: Some(id(text)),
        allow_duplicate_name: false,
    };
    assert_eq!(conflict(update(&*store, &other, to_id("tenant-7")).await), Conflict::ExternalIdTaken);
    update(&*store, &other, to_id("tenant-8")).await.unwrap();
    let other = altered!(other, external_id: Some(id("tenant-8")));
    assert_eq!(named("tenant-8").await, Some(other));
    // A closed organization keeps its id.
    update(&*store, &acme, OrganizationUpdate::Close { erase_at: Timestamp::from_millis(9) }).await.unwrap();
    let (_, change, context) = new("Acme", Some("tenant-7"), false);
    assert_eq!(conflict(store.change(change, context).await), Conflict::ExternalIdTaken);
    assert_eq!(
        named("tenant-7").await.map(|found| (found.id, found.state)),
        Some((acme.id, OrganizationState::Closed))
    );
}

pub(super) async fn a_name_belongs_to_one_organization_unless_a_duplicate_is_asked_for(store: Keys) {
    let (acme, change, context) = new("Acme", None, false);
    store.change(change, context).await.unwrap();
    let before = store.everything().await;
    let (_, change, context) = new("Acme", None, false);
    assert_eq!(conflict(store.change(change, context).await), Conflict::NameTaken);
    assert_eq!(store.everything().await, before);
    let (twin, change, context) = new("Acme", None, true);
    store.change(change, context).await.unwrap();
    // An organization may be renamed to its own name, but not to another's.
    assert_eq!(conflict(update(&*store, &twin, to_name("Acme", false)).await), Conflict::NameTaken);
    update(&*store, &twin, to_name("Twin", false)).await.unwrap();
    let twin = altered!(twin, name: name("Twin"));
    update(&*store, &twin, to_name("Twin", false)).await.unwrap();
    assert_eq!(store.organization(twin.id).await.unwrap(), Some(twin.clone()));
    // The name of a closed organization is free.
    update(&*store, &acme, OrganizationUpdate::Close { erase_at: Timestamp::from_millis(9) }).await.unwrap();
    update(&*store, &twin, to_name("Acme", false)).await.unwrap();
    let named = store.organizations_named(&name("Acme"), 10).await.unwrap();
    assert_eq!(named.iter().map(|found| found.id).collect::<Vec<_>>(), [twin.id, acme.id]);
}

pub(super) async fn organizations_are_found_by_a_part_of_their_names(store: Keys) {
    let mut made = vec![];
    for text in ["Acme", "Beta", "ACME Zürich", "Acme 100%"] {
        let (organization, change, context) = new(text, None, false);
        store.change(change, context).await.unwrap();
        made.push(organization.id);
    }
    let found = async |text: &str, page: Page<OrganizationId>| {
        let found = store.organizations_containing(text, page).await.unwrap();
        found.into_iter().map(|found| found.id).collect::<Vec<_>>()
    };
    let (acme, zurich, percent) = (made[0], made[2], made[3]);
    assert_eq!(found("acme", Page::first(10)).await, [percent, zurich, acme]);
    assert_eq!(found("acme", Page::first(2)).await, [percent, zurich]);
    assert_eq!(found("acme", Page { after: Some(zurich), limit: 2 }).await, [acme]);
    assert_eq!(found("ZÜRICH", Page::first(10)).await, [zurich]);
    assert_eq!(found("%", Page::first(10)).await, [percent]);
    assert_eq!(found("_", Page::first(10)).await, []);
}

pub(super) async fn a_change_of_an_organization_is_polled_with_all_its_secrets(store: Keys) {
    let (acme, _, production) = provision(&*store).await;
    let (_, test) = create(&*store, acme.id).await;
    let (_, _, others) = provision(&*store).await;
    let session = register(&*store).await;
    let mut position = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let mut mine = [production.locator, test.locator];
    mine.sort_unstable();
    let mut seen = acme;
    for (change, state, text) in [
        (OrganizationUpdate::Suspend, OrganizationState::Suspended, "Acme"),
        (to_name("Acme Inc", false), OrganizationState::Suspended, "Acme Inc"),
        (OrganizationUpdate::Resume, OrganizationState::Active, "Acme Inc"),
    ] {
        let committed = update(&*store, &seen, change.clone()).await.unwrap();
        assert_eq!(committed.revision.0, position.revision.0 + 1);
        let expected = change.applied_to(&seen);
        assert_eq!(store.organization(seen.id).await.unwrap(), Some(expected.clone()));
        seen = expected;
        assert_eq!((seen.state, seen.name.as_str()), (state, text));
        let Poll::UpToDate { position: newest, mut changes, origins, .. } = poll(&*store, session, position).await
        else {
            panic!("not current")
        };
        changes.sort_by_key(|change| change.locator);
        assert_eq!(changes.iter().map(|change| change.locator).collect::<Vec<_>>(), mine);
        for change in changes {
            let live = change.live.unwrap();
            assert_eq!((live.organization_state, live.organization_name.as_str()), (state, text));
            assert_eq!(active_secret(&*store, change.locator).await, Some(live));
        }
        assert_eq!(origins, []);
        assert_eq!(active_secret(&*store, others.locator).await.unwrap().organization_state, OrganizationState::Active);
        position = newest;
    }
    let pages = store.active_secrets(None, 10).await.unwrap().proved_of_any_store().unwrap().1;
    assert!(pages.iter().all(|live| live.hold().is_none()));
}

pub(super) async fn an_organization_is_changed_only_as_it_was_seen(store: Keys) {
    let (acme, key, _) = provision(&*store).await;
    update(&*store, &acme, OrganizationUpdate::Suspend).await.unwrap();
    let suspended = altered!(acme.clone(), state: OrganizationState::Suspended);
    let before = store.everything().await;
    let refused = async |seen: &Organization, change| conflict(update(&*store, seen, change).await);
    assert_eq!(refused(&acme, OrganizationUpdate::Suspend).await, Conflict::Unchanged);
    assert_eq!(refused(&acme, OrganizationUpdate::Resume).await, Conflict::Stale);
    assert_eq!(refused(&acme, to_name("New", false)).await, Conflict::Stale);
    assert_eq!(
        refused(&acme, OrganizationUpdate::Close { erase_at: Timestamp::from_millis(9) }).await,
        Conflict::Stale
    );
    let nobody = Organization::new(OrganizationId::new(seed()), name("Nobody"), Timestamp::from_millis(1));
    assert!(matches!(update(&*store, &nobody, OrganizationUpdate::Suspend).await, Err(StoreError::NotFound)));
    assert_eq!(store.everything().await, before);
    // Management goes on while the organization is suspended.
    create(&*store, acme.id).await;
    update(&*store, &suspended, OrganizationUpdate::Resume).await.unwrap();
    assert_eq!(refused(&acme, OrganizationUpdate::Resume).await, Conflict::Unchanged);
    if let Some(told) = store.events(acme.id, Environment::Production).await {
        let told: Vec<_> = told.iter().rev().map(|event| event.draft.action).collect();
        let [suspended, resumed] = [Action::OrganizationSuspended, Action::OrganizationResumed];
        assert_eq!(told, [Action::OrganizationCreated, suspended, resumed], "{key:?}");
    }
}

fn origin(organization: OrganizationId) -> OriginEntry {
    let (id, origin) = (AllowedOriginId::new(seed()), "app.example.com".parse().unwrap());
    OriginEntry::new(organization, id, origin, Timestamp::from_millis(6), name("ada"))
}

pub(super) async fn a_closed_organization_has_neither_keys_nor_origins(store: Keys) {
    let (acme, production, first) = provision(&*store).await;
    let (test, second) = create(&*store, acme.id).await;
    let entry = origin(acme.id);
    let allow = Change::AllowOrigin { entry: entry.clone() };
    let told = || context_of(event(Action::AllowedOriginAdded, acme.id, Environment::Production, "ori_1"));
    store.change(allow.clone(), told()).await.unwrap();
    let (other, _, others) = provision(&*store).await;
    let session = register(&*store).await;
    let position = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let close = OrganizationUpdate::Close { erase_at: Timestamp::from_millis(9_000) };
    update(&*store, &acme, close.clone()).await.unwrap();
    let closed = store.organization(acme.id).await.unwrap().unwrap();
    assert_eq!((closed.state, closed.erase_at), (OrganizationState::Closed, Some(Timestamp::from_millis(9_000))));
    assert_eq!(store.access_keys(acme.id).await.unwrap(), []);
    assert_eq!(store.allowed_origins(acme.id).await.unwrap(), []);
    let Poll::UpToDate { changes, origins, .. } = poll(&*store, session, position).await else { panic!("not current") };
    assert_eq!(origins, [OriginsChange { organization: acme.id, entries: vec![] }]);
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| change.live.is_none()));
    for locator in [first.locator, second.locator] {
        assert_eq!(active_secret(&*store, locator).await, None);
    }
    let live = store.active_secrets(None, 10).await.unwrap().proved_of_any_store().unwrap().1;
    assert_eq!(live.iter().map(|live| live.secret.locator).collect::<Vec<_>>(), [others.locator]);
    assert!(store.organizations(Page::first(10)).await.unwrap().contains(&closed));

    let before = store.everything().await;
    for change in [close, OrganizationUpdate::Suspend, OrganizationUpdate::Resume, to_name("New", false)] {
        assert_eq!(conflict(update(&*store, &closed, change).await), Conflict::Closed);
    }
    assert_eq!(conflict(store.change(allow, told()).await), Conflict::Closed);
    let key = access_key(acme.id, Environment::Test);
    let create = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
    assert_eq!(conflict(store.change(create, context(Action::AccessKeyCreated, &key)).await), Conflict::Closed);
    assert_eq!(store.everything().await, before);
    assert_eq!(store.access_keys(other.id).await.unwrap().len(), 1);
    assert_eq!((production.organization, test.organization), (acme.id, acme.id));
}

/// Adds a registered user with a credential, a link session with tokens, a connector and a tool call.
async fn fill(store: &dyn Store, scope: &Scope, number: u8) -> (RegisteredUser, LinkSession) {
    let (ada, at) = (user("ada"), Timestamp::from_millis(6));
    let users: &dyn Table<RegisteredUser> = store;
    users.insert(scope, ada.clone()).await.unwrap();
    let connectors: &dyn Table<Connector> = store;
    let sealed = Sealed::from_bytes(vec![number]);
    let connector = Connector::new("github".parse().unwrap(), sealed, at, at);
    connectors.put(scope, connector, telling()).await.unwrap();
    let credentials: &dyn Table<Credential> = store;
    credentials.put(scope, credential(&ada, "github"), telling()).await.unwrap();
    let link = open_pending(store, scope, &session(&ada, number)).await;
    store.begin_tool_call(scope, tool_call(Some(&ada), at)).await.unwrap();
    (ada, link)
}

/// Returns the numbers of users, credentials, connectors, link sessions and tool calls in a scope.
async fn counts(store: &dyn Store, scope: &Scope, link: &LinkSession) -> [usize; 5] {
    let (users, credentials, connectors): (&dyn Table<RegisteredUser>, &dyn Table<Credential>, &dyn Table<Connector>) =
        (store, store, store);
    [
        users.list(scope, Page::first(9)).await.unwrap().len(),
        credentials.list(scope, Page::first(9)).await.unwrap().len(),
        connectors.list(scope, Page::first(9)).await.unwrap().len(),
        usize::from(store.link(scope, link.id).await.unwrap().is_some()),
        store.tool_calls(scope, None, Page::first(9)).await.unwrap().len(),
    ]
}

pub(super) async fn the_data_of_a_closed_organization_is_erased_when_it_is_due(store: Arc<dyn Store>) {
    let at = Timestamp::from_millis;
    let ((acme, ..), (other, ..)) = (provision(&*store).await, provision(&*store).await);
    let (mine, theirs) = (Scope::assertion(acme.id, Environment::Test), Scope::assertion(other.id, Environment::Test));
    let ((_, link), (_, their_link)) = (fill(&*store, &mine, 1).await, fill(&*store, &theirs, 2).await);
    // Other organizations are active, suspended, or closed and not yet due.
    let (third, ..) = provision(&*store).await;
    update(&*store, &third, OrganizationUpdate::Close { erase_at: at(9_000) }).await.unwrap();
    store.erase_closed(at(8_000)).await.unwrap();
    update(&*store, &acme, OrganizationUpdate::Close { erase_at: at(500) }).await.unwrap();
    store.erase_closed(at(499)).await.unwrap();
    assert_eq!(counts(&*store, &mine, &link).await, [1; 5]);
    let retired = async || match store.retired_secrets() {
        Some(retired) => retired.retired_of(acme.id, 9).await.unwrap().len(),
        None => 0,
    };
    let is_kept = store.retired_secrets().is_some();
    assert_eq!(retired().await, usize::from(is_kept), "the production key is dead");
    let events = log(&*store, acme.id, Environment::Production).await;

    // The connector stays while a revocation needs it.
    for _ in 0..2 {
        store.erase_closed(at(500)).await.unwrap();
        assert_eq!(counts(&*store, &mine, &link).await, [0, 0, 1, 0, 0]);
        assert_eq!(store.organization(acme.id).await.unwrap().unwrap().erase_at, Some(at(500)));
    }
    let revocations = store.take_revocations(at(0), at(0), 9).await.unwrap();
    assert_eq!(revocations.len(), 2, "the credential, and the tokens of the link");
    for revocation in &revocations {
        assert_eq!((revocation.organization, revocation.environment), (acme.id, Environment::Test));
        store.end_revocation(revocation).await.unwrap();
    }
    for _ in 0..2 {
        store.erase_closed(at(501)).await.unwrap();
        assert_eq!((counts(&*store, &mine, &link).await, retired().await), ([0; 5], 0));
        let erased = store.organization(acme.id).await.unwrap().unwrap();
        assert_eq!((erased.state, erased.erase_at), (OrganizationState::Closed, None));
    }
    assert_eq!(counts(&*store, &theirs, &their_link).await, [1; 5]);
    assert_eq!(store.organization(third.id).await.unwrap().unwrap().erase_at, Some(at(9_000)));
    // The log stays, and verifies.
    assert_eq!(log(&*store, acme.id, Environment::Production).await, events);
    let scope = Scope::assertion(acme.id, Environment::Production);
    let check = LogCheck::default().with_must_have_events(true);
    verify_log(&*store, &scope, &check, &mut |_| {}).await.unwrap();
}
