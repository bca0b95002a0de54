//! The suite that every engine must pass. It crosses every operation with every environment.
//!
//! ```
//! # async fn engine() -> std::sync::Arc<dyn doorward_store::Store> { std::sync::Arc::new(doorward_store::MemoryStore::new()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! doorward_store::conformance::all(engine).await;
//! # }
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the suite stands in for the core, which mints scopes")]

pub mod faults;
mod moving;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_audit::{Action, Attribution, Checkpoint, Detail, Event, EventDraft, Hash, NoteKey, Pruned, Tree};
use doorward_key::Digest;
use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, IdSeed, LinkSessionId, Locator, Name, OperatorId, OrganizationId,
    RegisteredUserId, SecretState, SessionId, Timestamp,
};

pub use self::moving::moving;
use crate::{
    AccessKey, AccessKeyWithSecrets, CHANGE_LOG_LENGTH, Change, ChangeContext, Conflict, Connector, Credential,
    CredentialKey, EventFilter, IDEMPOTENCY_WINDOW, KeyRef, LinkSession, LiveSecret, LogFault, LostChange, OperationId,
    Operator, Organization, OriginEntry, OriginsChange, Page, Poll, Position, Record, RegisteredUser, Revision, Scope,
    Sealed, Secret, Session, Store, StoreError, Successor, Table, TakenLink, USAGE_SPAN, verify_log,
};

/// Runs every case, each on a fresh engine. Panics at the first that fails, which is named on standard output.
pub async fn all<Made: Future<Output = Arc<dyn Store>>>(make: impl Fn() -> Made) {
    macro_rules! run {
        ($($case:ident),* $(,)?) => {
            $(
                println!(concat!("conformance: ", stringify!($case)));
                $case(make().await).await;
            )*
        };
    }
    run!(
        an_organization_has_its_production_key_from_the_start,
        there_is_never_a_second_production_key,
        the_production_key_cannot_be_deleted,
        a_key_lives_through_its_whole_life,
        a_refused_change_leaves_nothing_behind,
        an_idempotency_key_works_once_per_actor_and_day,
        only_an_empty_store_is_provisioned_on_first_start,
        lists_come_in_pages,
        every_change_is_polled_once_and_in_order,
        a_poll_says_whether_another_process_waits_for_word,
        a_retired_session_is_told_so_and_waited_for,
        a_node_too_far_behind_loads_again,
        what_a_store_lost_is_noticed_until_it_is_answered_for,
        live_secrets_come_in_pages,
        uses_are_added_up_per_secret_and_hour,
        logs_are_apart,
        every_event_follows_the_one_before,
        events_are_found_by_what_they_say,
        the_beginning_of_a_log_is_cut_off_under_a_checkpoint,
        origins_are_allowed_and_disallowed_like_keys_live_and_die,
        every_allowed_origin_is_loaded_page_by_page,
        events_are_shipped_in_the_order_of_their_writing,
        a_sink_is_held_by_one_at_a_time,
        nothing_is_cut_off_that_a_sink_has_yet_to_ship,
        operators_are_added_and_removed_with_their_events,
        no_operation_reaches_another_scope,
        a_users_credentials_go_with_it,
        a_link_session_is_taken_once_and_in_time,
        user_ids_are_unique_within_an_environment,
    );
}

fn seed() -> IdSeed {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&count.to_be_bytes());
    IdSeed { now: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(count).unwrap()), random }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn locator() -> Locator {
    let text = AccessKeyId::new(seed()).to_string();
    text[text.len() - Locator::LENGTH..].parse().unwrap()
}

fn secret(generation: u32, state: SecretState) -> Secret {
    let digest = Digest::from_bytes([u8::try_from(generation).unwrap_or(0); 32]);
    Secret { locator: locator(), digest, generation, state, created_at: Timestamp::from_millis(5) }
}

fn operation() -> OperationId {
    OperationId::from_bytes(AccessKeyId::new(seed()).as_u128().to_be_bytes())
}

fn access_key(organization: OrganizationId, environment: Environment) -> AccessKey {
    AccessKey {
        id: AccessKeyId::new(seed()),
        organization,
        environment,
        name: name("a key"),
        created_at: Timestamp::from_millis(4),
        created_by: name("ada"),
    }
}

fn reference(key: &AccessKey) -> KeyRef {
    KeyRef { organization: key.organization, environment: key.environment, id: key.id }
}

fn event(action: Action, organization: OrganizationId, environment: Environment, subject: &str) -> EventDraft {
    let attribution = Attribution::local(name("ada"));
    EventDraft {
        time: Timestamp::from_millis(3),
        actor: attribution.actor,
        action,
        subject: subject.to_owned(),
        organization,
        environment,
        source_address: Some([192, 0, 2, 1].into()),
        request_id: attribution.request_id,
        detail: Detail { name: Some(name("\"quoted\", =1+1; 東京")), ..Detail::default() },
    }
}

fn context(action: Action, key: &AccessKey) -> ChangeContext {
    let events = event(action, key.organization, key.environment, &key.id.to_string()).into();
    ChangeContext { operation: operation(), events, idempotency_key: None, node: None }
}

async fn provision(store: &dyn Store) -> (Organization, AccessKey, Secret) {
    let id = OrganizationId::new(seed());
    let organization = Organization { id, name: name("Acme"), created_at: Timestamp::from_millis(1) };
    let key = access_key(organization.id, Environment::Production);
    let secret = secret(1, SecretState::Current);
    let change =
        Change::Provision { organization: organization.clone(), key: key.clone(), secret, only_if_empty: false };
    store.change(change, context(Action::OrganizationCreated, &key)).await.unwrap();
    (organization, key, secret)
}

async fn create(store: &dyn Store, organization: OrganizationId) -> (AccessKey, Secret) {
    let key = access_key(organization, Environment::Test);
    let secret = secret(1, SecretState::Current);
    let change = Change::Create { key: key.clone(), secret };
    store.change(change, context(Action::AccessKeyCreated, &key)).await.unwrap();
    (key, secret)
}

async fn register(store: &dyn Store) -> SessionId {
    let session = Session { id: SessionId::new(seed()), lease: Duration::from_secs(3) };
    store.register(session).await.unwrap();
    session.id
}

async fn log(store: &dyn Store, organization: OrganizationId, environment: Environment) -> Vec<Event> {
    store
        .events(&Scope::assertion(organization, environment), &EventFilter::default(), Page::first(1_000))
        .await
        .unwrap()
}

/// All that a refused change must leave as it was.
async fn everything(store: &dyn Store) -> String {
    let mut shown = format!("{:?}", store.position().await.unwrap());
    for organization in store.organizations(Page::first(1_000)).await.unwrap() {
        shown += &format!("{organization:?} {:?}", store.access_keys(organization.id).await.unwrap());
        for environment in Environment::ALL {
            shown += &format!("{:?}", log(store, organization.id, environment).await);
        }
    }
    shown + &format!("{:?}", store.live_secrets(None, 1_000).await.unwrap())
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

async fn an_organization_has_its_production_key_from_the_start(store: Arc<dyn Store>) {
    let (organization, key, secret) = provision(&*store).await;
    assert_eq!(store.organization(organization.id).await.unwrap(), Some(organization.clone()));
    let keys = store.access_keys(organization.id).await.unwrap();
    assert_eq!(keys, [AccessKeyWithSecrets { key: key.clone(), generations: 1, secrets: vec![secret] }]);
    assert_eq!(store.access_key(organization.id, key.id).await.unwrap(), keys.into_iter().next());
    assert_eq!(store.access_key(OrganizationId::new(seed()), key.id).await.unwrap(), None);
}

async fn there_is_never_a_second_production_key(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let before = everything(&*store).await;
    let second = access_key(organization.id, Environment::Production);
    let change = Change::Create { key: second.clone(), secret: secret(1, SecretState::Current) };
    let refused = store.change(change, context(Action::AccessKeyCreated, &second)).await;
    assert_eq!(conflict(refused), Conflict::Duplicate);
    assert_eq!(everything(&*store).await, before);
}

async fn the_production_key_cannot_be_deleted(store: Arc<dyn Store>) {
    let (_, key, secret) = provision(&*store).await;
    let before = everything(&*store).await;
    let change = Change::Delete { key: reference(&key), retired: vec![secret.locator] };
    assert_eq!(conflict(store.change(change, context(Action::AccessKeyDeleted, &key)).await), Conflict::Stale);
    assert_eq!(everything(&*store).await, before);
}

async fn a_key_lives_through_its_whole_life(store: Arc<dyn Store>) {
    let (organization, key, first) = provision(&*store).await;
    let secrets = async || store.access_key(organization.id, key.id).await.unwrap().unwrap().secrets;
    let reference = reference(&key);

    let staged = secret(2, SecretState::Staged);
    let stage = Change::Stage { key: reference, secret: staged };
    store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();
    assert_eq!(secrets().await, [first, staged]);

    let unstage = Change::Unstage { key: reference, staged: staged.locator };
    store.change(unstage, context(Action::AccessKeyStageDiscarded, &key)).await.unwrap();
    assert_eq!(secrets().await, [first]);

    let staged = secret(3, SecretState::Staged);
    let stage = Change::Stage { key: reference, secret: staged };
    store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();
    let successor = Successor::Promote(staged.locator);
    let promote = Change::Regenerate { key: reference, retired: vec![first.locator], successor };
    store.change(promote, context(Action::AccessKeyRegenerated, &key)).await.unwrap();
    let promoted = Secret { state: SecretState::Current, ..staged };
    assert_eq!(secrets().await, [promoted]);

    let staged = secret(4, SecretState::Staged);
    let stage = Change::Stage { key: reference, secret: staged };
    store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();
    let fresh = secret(5, SecretState::Current);
    let retired = vec![promoted.locator, staged.locator];
    let leaked = Change::Regenerate { key: reference, retired, successor: Successor::Fresh(fresh) };
    store.change(leaked, context(Action::AccessKeyRegenerated, &key)).await.unwrap();
    assert_eq!(secrets().await, [fresh]);

    let (test_key, test_secret) = create(&*store, organization.id).await;
    assert_eq!(store.access_keys(organization.id).await.unwrap().len(), 2);
    let delete = Change::Delete { key: self::reference(&test_key), retired: vec![test_secret.locator] };
    store.change(delete, context(Action::AccessKeyDeleted, &test_key)).await.unwrap();
    assert_eq!(store.access_key(organization.id, test_key.id).await.unwrap(), None);

    let actions = |events: Vec<Event>| events.into_iter().rev().map(|e| e.draft.action).collect::<Vec<_>>();
    assert_eq!(
        actions(log(&*store, organization.id, Environment::Production).await),
        [
            Action::OrganizationCreated,
            Action::AccessKeyStaged,
            Action::AccessKeyStageDiscarded,
            Action::AccessKeyStaged,
            Action::AccessKeyRegenerated,
            Action::AccessKeyStaged,
            Action::AccessKeyRegenerated,
        ]
    );
    assert_eq!(
        actions(log(&*store, organization.id, Environment::Test).await),
        [Action::AccessKeyCreated, Action::AccessKeyDeleted]
    );
    assert_eq!(store.position().await.unwrap().revision, Revision(9));
}

async fn a_refused_change_leaves_nothing_behind(store: Arc<dyn Store>) {
    let (organization, key, first) = provision(&*store).await;
    let (test_key, test_secret) = create(&*store, organization.id).await;
    let staged = secret(2, SecretState::Staged);
    let stage = Change::Stage { key: reference(&key), secret: staged };
    store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();

    let nowhere = access_key(organization.id, Environment::Test);
    let homeless = access_key(OrganizationId::new(seed()), Environment::Test);
    let crossed = KeyRef { environment: Environment::Production, ..reference(&test_key) };
    let (production, test) = (reference(&key), reference(&test_key));
    let fresh = |generation| Successor::Fresh(secret(generation, SecretState::Current));
    let taken = |state, generation| Secret { locator: first.locator, ..secret(generation, state) };
    let before = everything(&*store).await;
    for (case, change) in [
        ("staged twice", Change::Stage { key: production, secret: secret(3, SecretState::Staged) }),
        ("generation used before", Change::Stage { key: test, secret: secret(1, SecretState::Staged) }),
        ("locator taken by a stage", Change::Stage { key: test, secret: taken(SecretState::Staged, 2) }),
        ("staged nowhere", Change::Stage { key: reference(&nowhere), secret: secret(2, SecretState::Staged) }),
        ("staged across", Change::Stage { key: crossed, secret: secret(2, SecretState::Staged) }),
        ("unstaged a current one", Change::Unstage { key: production, staged: first.locator }),
        ("unstaged another's", Change::Unstage { key: test, staged: staged.locator }),
        ("unstaged nothing", Change::Unstage { key: test, staged: locator() }),
        (
            "regenerated what is gone",
            Change::Regenerate { key: production, retired: vec![locator(), staged.locator], successor: fresh(3) },
        ),
        (
            "left the old one alive",
            Change::Regenerate { key: production, retired: vec![staged.locator], successor: fresh(3) },
        ),
        (
            "left a staged one behind",
            Change::Regenerate { key: production, retired: vec![first.locator], successor: fresh(3) },
        ),
        (
            "regenerated with an old generation",
            Change::Regenerate { key: production, retired: vec![first.locator, staged.locator], successor: fresh(2) },
        ),
        (
            "promoted nothing",
            Change::Regenerate {
                key: test,
                retired: vec![test_secret.locator],
                successor: Successor::Promote(locator()),
            },
        ),
        (
            "promoted another's",
            Change::Regenerate {
                key: test,
                retired: vec![test_secret.locator],
                successor: Successor::Promote(staged.locator),
            },
        ),
        ("created for no one", Change::Create { key: homeless.clone(), secret: secret(1, SecretState::Current) }),
        ("created twice", Change::Create { key: test_key.clone(), secret: secret(1, SecretState::Current) }),
        ("locator taken", Change::Create { key: nowhere.clone(), secret: taken(SecretState::Current, 1) }),
        ("deleted another's secret", Change::Delete { key: test, retired: vec![first.locator] }),
        ("deleted across", Change::Delete { key: crossed, retired: vec![test_secret.locator] }),
        ("deleted nothing", Change::Delete { key: reference(&nowhere), retired: vec![] }),
        (
            "provisioned twice",
            Change::Provision {
                organization: organization.clone(),
                key: access_key(organization.id, Environment::Production),
                secret: secret(1, SecretState::Current),
                only_if_empty: false,
            },
        ),
    ] {
        let refused = store.change(change, context(Action::AccessKeyCreated, &key)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_) | StoreError::Missing)), "{case}: {refused:?}");
        assert_eq!(everything(&*store).await, before, "{case}");
    }
}

async fn an_idempotency_key_works_once_per_actor_and_day(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let attempt = async |actor: &str, key_text: &str, at: Timestamp| {
        let key = access_key(organization.id, Environment::Test);
        let mut context = context(Action::AccessKeyCreated, &key);
        context.idempotency_key = Some(key_text.parse().unwrap());
        context.events = EventDraft { actor: name(actor), time: at, ..context.events.first().clone() }.into();
        let change = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
        store.change(change, context).await.map(|_| key.id.to_string())
    };
    let day_one = Timestamp::from_millis(1_000);
    let made = attempt("ada", "once", day_one).await.unwrap();
    let before = everything(&*store).await;
    match attempt("ada", "once", day_one).await {
        Err(StoreError::AlreadyDone { subject }) => assert_eq!(subject, made),
        other => panic!("{other:?}"),
    }
    assert_eq!(everything(&*store).await, before);
    attempt("ada", "another", day_one).await.unwrap();
    attempt("grace", "once", day_one).await.unwrap();
    attempt("ada", "once", day_one + IDEMPOTENCY_WINDOW).await.unwrap();
}

async fn only_an_empty_store_is_provisioned_on_first_start(store: Arc<dyn Store>) {
    let first_start = async || {
        let organization = Organization {
            id: OrganizationId::new(seed()),
            name: name("default"),
            created_at: Timestamp::from_millis(1),
        };
        let key = access_key(organization.id, Environment::Production);
        let context = context(Action::OrganizationCreated, &key);
        let secret = secret(1, SecretState::Current);
        store.change(Change::Provision { organization, key, secret, only_if_empty: true }, context).await
    };
    first_start().await.unwrap();
    assert_eq!(conflict(first_start().await), Conflict::NotEmpty);
    assert_eq!(store.organizations(Page::first(10)).await.unwrap().len(), 1);
}

async fn lists_come_in_pages(store: Arc<dyn Store>) {
    for _ in 0..5 {
        provision(&*store).await;
    }
    let all = store.organizations(Page::first(10)).await.unwrap();
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let (first, rest) = all.split_at(2);
    assert_eq!(store.organizations(Page::first(2)).await.unwrap(), first);
    assert_eq!(store.organizations(Page { after: Some(first[1].id), limit: 10 }).await.unwrap(), rest);

    let organization = all[0].id;
    for _ in 0..4 {
        create(&*store, organization).await;
    }
    let events = log(&*store, organization, Environment::Test).await;
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let scope = Scope::assertion(organization, Environment::Test);
    let page = store.events(&scope, &EventFilter::default(), Page { after: Some(3), limit: 1 }).await.unwrap();
    assert_eq!(page, events[2..3]);
}

async fn every_change_is_polled_once_and_in_order(store: Arc<dyn Store>) {
    let session = register(&*store).await;
    let (organization, key, first) = provision(&*store).await;
    let (_, test_secret) = create(&*store, organization.id).await;
    let Poll::Current { position: Position { revision, .. }, changes, acknowledgement_wanted, .. } =
        store.poll(session, Position::default()).await.unwrap()
    else {
        panic!("not current")
    };
    assert_eq!(revision, Revision(2));
    assert!(acknowledgement_wanted);
    let mut seen: Vec<_> = changes.iter().map(|change| (change.locator, change.live.is_some())).collect();
    seen.sort_unstable();
    let mut expected = vec![(first.locator, true), (test_secret.locator, true)];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let production = changes.into_iter().find(|change| change.locator == first.locator).unwrap().live.unwrap();
    assert_eq!(
        &production,
        &LiveSecret { secret: first, key: key.clone(), organization_name: organization.name.clone() }
    );

    assert_eq!(store.live_secret(first.locator).await.unwrap(), Some(production));
    assert_eq!(store.live_secret(locator()).await.unwrap(), None);

    let before = store.position().await.unwrap();
    let fresh = secret(2, SecretState::Current);
    let change =
        Change::Regenerate { key: reference(&key), retired: vec![first.locator], successor: Successor::Fresh(fresh) };
    let context = context(Action::AccessKeyRegenerated, &key);
    let operation = context.operation;
    assert_eq!(store.change(change, context).await.unwrap(), Revision(3));
    let Poll::Current { position, changes, .. } = store.poll(session, before).await.unwrap() else {
        panic!("not current")
    };
    assert_eq!(position, Position { revision: Revision(3), operation });
    assert_eq!(store.position().await.unwrap(), position);
    assert_eq!(changes.len(), 2);
    for change in changes {
        assert_eq!(change.live.map(|live| live.secret), (change.locator == fresh.locator).then_some(fresh));
    }
    assert_eq!(
        store.poll(session, position).await.unwrap(),
        Poll::Current { position, changes: vec![], origins: vec![], acknowledgement_wanted: false }
    );
}

async fn a_poll_says_whether_another_process_waits_for_word(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let (mine, other) = (register(&*store).await, register(&*store).await);
    let start = store.position().await.unwrap();
    let key = access_key(organization.id, Environment::Test);
    let change = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
    let context = ChangeContext { node: Some(mine), ..context(Action::AccessKeyCreated, &key) };
    store.change(change, context).await.unwrap();
    let wanted = async |session, since| match store.poll(session, since).await.unwrap() {
        Poll::Current { acknowledgement_wanted, .. } => acknowledgement_wanted,
        other => panic!("{other:?}"),
    };
    assert!(!wanted(mine, start).await);
    assert!(wanted(other, start).await);
    create(&*store, organization.id).await;
    assert!(wanted(mine, start).await);
}

async fn a_retired_session_is_told_so_and_waited_for(store: Arc<dyn Store>) {
    let session = register(&*store).await;
    let other = register(&*store).await;
    let status = async |id| store.sessions().await.unwrap().into_iter().find(|status| status.session.id == id);
    let fresh = status(session).await.unwrap();
    assert_eq!((fresh.acknowledged, fresh.retired, fresh.session.lease), (None, false, Duration::from_secs(3)));
    store.acknowledge(session, Revision(4)).await.unwrap();
    store.acknowledge(session, Revision(3)).await.unwrap();
    assert_eq!(status(session).await.unwrap().acknowledged, Some(Revision(4)));
    assert_eq!(status(other).await.unwrap().acknowledged, None);

    store.retire(&[session]).await.unwrap();
    assert!(status(session).await.unwrap().retired);
    assert_eq!(store.poll(session, Position::default()).await.unwrap(), Poll::Retired);
    assert!(matches!(store.poll(other, Position::default()).await.unwrap(), Poll::Current { .. }));

    store.remove(&[session]).await.unwrap();
    assert_eq!(status(session).await, None);
    assert_eq!(store.poll(session, Position::default()).await.unwrap(), Poll::Retired);
    store.acknowledge(session, Revision(9)).await.unwrap();
    assert_eq!(status(session).await, None);
    assert!(status(other).await.is_some());
}

async fn a_node_too_far_behind_loads_again(store: Arc<dyn Store>) {
    let session = register(&*store).await;
    let (organization, key, _) = provision(&*store).await;
    let reference = reference(&key);
    let mut positions = vec![store.position().await.unwrap()];
    for generation in 2.. {
        if positions.len() > CHANGE_LOG_LENGTH {
            break;
        }
        let staged = Secret { digest: Digest::from_bytes([1; 32]), ..secret(generation, SecretState::Staged) };
        let stage = Change::Stage { key: reference, secret: staged };
        let unstage = Change::Unstage { key: reference, staged: staged.locator };
        for (change, action) in [(stage, Action::AccessKeyStaged), (unstage, Action::AccessKeyStageDiscarded)] {
            let context = context(action, &key);
            let operation = context.operation;
            positions.push(Position { revision: store.change(change, context).await.unwrap(), operation });
        }
    }
    let newest = store.position().await.unwrap();
    assert_eq!(positions.last(), Some(&newest));
    let reach = positions[positions.len() - 1 - CHANGE_LOG_LENGTH];
    let beyond = Position { revision: Revision(reach.revision.0 - 1), ..reach };
    assert_eq!(store.poll(session, beyond).await.unwrap(), Poll::Behind);
    assert!(matches!(store.poll(session, reach).await.unwrap(), Poll::Current { .. }));
    assert_eq!(log(&*store, organization.id, Environment::Production).await.len(), 1_000);
}

/// A node that knows of a change that the store has not must not go on, nor may anyone else.
async fn what_a_store_lost_is_noticed_until_it_is_answered_for(store: Arc<dyn Store>) {
    let (session, other) = (register(&*store).await, register(&*store).await);
    provision(&*store).await;
    let newest = store.position().await.unwrap();
    let later = Position { revision: Revision(newest.revision.0 + 1), operation: operation() };
    let instead = Position { revision: newest.revision, operation: operation() };
    assert!(matches!(store.poll(session, newest).await.unwrap(), Poll::Current { .. }));
    assert_eq!(store.poll(session, later).await.unwrap(), Poll::Lost(later));
    assert_eq!(store.poll(session, instead).await.unwrap(), Poll::Lost(instead));
    // It is not in the store before it was reported.
    assert!(matches!(store.poll(other, newest).await.unwrap(), Poll::Current { .. }));

    store.report_lost(later).await.unwrap();
    store.report_lost(later).await.unwrap();
    assert_eq!(store.lost_changes().await.unwrap(), [LostChange { change: later, accepted: false }]);
    assert_eq!(store.poll(other, newest).await.unwrap(), Poll::Lost(later));
    assert_eq!(store.poll(other, Position::default()).await.unwrap(), Poll::Lost(later));
    assert_eq!(store.poll(session, later).await.unwrap(), Poll::Lost(later));

    let nil = OrganizationId::INSTALLATION;
    let accepted = || event(Action::LostChangeAccepted, nil, Environment::Production, "2");
    store.accept_lost(accepted()).await.unwrap();
    assert_eq!(store.lost_changes().await.unwrap(), [LostChange { change: later, accepted: true }]);
    assert_eq!(log(&*store, nil, Environment::Production).await.len(), 1);
    assert!(matches!(store.poll(other, newest).await.unwrap(), Poll::Current { .. }));
    assert_eq!(store.poll(session, later).await.unwrap(), Poll::Behind);
    // What was answered for stays so; what was not is news.
    store.report_lost(later).await.unwrap();
    assert!(matches!(store.poll(other, newest).await.unwrap(), Poll::Current { .. }));
    assert!(matches!(store.accept_lost(accepted()).await, Err(StoreError::Missing)));
    assert_eq!(log(&*store, nil, Environment::Production).await.len(), 1);
    assert_eq!(store.poll(session, instead).await.unwrap(), Poll::Lost(instead));
}

async fn live_secrets_come_in_pages(store: Arc<dyn Store>) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        let (organization, key, first) = provision(&*store).await;
        let staged = secret(2, SecretState::Staged);
        let stage = Change::Stage { key: reference(&key), secret: staged };
        store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();
        let (_, test) = create(&*store, organization.id).await;
        expected.extend([first.locator, staged.locator, test.locator]);
    }
    expected.sort_unstable();
    for limit in [1, 2, 4, 100] {
        let mut seen = Vec::new();
        let mut last: Option<LiveSecret> = None;
        loop {
            let page = store.live_secrets(last.as_ref(), limit).await.unwrap();
            seen.extend(page.iter().map(|live| live.secret.locator));
            match page.into_iter().next_back() {
                Some(live) => last = Some(live),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, expected, "{limit} a page");
    }
}

async fn uses_are_added_up_per_secret_and_hour(store: Arc<dyn Store>) {
    let (organization, key, production) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    let (_, test) = create(&*store, organization.id).await;
    let start = Timestamp::from_millis(1_800_000_000_000);
    assert_eq!(store.usage(organization.id, start).await.unwrap(), []);
    store.add_uses(&[(production.locator, 5), (locator(), 9)], start).await.unwrap();
    store.add_uses(&[(production.locator, 2), (test.locator, 1)], start + USAGE_SPAN).await.unwrap();
    store.add_uses(&[], start + USAGE_SPAN).await.unwrap();
    let of = async |now: Timestamp| {
        let mut usage = store.usage(organization.id, now).await.unwrap();
        usage.sort_unstable_by_key(|usage| usage.locator != production.locator);
        usage.into_iter().map(|usage| (usage.locator, usage.last_used_at, usage.uses_last_hour)).collect::<Vec<_>>()
    };
    let later = start + USAGE_SPAN;
    assert_eq!(of(later).await, [(production.locator, later, 7), (test.locator, later, 1)]);
    // An hour on, the counts are gone, and when it was last used is still known.
    let hour = start + USAGE_SPAN * 8;
    assert_eq!(of(hour).await, [(production.locator, later, 0), (test.locator, later, 0)]);
    assert_eq!(store.usage(other.id, later).await.unwrap(), []);
    // What is late is not later than what came before.
    store.add_uses(&[(production.locator, 1)], start).await.unwrap();
    assert_eq!(of(later).await, [(production.locator, later, 8), (test.locator, later, 1)]);
    // A dead secret has no usage any more.
    let fresh = Successor::Fresh(secret(2, SecretState::Current));
    let change = Change::Regenerate { key: reference(&key), retired: vec![production.locator], successor: fresh };
    store.change(change, context(Action::AccessKeyRegenerated, &key)).await.unwrap();
    assert_eq!(of(later).await, [(test.locator, later, 1)]);
}

async fn logs_are_apart(store: Arc<dyn Store>) {
    let (organization, key, _) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let production = log(&*store, organization.id, Environment::Production).await;
    assert_eq!(production.len(), 1);
    let [stored] = &production[..] else { panic!("one event") };
    assert_eq!(stored.sequence, 1);
    let id = key.id.to_string();
    let told = event(Action::OrganizationCreated, organization.id, Environment::Production, &id);
    assert_eq!(stored.draft, told);
    assert_eq!(log(&*store, organization.id, Environment::Test).await.len(), 1);
    assert_eq!(log(&*store, other.id, Environment::Test).await, []);
}

async fn every_event_follows_the_one_before(store: Arc<dyn Store>) {
    assert_eq!(store.logs().await.unwrap(), []);
    let (organization, ..) = provision(&*store).await;
    for _ in 0..3 {
        create(&*store, organization.id).await;
    }
    let logs = [Environment::Production, Environment::Test].map(|environment| (organization.id, environment));
    assert_eq!(store.logs().await.unwrap(), logs);
    let scope = Scope::assertion(organization.id, Environment::Test);
    let chain = store.chain(&scope, Page::first(10)).await.unwrap();
    let mut events = log(&*store, organization.id, Environment::Test).await;
    events.reverse();
    assert_eq!(chain.into_iter().map(Result::unwrap).collect::<Vec<_>>(), events);
    let page = store.chain(&scope, Page { after: Some(1), limit: 1 }).await.unwrap();
    assert_eq!(page.into_iter().map(Result::unwrap).collect::<Vec<_>>(), events[1..2]);
    assert!(events.iter().all(|event| event.hash == Some(event.computed_hash())));
    assert!(events.windows(2).all(|pair| pair[1].previous_hash == pair[0].hash));

    let now = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    assert_eq!(now.size, 3);
    create(&*store, organization.id).await;
    let later = verify_log(&*store, &scope, Some(&now), None, &mut |_| {}).await.unwrap();
    assert_eq!(later.size, 4);
    let longer = Checkpoint { size: 5, ..later.clone() };
    let cut = verify_log(&*store, &scope, Some(&longer), None, &mut |_| {}).await;
    assert!(matches!(cut, Err(LogFault::Truncated { size: 5, events: 4 })), "{cut:?}");
    let other = Checkpoint { root: later.root, ..now };
    let rewritten = verify_log(&*store, &scope, Some(&other), None, &mut |_| {}).await;
    assert!(matches!(rewritten, Err(LogFault::Rewritten(3))), "{rewritten:?}");
}

async fn events_are_found_by_what_they_say(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    for number in 0..6 {
        let action = if number % 2 == 0 { Action::AccessKeyCreated } else { Action::AccessKeyDeleted };
        let draft = event(action, organization, Environment::Test, if number < 3 { "key_1" } else { "key_2" });
        let actor = name(if number < 4 { "ada" } else { "'; DROP TABLE --" });
        store.record(EventDraft { time: Timestamp::from_millis(number), actor, ..draft }).await.unwrap();
    }
    let found = async |filter: EventFilter, page| -> Vec<u64> {
        store.events(&scope, &filter, page).await.unwrap().into_iter().map(|event| event.sequence).collect()
    };
    let (all, any) = (Page::first(10), EventFilter::default());
    let at = |millis| Some(Timestamp::from_millis(millis));
    assert_eq!(found(any.clone(), all).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(found(EventFilter { since: at(2), until: at(5), ..any.clone() }, all).await, [5, 4, 3]);
    assert_eq!(found(EventFilter { action: Some(Action::AccessKeyDeleted), ..any.clone() }, all).await, [6, 4, 2]);
    assert_eq!(found(EventFilter { actor: Some(name("'; DROP TABLE --")), ..any.clone() }, all).await, [6, 5]);
    assert_eq!(found(EventFilter { actor: Some(name("eve")), ..any.clone() }, all).await, [0; 0]);
    let second = EventFilter { subject: Some("key_2".into()), ..any.clone() };
    assert_eq!(found(second.clone(), all).await, [6, 5, 4]);
    assert_eq!(found(second.clone(), Page { after: Some(6), limit: 1 }).await, [5]);
    assert_eq!(found(EventFilter { since: at(4), actor: Some(name("ada")), ..second }, all).await, [0; 0]);
    assert!(verify_log(&*store, &scope, None, None, &mut |_| {}).await.is_ok());
}

async fn the_beginning_of_a_log_is_cut_off_under_a_checkpoint(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    let draft = || event(Action::AccessKeyCreated, organization, Environment::Test, "key_1");
    let mut tree = Tree::default();
    for _ in 0..5 {
        store.record(draft()).await.unwrap();
    }
    let whole = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    let chain = store.chain(&scope, Page::first(3)).await.unwrap();
    let hashes: Vec<Hash> = chain.into_iter().map(|event| event.unwrap().hash.unwrap()).collect();
    hashes.iter().for_each(|hash| tree.push(*hash));
    let key = NoteKey::from_seed(&[7; 32].into());
    let checkpoint = Checkpoint { size: 3, root: tree.root(), ..whole.clone() };
    let pruned =
        Pruned { size: 3, last_hash: hashes[2], peaks: tree.peaks().to_vec(), checkpoint: checkpoint.sign(&key) };
    assert_eq!(store.pruned(&scope).await.unwrap(), None);
    let other = Pruned { last_hash: hashes[1], ..pruned.clone() };
    let stale = store.prune(&scope, other, draft()).await;
    assert_eq!(stale.map_err(|error| error.to_string()), Err(StoreError::from(Conflict::Stale).to_string()));
    assert_eq!(log(&*store, organization, Environment::Test).await.len(), 5);

    store.prune(&scope, pruned.clone(), draft()).await.unwrap();
    assert_eq!(store.pruned(&scope).await.unwrap(), Some(pruned.clone()));
    let left = log(&*store, organization, Environment::Test).await;
    assert_eq!(left.iter().map(|event| event.sequence).collect::<Vec<_>>(), [6, 5, 4]);
    // Verified as before, with the key or without; and it still extends what was whole.
    let mine = key.verifier(&whole.origin);
    for key in [None, Some(&mine)] {
        assert_eq!(verify_log(&*store, &scope, Some(&whole), key, &mut |_| {}).await.unwrap().size, 6);
    }
    let foreign = NoteKey::from_seed(&[8; 32].into()).verifier(&whole.origin);
    let unsigned = verify_log(&*store, &scope, None, Some(&foreign), &mut |_| {}).await;
    assert!(matches!(unsigned, Err(LogFault::Pruned(_))), "{unsigned:?}");
    let before = Checkpoint { size: 2, ..checkpoint };
    let beyond = verify_log(&*store, &scope, Some(&before), None, &mut |_| {}).await;
    assert!(matches!(beyond, Err(LogFault::PrunedBeyond(3))), "{beyond:?}");
}

fn origin(organization: OrganizationId, text: &str) -> OriginEntry {
    OriginEntry {
        id: AllowedOriginId::new(seed()),
        organization,
        origin: AllowedOrigin::parse(text, CustomSchemes::Allowed).unwrap(),
        created_at: Timestamp::from_millis(6),
        created_by: name("ada"),
    }
}

fn origin_context(organization: OrganizationId) -> ChangeContext {
    let told = event(Action::AllowedOriginAdded, organization, Environment::Production, "ori_1");
    ChangeContext { operation: operation(), events: told.into(), idempotency_key: None, node: None }
}

async fn origins_are_allowed_and_disallowed_like_keys_live_and_die(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    let session = SessionId::new(seed());
    store.register(Session { id: session, lease: Duration::from_secs(3) }).await.unwrap();
    let id = organization.id;
    let allow = async |entry: &OriginEntry| {
        store.change(Change::AllowOrigin { entry: entry.clone() }, origin_context(entry.organization)).await
    };
    let (app, local, apps) =
        (origin(id, "app.example.com"), origin(id, "localhost:3000"), origin(other.id, "com.a.b://c"));
    let before = store.position().await.unwrap();
    let first = allow(&app).await.unwrap();
    assert_eq!(first.0, before.revision.0 + 1);
    allow(&local).await.unwrap();
    allow(&apps).await.unwrap();
    assert_eq!(
        conflict(allow(&OriginEntry { id: AllowedOriginId::new(seed()), ..app.clone() }).await),
        Conflict::Duplicate
    );
    let nowhere = origin(OrganizationId::new(seed()), "app.example.com");
    assert!(matches!(allow(&nowhere).await, Err(StoreError::Missing)));
    // The same origin may be on another's list.
    let theirs = origin(other.id, "app.example.com");
    allow(&theirs).await.unwrap();
    assert_eq!(store.allowed_origins(id).await.unwrap(), [app.clone(), local.clone()]);
    assert_eq!(store.allowed_origins(other.id).await.unwrap(), [apps.clone(), theirs.clone()]);

    let Poll::Current { position, changes, mut origins, acknowledgement_wanted } =
        store.poll(session, before).await.unwrap()
    else {
        panic!("not current");
    };
    assert!(changes.is_empty() && acknowledgement_wanted);
    origins.sort_by_key(|change| change.organization != id);
    let mine = OriginsChange { organization: id, entries: vec![app.clone(), local.clone()] };
    assert_eq!(origins, [mine, OriginsChange { organization: other.id, entries: vec![apps, theirs] }]);

    let disallow = async |organization, id| {
        store.change(Change::DisallowOrigin { organization, id }, origin_context(organization)).await
    };
    assert!(matches!(disallow(other.id, app.id).await, Err(StoreError::Missing)), "another's entry");
    disallow(id, app.id).await.unwrap();
    disallow(id, local.id).await.unwrap();
    assert!(matches!(disallow(id, local.id).await, Err(StoreError::Missing)));
    assert_eq!(store.allowed_origins(id).await.unwrap(), []);
    let Poll::Current { origins, .. } = store.poll(session, position).await.unwrap() else { panic!("not current") };
    assert_eq!(origins, [OriginsChange { organization: id, entries: vec![] }]);
    // Each was an event, and nothing that was refused is one.
    let told = log(&*store, id, Environment::Production).await;
    assert_eq!(told.iter().filter(|event| event.draft.action == Action::AllowedOriginAdded).count(), 4);
}

async fn every_allowed_origin_is_loaded_page_by_page(store: Arc<dyn Store>) {
    let mut all = Vec::new();
    for _ in 0..2 {
        let (organization, ..) = provision(&*store).await;
        for port in 1..=3 {
            let entry = origin(organization.id, &format!("localhost:{port}"));
            store.change(Change::AllowOrigin { entry: entry.clone() }, origin_context(organization.id)).await.unwrap();
            all.push(entry);
        }
    }
    all.sort_by_key(|entry| (entry.organization, entry.id));
    let mut loaded: Vec<OriginEntry> = Vec::new();
    loop {
        let page = store.live_origins(loaded.last(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        loaded.extend(page);
    }
    assert_eq!(loaded, all);
}

async fn events_are_shipped_in_the_order_of_their_writing(store: Arc<dyn Store>) {
    assert_eq!(store.events_after(0, 10).await.unwrap(), []);
    let (organization, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let (other, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let shipped = store.events_after(0, 10).await.unwrap();
    assert_eq!(shipped.iter().map(|shipment| shipment.position).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let events: Vec<Event> = shipped.iter().map(|shipment| shipment.event.clone().unwrap()).collect();
    let places: Vec<_> =
        events.iter().map(|event| (event.draft.organization, event.draft.environment, event.sequence)).collect();
    let (production, test) = (Environment::Production, Environment::Test);
    let (mine, others) = (organization.id, other.id);
    assert_eq!(places, [(mine, production, 1), (mine, test, 1), (others, production, 1), (mine, test, 2)]);
    assert!(events.iter().all(|event| event.hash == Some(event.computed_hash())));
    assert_eq!(store.events_after(2, 1).await.unwrap(), shipped[2..3]);
    assert_eq!(store.events_after(4, 1).await.unwrap(), []);
}

async fn a_sink_is_held_by_one_at_a_time(store: Arc<dyn Store>) {
    let (sink, first, second) = (name("siem"), SessionId::new(seed()), SessionId::new(seed()));
    assert_eq!(store.sinks().await.unwrap(), []);
    assert!(store.take_sink(&sink, None, first).await.unwrap());
    assert!(!store.take_sink(&sink, None, second).await.unwrap());
    let now = async || store.sinks().await.unwrap().into_iter().next().unwrap();
    let taken = now().await;
    assert_eq!((taken.name.clone(), taken.position, taken.holder), (sink.clone(), 0, Some(first)));
    assert_eq!((taken.behind, taken.behind_since), (0, None));

    for number in 1..=3 {
        let draft = event(Action::AccessKeyCreated, OrganizationId::INSTALLATION, Environment::Test, "key_1");
        store.record(EventDraft { time: Timestamp::from_millis(number), ..draft }).await.unwrap();
    }
    assert!(store.advance_sink(&sink, first, 1).await.unwrap());
    assert!(!store.advance_sink(&sink, second, 3).await.unwrap());
    let moved = now().await;
    assert_eq!((moved.position, moved.behind, moved.behind_since), (1, 2, Some(Timestamp::from_millis(2))));
    // Whoever looked before the holder spoke is too late; whoever looked after takes it over, and the other one is told.
    assert!(!store.take_sink(&sink, Some(taken.beat), second).await.unwrap());
    assert!(store.take_sink(&sink, Some(moved.beat), second).await.unwrap());
    assert!(!store.advance_sink(&sink, first, 3).await.unwrap());
    store.release_sink(&sink, first).await.unwrap();
    assert_eq!((now().await.position, now().await.holder), (1, Some(second)));
    store.release_sink(&sink, second).await.unwrap();
    assert_eq!((now().await.position, now().await.holder), (1, None));
    assert!(store.forget_sink(&sink).await.unwrap());
    assert!(!store.forget_sink(&sink).await.unwrap());
    assert_eq!(store.sinks().await.unwrap(), []);
}

async fn nothing_is_cut_off_that_a_sink_has_yet_to_ship(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    let draft = || event(Action::AccessKeyCreated, organization, Environment::Test, "key_1");
    for _ in 0..2 {
        store.record(draft()).await.unwrap();
    }
    let (sink, holder) = (name("siem"), SessionId::new(seed()));
    assert!(store.take_sink(&sink, None, holder).await.unwrap());
    assert!(store.advance_sink(&sink, holder, 1).await.unwrap());
    let whole = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    let chain = store.chain(&scope, Page::first(2)).await.unwrap();
    let mut tree = Tree::default();
    let hashes: Vec<Hash> = chain.into_iter().map(|event| event.unwrap().hash.unwrap()).collect();
    hashes.iter().for_each(|hash| tree.push(*hash));
    let checkpoint = whole.sign(&NoteKey::from_seed(&[7; 32].into()));
    let pruned = Pruned { size: 2, last_hash: hashes[1], peaks: tree.peaks().to_vec(), checkpoint };
    let refused = store.prune(&scope, pruned.clone(), draft()).await;
    assert_eq!(conflict(refused), Conflict::Unshipped);
    assert!(store.advance_sink(&sink, holder, 2).await.unwrap());
    store.prune(&scope, pruned, draft()).await.unwrap();
    // Positions go on where they were.
    assert_eq!(store.events_after(0, 10).await.unwrap()[0].position, 3);
    assert_eq!(store.sinks().await.unwrap()[0].behind, 1);
}

async fn operators_are_added_and_removed_with_their_events(store: Arc<dyn Store>) {
    let operator = |text| Operator {
        id: OperatorId::new(seed()),
        name: name(text),
        locator: locator(),
        digest: Digest::from_bytes([9; 32]),
        created_at: Timestamp::from_millis(2),
    };
    let installation = OrganizationId::INSTALLATION;
    let told =
        |action, subject: &Operator| event(action, installation, Environment::Production, &subject.id.to_string());
    let (ada, second_ada, grace) = (operator("ada"), operator("ada"), operator("grace"));
    store.add_operator(ada.clone(), told(Action::OperatorCreated, &ada)).await.unwrap();
    let refused = store.add_operator(second_ada.clone(), told(Action::OperatorCreated, &second_ada)).await;
    assert_eq!(conflict(refused), Conflict::Duplicate);
    store.add_operator(grace.clone(), told(Action::OperatorCreated, &grace)).await.unwrap();
    assert_eq!(store.operators().await.unwrap(), [ada.clone(), grace.clone()]);
    assert_eq!(store.operator_by_locator(ada.locator).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.operator_by_locator(locator()).await.unwrap(), None);

    store.remove_operator(ada.id, told(Action::OperatorDeleted, &ada)).await.unwrap();
    let again = store.remove_operator(ada.id, told(Action::OperatorDeleted, &ada)).await;
    assert!(matches!(again, Err(StoreError::Missing)), "{again:?}");
    assert_eq!(store.operators().await.unwrap(), [grace]);
    assert_eq!(log(&*store, installation, Environment::Production).await.len(), 3);
}

fn user(text: &str) -> RegisteredUser {
    RegisteredUser {
        id: RegisteredUserId::new(seed()),
        origin_user_id: name(text),
        origin_user_name: Some(name("Ada")),
        created_at: Timestamp::from_millis(6),
    }
}

fn credential(user: &RegisteredUser, connector: &str) -> Credential {
    Credential {
        registered_user: user.id,
        connector: connector.parse().unwrap(),
        sealed: Sealed::from_bytes(vec![1, 2, 3]),
        created_at: Timestamp::from_millis(7),
        updated_at: Timestamp::from_millis(7),
    }
}

/// Whether every operation of a table treats this record as one that exists nowhere.
async fn is_absent<R: Record + PartialEq + std::fmt::Debug>(table: &dyn Table<R>, scope: &Scope, record: &R) {
    assert_eq!(table.get(scope, &record.key()).await.unwrap(), None, "{scope:?}");
    assert!(!table.delete(scope, &record.key()).await.unwrap(), "{scope:?}");
    assert_eq!(table.list(scope, Page::first(100)).await.unwrap(), [], "{scope:?}");
}

async fn no_operation_reaches_another_scope(store: Arc<dyn Store>) {
    let (mine, ..) = provision(&*store).await;
    let (theirs, ..) = provision(&*store).await;
    let scopes = [mine.id, theirs.id].map(|id| Environment::ALL.map(|env| Scope::assertion(id, env)));
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let connectors: &dyn Table<Connector> = &*store;
    for own in scopes.as_flattened() {
        let ada = user("ada");
        let (now, sealed) = (Timestamp::from_millis(7), Sealed::from_bytes(vec![1]));
        let github = Connector { name: "github".parse().unwrap(), sealed, created_at: now, updated_at: now };
        connectors.insert(own, github.clone()).await.unwrap();
        assert_eq!(conflict(connectors.insert(own, github.clone()).await), Conflict::Duplicate);
        let key = credential(&ada, "github");
        users.insert(own, ada.clone()).await.unwrap();
        credentials.insert(own, key.clone()).await.unwrap();
        for other in scopes.as_flattened().iter().filter(|other| *other != own) {
            is_absent(users, other, &ada).await;
            is_absent(credentials, other, &key).await;
            is_absent(connectors, other, &github).await;
            // A credential cannot be hung on a user of another scope.
            for refused in [credentials.insert(other, key.clone()).await, credentials.put(other, key.clone()).await] {
                assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
            }
        }
        assert_eq!(users.get(own, &ada.id).await.unwrap(), Some(ada.clone()));
        assert_eq!(credentials.get(own, &key.key()).await.unwrap(), Some(key));
        assert!(users.delete(own, &ada.id).await.unwrap());
        let later = Connector { updated_at: Timestamp::from_millis(8), ..github.clone() };
        connectors.put(own, Connector { created_at: later.updated_at, ..later.clone() }).await.unwrap();
        assert_eq!(connectors.get(own, &github.name).await.unwrap(), Some(later));
        assert!(connectors.delete(own, &github.name).await.unwrap());
    }
    // The very same ids may stand in every scope, and stay apart.
    let twin = user("twin");
    for own in scopes.as_flattened() {
        users.insert(own, twin.clone()).await.unwrap();
    }
    assert!(users.delete(&scopes[0][0], &twin.id).await.unwrap());
    for own in &scopes.as_flattened()[1..] {
        assert_eq!(users.get(own, &twin.id).await.unwrap(), Some(twin.clone()));
    }
}

async fn a_link_session_is_taken_once_and_in_time(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let users: &dyn Table<RegisteredUser> = &*store;
    let ada = user("ada");
    let session = |state: u8| LinkSession {
        id: LinkSessionId::new(seed()),
        state: Digest::from_bytes([state; 32]),
        registered_user: ada.id,
        sealed: Sealed::from_bytes(vec![state]),
        expires_at: Timestamp::from_millis(1_000),
    };
    let open = async |scope: &Scope, session| store.open_link(scope, session, Timestamp::from_millis(5)).await;
    assert!(matches!(open(&scope, session(1)).await, Err(StoreError::Missing)));
    users.insert(&scope, ada.clone()).await.unwrap();
    let (first, second, third) = (session(1), session(2), session(3));
    for opened in [&first, &second, &third] {
        open(&scope, opened.clone()).await.unwrap();
    }
    assert_eq!(conflict(open(&scope, session(1)).await), Conflict::Duplicate);
    let elsewhere = Scope::assertion(organization.id, Environment::Production);
    assert!(matches!(open(&elsewhere, session(4)).await, Err(StoreError::Missing)));

    let take = async |state: u8, now| {
        store.take_link(Digest::from_bytes([state; 32]), Timestamp::from_millis(now)).await.unwrap()
    };
    let taken = TakenLink { organization: organization.id, environment: Environment::Test, session: first };
    assert_eq!(take(9, 5).await, None);
    assert_eq!(take(1, 5).await, Some(taken));
    assert_eq!(take(1, 5).await, None);
    assert!(take(2, 999).await.is_some());
    assert_eq!(take(3, 1_000).await, None);
    assert_eq!(take(3, 5).await, None, "what has expired is gone");
    // One that has expired makes way when another is opened.
    open(&scope, session(6)).await.unwrap();
    store
        .open_link(
            &scope,
            LinkSession { expires_at: Timestamp::from_millis(2_000), ..session(7) },
            Timestamp::from_millis(1_000),
        )
        .await
        .unwrap();
    assert_eq!(take(6, 5).await, None);
    // It goes with its user.
    open(&scope, session(5)).await.unwrap();
    assert!(users.delete(&scope, &ada.id).await.unwrap());
    assert_eq!(take(5, 5).await, None);
}

async fn a_users_credentials_go_with_it(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let (ada, grace) = (user("ada"), user("grace"));
    for user in [&ada, &grace] {
        users.insert(&scope, user.clone()).await.unwrap();
        credentials.put(&scope, credential(user, "github")).await.unwrap();
    }
    let later = Timestamp::from_millis(99);
    let changed = Credential {
        sealed: Sealed::from_bytes(vec![4]),
        created_at: later,
        updated_at: later,
        ..credential(&ada, "github")
    };
    credentials.put(&scope, changed.clone()).await.unwrap();
    let kept = Credential { created_at: Timestamp::from_millis(7), ..changed };
    assert_eq!(credentials.get(&scope, &kept.key()).await.unwrap(), Some(kept.clone()));
    assert_eq!(conflict(credentials.insert(&scope, kept.clone()).await), Conflict::Duplicate);

    assert!(users.delete(&scope, &ada.id).await.unwrap());
    assert_eq!(credentials.get(&scope, &kept.key()).await.unwrap(), None);
    let other = CredentialKey { registered_user: grace.id, connector: kept.connector.clone() };
    assert!(credentials.get(&scope, &other).await.unwrap().is_some());
    assert!(credentials.delete(&scope, &other).await.unwrap());
    assert!(!credentials.delete(&scope, &other).await.unwrap());
    let orphan = credentials.put(&scope, kept).await;
    assert!(matches!(orphan, Err(StoreError::Missing)), "{orphan:?}");
}

async fn user_ids_are_unique_within_an_environment(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let users: &dyn Table<RegisteredUser> = &*store;
    let scopes = Environment::ALL.map(|environment| Scope::assertion(organization.id, environment));
    for scope in &scopes {
        users.insert(scope, user("ada")).await.unwrap();
        assert_eq!(conflict(users.insert(scope, user("ada")).await), Conflict::Duplicate);
        assert_eq!(conflict(users.put(scope, user("ada")).await), Conflict::Duplicate);
    }
    for _ in 0..3 {
        users.insert(&scopes[0], user(&seed().now.to_string())).await.unwrap();
    }
    let all = users.list(&scopes[0], Page::first(100)).await.unwrap();
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id) && all.len() == 4);
    let page = users.list(&scopes[0], Page { after: Some(all[1].id), limit: 1 }).await.unwrap();
    assert_eq!(page, all[2..3]);
    let renamed = RegisteredUser { origin_user_name: None, ..all[0].clone() };
    users.put(&scopes[0], renamed.clone()).await.unwrap();
    assert_eq!(users.get(&scopes[0], &renamed.id).await.unwrap(), Some(renamed));
}
