//! Organizations, keys and their secrets.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_audit::Action;
use doorward_key::{ImportFormat, KeyPrefix};
use doorward_records::Store;
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, Change, ChangeContext, Conflict, Doubt, EventFilter, Hold, IDEMPOTENCY_WINDOW,
    KeyLabel, KeyOverview, KeyRef, LeakMarks, OPERATION_WINDOW, Organization, Page, RETIRED_RETENTION, Refusals,
    RequestHash, RetiredSecret, Revision, Scope, Secret, StoreError, StoreId, Successor, WhichKey,
};
use doorward_types::{Environment, OrganizationId, SecretState, Timestamp, altered};

use crate::fixtures::{
    Keys, access_key, active_secret, conflict, context, context_of, create, locator, log, name, operation, provision,
    reference, secret, seed, telling,
};

pub(super) async fn an_organization_has_its_production_key_from_the_start(store: Keys) {
    let (organization, key, secret) = provision(&*store).await;
    assert_eq!(store.organization(organization.id).await.unwrap(), Some(organization.clone()));
    let keys = store.access_keys(organization.id).await.unwrap();
    assert_eq!(keys, [AccessKeyWithSecrets::new(key.clone(), 1, vec![secret])]);
    assert_eq!(store.access_key(organization.id, WhichKey::Id(key.id)).await.unwrap(), keys.into_iter().next());
    assert_eq!(store.access_key(OrganizationId::new(seed()), WhichKey::Id(key.id)).await.unwrap(), None);
}

pub(super) async fn one_key_is_found_among_many(store: Keys) {
    let (organization, production, _) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    let (first, _) = create(&*store, organization.id).await;
    let (second, _) = create(&*store, organization.id).await;
    let staged = secret(2, SecretState::Staged);
    let stage = Change::Stage { key: reference(&production), secret: staged };
    store.change(stage, context(Action::AccessKeyStaged, &production)).await.unwrap();
    let all = store.access_keys(organization.id).await.unwrap();
    for key in [&production, &first, &second] {
        let listed = all.iter().find(|found| found.key.id == key.id).cloned();
        assert_eq!(store.access_key(organization.id, WhichKey::Id(key.id)).await.unwrap(), listed);
        assert_eq!(store.access_key(other.id, WhichKey::Id(key.id)).await.unwrap(), None);
    }
    let found = store.access_key(organization.id, WhichKey::Production).await.unwrap().unwrap();
    assert_eq!((found.key, found.secrets.len(), found.generations), (production, 2, 2));
    assert_eq!(store.access_key(OrganizationId::new(seed()), WhichKey::Production).await.unwrap(), None);
}

pub(super) async fn organizations_are_found_by_name(store: Keys) {
    let (first, ..) = provision(&*store).await;
    let (second, ..) = provision(&*store).await;
    assert_eq!(first.name, second.name, "a duplicate was asked for");
    let (first, second) = if first.id < second.id { (first, second) } else { (second, first) };
    let named = async |name: &str, limit| store.organizations_named(&name.parse().unwrap(), limit).await.unwrap();
    assert_eq!(named(first.name.as_str(), 10).await, [second.clone(), first.clone()]);
    assert_eq!(named(first.name.as_str(), 1).await, [second]);
    for other in [first.name.as_str().to_uppercase(), format!("{}%", first.name), "_".to_owned()] {
        assert_eq!(named(&other, 10).await, []);
    }
}

pub(super) async fn there_is_never_a_second_production_key(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let before = store.everything().await;
    let second = access_key(organization.id, Environment::Production);
    let change = Change::Create { key: second.clone(), secret: secret(1, SecretState::Current) };
    let refused = store.change(change, context(Action::AccessKeyCreated, &second)).await;
    assert_eq!(conflict(refused), Conflict::Duplicate);
    assert_eq!(store.everything().await, before);
}

pub(super) async fn the_production_key_cannot_be_deleted(store: Keys) {
    let (_, key, secret) = provision(&*store).await;
    let before = store.everything().await;
    let change = Change::Delete { key: reference(&key), retired: vec![secret.locator] };
    assert_eq!(conflict(store.change(change, context(Action::AccessKeyDeleted, &key)).await), Conflict::Stale);
    assert_eq!(store.everything().await, before);
}

pub(super) async fn a_key_is_created_staged_regenerated_and_deleted(store: Keys) {
    let (organization, key, first) = provision(&*store).await;
    let secrets = async || store.access_key(organization.id, WhichKey::Id(key.id)).await.unwrap().unwrap().secrets;
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
    let promoted = altered!(staged, state: SecretState::Current);
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
    assert_eq!(store.access_key(organization.id, WhichKey::Id(test_key.id)).await.unwrap(), None);

    let production = [
        Action::OrganizationCreated,
        Action::AccessKeyStaged,
        Action::AccessKeyStageDiscarded,
        Action::AccessKeyStaged,
        Action::AccessKeyRegenerated,
        Action::AccessKeyStaged,
        Action::AccessKeyRegenerated,
    ];
    let test = [Action::AccessKeyCreated, Action::AccessKeyDeleted];
    for (environment, expected) in [(Environment::Production, &production[..]), (Environment::Test, &test)] {
        if let Some(events) = store.events(organization.id, environment).await {
            assert_eq!(events.iter().rev().map(|event| event.draft.action).collect::<Vec<_>>(), expected);
        }
    }
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1.revision, Revision(9));
}

pub(super) async fn the_words_about_a_key_are_changed_as_they_were_seen(store: Keys) {
    let (organization, production, first) = provision(&*store).await;
    let (other, _) = create(&*store, organization.id).await;
    let find = async || store.access_key(organization.id, WhichKey::Production).await.unwrap().unwrap();
    let seen = find().await.label();
    assert_eq!(seen, KeyLabel { name: production.name.clone(), note: None });
    let label = KeyLabel { name: name("billing"), note: Some(name("used by \"billing\"; see 東京")) };
    let change = Change::Label { key: reference(&production), seen: seen.clone(), label: label.clone() };
    store.change(change.clone(), context(Action::AccessKeyRenamed, &production)).await.unwrap();
    assert_eq!((find().await.label(), find().await.secrets), (label.clone(), vec![first]));
    assert_eq!(active_secret(&*store, first.locator).await.unwrap().key.name, label.name);
    let unchanged = store.access_key(organization.id, WhichKey::Id(other.id)).await.unwrap().unwrap();
    assert_eq!((unchanged.key.name, unchanged.note), (other.name, None));
    let refused = store.change(change, context(Action::AccessKeyRenamed, &production)).await;
    assert_eq!(conflict(refused), Conflict::Stale);
    let without = KeyLabel { note: None, ..label.clone() };
    let change = Change::Label { key: reference(&production), seen: label, label: without.clone() };
    store.change(change, context(Action::AccessKeyRenamed, &production)).await.unwrap();
    assert_eq!(find().await.label(), without);
}

pub(super) async fn a_secret_is_marked_as_leaked_as_it_was_seen(store: Keys) {
    let (organization, production, first) = provision(&*store).await;
    let (_, other) = create(&*store, organization.id).await;
    let change = |seen, marks| Change::Mark { key: reference(&production), locator: first.locator, seen, marks };
    let context = || context(Action::AccessKeyReportedLeaked, &production);
    let (none, at) = (LeakMarks::default(), Timestamp::from_millis);
    let reported = LeakMarks { reported_at: Some(at(5)), quarantined_at: None };
    let held = LeakMarks { quarantined_at: Some(at(6)), ..reported };
    for (seen, marks) in [(none, reported), (reported, held), (held, reported)] {
        assert_eq!(conflict(store.change(change(marks, seen), context()).await), Conflict::Stale);
        assert_eq!(conflict(store.change(change(seen, seen), context()).await), Conflict::Unchanged);
        store.change(change(seen, marks), context()).await.unwrap();
        let live = active_secret(&*store, first.locator).await.unwrap();
        assert_eq!(live.secret.leak_marks(), marks);
        assert_eq!(live.hold(), marks.quarantined_at.map(|_| Hold::Quarantined));
        let found = store.access_key(organization.id, WhichKey::Production).await.unwrap().unwrap();
        assert_eq!(found.secrets, [live.secret]);
        assert_eq!(active_secret(&*store, other.locator).await.unwrap().secret.leak_marks(), none);
    }
    let of_other = Change::Mark { key: reference(&production), locator: other.locator, seen: none, marks: held };
    assert_eq!(conflict(store.change(of_other, context()).await), Conflict::Stale, "a secret of another key");
}

pub(super) async fn a_revoked_secret_is_remembered_with_its_refused_calls(store: Keys) {
    let (organization, key, first) = provision(&*store).await;
    let (test_key, test_secret) = create(&*store, organization.id).await;
    let Some(retired) = store.retired_secrets() else { return };
    assert_eq!(retired.newest_retired(10).await.unwrap(), []);
    let at = |millis| context_of(altered!(telling(), time: Timestamp::from_millis(millis)));
    let successor = Successor::Fresh(secret(2, SecretState::Current));
    let change = Change::Regenerate { key: reference(&key), retired: vec![first.locator], successor };
    store.change(change, at(10)).await.unwrap();
    let delete = Change::Delete { key: reference(&test_key), retired: vec![test_secret.locator] };
    store.change(delete, at(20)).await.unwrap();

    let expected = |key: &AccessKey, secret: &Secret, millis| {
        let Secret { locator, digest, generation, state, .. } = *secret;
        let AccessKey { organization, environment, id, .. } = *key;
        let time = Timestamp::from_millis(millis);
        RetiredSecret::new(organization, environment, locator, digest, id, generation, state, time)
    };
    let (of_production, of_test) = (expected(&key, &first, 10), expected(&test_key, &test_secret, 20));
    assert_eq!(retired.newest_retired(10).await.unwrap(), [of_test.clone(), of_production.clone()]);
    assert_eq!(retired.newest_retired(1).await.unwrap(), std::slice::from_ref(&of_test));
    assert_eq!(retired.retired_of(organization.id, 10).await.unwrap(), [of_test.clone(), of_production.clone()]);
    assert_eq!(retired.retired_of(OrganizationId::new(seed()), 10).await.unwrap(), []);

    let refused = |secret: &Secret, calls, millis, from: Option<[u8; 4]>| Refusals {
        locator: secret.locator,
        calls,
        last_at: Timestamp::from_millis(millis),
        last_from: from.map(IpAddr::from),
    };
    let unknown = Refusals { locator: locator(), ..refused(&first, 1, 30, None) };
    retired.add_refusals(&[refused(&first, 3, 40, Some([10, 0, 3, 7])), unknown]).await.unwrap();
    // A node that was slow adds older calls.
    retired.add_refusals(&[refused(&first, 2, 30, Some([10, 0, 3, 8]))]).await.unwrap();
    let counted = altered!(
        of_production,
        refused: 5,
        last_refused_at: Some(Timestamp::from_millis(40)),
        last_refused_from: Some(IpAddr::from([10, 0, 3, 7]))
    );
    assert_eq!(retired.retired(first.locator).await.unwrap(), Some(counted.clone()));
    assert_eq!(retired.retired(test_secret.locator).await.unwrap(), Some(of_test));
    assert_eq!(retired.retired(locator()).await.unwrap(), None);

    // A later change forgets the secrets whose time is over.
    let later = 15 + i64::try_from(RETIRED_RETENTION.as_millis()).unwrap();
    let stage = Change::Stage { key: reference(&key), secret: secret(3, SecretState::Staged) };
    store.change(stage, at(later)).await.unwrap();
    assert_eq!(retired.retired(first.locator).await.unwrap(), None);
    assert!(retired.retired(test_secret.locator).await.unwrap().is_some());
}

pub(super) async fn the_state_of_several_organizations_is_read_at_once(store: Keys) {
    let (old, staged, closed) = (provision(&*store).await, provision(&*store).await, OrganizationId::new(seed()));
    let test = create(&*store, old.0.id).await;
    let at = Timestamp::from_millis;
    let replace = async |of: &(Organization, AccessKey, Secret), made| {
        let successor = Successor::Fresh(altered!(secret(2, SecretState::Current), created_at: at(made)));
        let change = Change::Regenerate { key: reference(&of.1), retired: vec![of.2.locator], successor };
        store.change(change, context(Action::AccessKeyRegenerated, &of.1)).await.unwrap();
    };
    replace(&old, 100).await;
    replace(&staged, 1_000).await;
    let next = altered!(secret(3, SecretState::Staged), created_at: at(200));
    let stage = Change::Stage { key: reference(&staged.1), secret: next };
    store.change(stage, context(Action::AccessKeyStaged, &staged.1)).await.unwrap();
    // A test key's uses do not count.
    let used_at = match store.usage_log() {
        Some(log) => {
            log.add_uses(&[(next.locator, 1)], at(3_000)).await.unwrap();
            log.add_uses(&[(test.1.locator, 1)], at(4_000)).await.unwrap();
            Some(at(3_000))
        }
        None => None,
    };

    let overviews = store.key_overviews(&[staged.0.id, closed, old.0.id]).await.unwrap();
    let with = |of, current, staged, test_keys| altered!(KeyOverview::new(of), current_since: current, staged_since: staged, test_keys: test_keys);
    assert_eq!(
        overviews,
        [
            altered!(with(staged.0.id, Some(at(1_000)), Some(at(200)), 0), last_used_at: used_at),
            with(closed, None, None, 0),
            with(old.0.id, Some(at(100)), None, 1)
        ]
    );
    assert_eq!(store.key_overviews(&[]).await.unwrap(), []);
}

pub(super) async fn a_refused_change_leaves_nothing_behind(store: Keys) {
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
    let taken = |state, generation| altered!(secret(generation, state), locator: first.locator);
    let before = store.everything().await;
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
        (
            "created for no organization",
            Change::Create { key: homeless.clone(), secret: secret(1, SecretState::Current) },
        ),
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
                allow_duplicate_name: true,
            },
        ),
    ] {
        let refused = store.change(change, context(Action::AccessKeyCreated, &key)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_) | StoreError::NotFound)), "{case}: {refused:?}");
        assert_eq!(store.everything().await, before, "{case}");
    }
}

pub(super) async fn an_idempotency_key_works_once_per_actor_and_day(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let attempt = async |actor: &str, key_text: &str, at: Timestamp| {
        let key = access_key(organization.id, Environment::Test);
        let mut context = context(Action::AccessKeyCreated, &key);
        context.idempotency_key = Some(key_text.parse().unwrap());
        context.events = altered!(context.events.first().clone(), actor: name(actor), time: at).into();
        let change = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
        store.change(change, context).await.map(|_| key.id.to_string())
    };
    let day_one = Timestamp::from_millis(1_000);
    let made = attempt("ada", "once", day_one).await.unwrap();
    let before = store.everything().await;
    match attempt("ada", "once", day_one).await {
        Err(StoreError::AlreadyDone { subject, .. }) => assert_eq!(subject, made),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.everything().await, before);
    attempt("ada", "another", day_one).await.unwrap();
    attempt("grace", "once", day_one).await.unwrap();
    attempt("ada", "once", day_one + IDEMPOTENCY_WINDOW).await.unwrap();
}

pub(super) async fn an_operation_is_remembered_by_its_key_and_by_its_subject(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let key = access_key(organization.id, Environment::Test);
    let first = secret(1, SecretState::Current);
    let (once, request) = ("once".parse().unwrap(), RequestHash::of(["create", "ci"]));
    let create = Change::Create { key: key.clone(), secret: first };
    let asked = ChangeContext { idempotency_key: Some(once), request, ..context(Action::AccessKeyCreated, &key) };
    let (once, actor) = ("once".parse().unwrap(), asked.events.first().actor.clone());
    assert_eq!(store.operation(&actor, &once).await.unwrap().proved_of_any_store().unwrap().1, None);
    let made = store.change(create.clone(), asked.clone()).await.unwrap();
    let known = store.operation(&actor, &once).await.unwrap().proved_of_any_store().unwrap().1.unwrap();
    assert_eq!((known.subject, known.request, known.revision), (key.id.to_string(), Some(request), made.revision));
    assert_eq!(store.operation(&name("grace"), &once).await.unwrap().proved_of_any_store().unwrap().1, None);
    // The same request is already done, and a different request is an error. Neither changes anything.
    let before = store.everything().await;
    let repeat = ChangeContext { operation: operation(), ..asked };
    match store.change(create.clone(), repeat.clone()).await {
        Err(StoreError::AlreadyDone { revision, .. }) => assert_eq!(revision, made.revision),
        other => panic!("{other:?}"),
    }
    let another = ChangeContext { request: RequestHash::of(["create", "cd"]), ..repeat };
    assert!(matches!(store.change(create, another).await, Err(StoreError::IdempotencyKeyReused)));
    assert_eq!(store.everything().await, before);

    let newest = store.last_change_of(&key.id.to_string()).await.unwrap().proved_of_any_store().unwrap().1;
    assert!(newest >= Some(made.revision), "an answer about the key waits for this change, or for a later one");
}

pub(super) async fn the_newest_change_of_a_record_is_known(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let key = access_key(organization.id, Environment::Test);
    let first = secret(1, SecretState::Current);
    let mut asked = context(Action::AccessKeyCreated, &key);
    asked.idempotency_key = Some("once".parse().unwrap());
    let made = store.change(Change::Create { key: key.clone(), secret: first }, asked).await.unwrap();
    // The last change of a key can be read by its id, even after the key is gone, for as long as a lease can last.
    let newest = async |subject: &str| store.last_change_of(subject).await.unwrap().proved_of_any_store().unwrap().1;
    let subject = key.id.to_string();
    assert_eq!(newest(&subject).await, Some(made.revision));
    let delete = Change::Delete { key: reference(&key), retired: vec![first.locator] };
    let deleted = store.change(delete, context(Action::AccessKeyDeleted, &key)).await.unwrap();
    assert_eq!(newest(&subject).await, Some(deleted.revision));
    assert_eq!(newest("key_of_nobody").await, None);
    let later = access_key(organization.id, Environment::Test);
    let mut much_later = context(Action::AccessKeyCreated, &later);
    let time = much_later.events.first().time + OPERATION_WINDOW;
    much_later.events = altered!(much_later.events.first().clone(), time: time).into();
    store.change(Change::Create { key: later, secret: secret(1, SecretState::Current) }, much_later).await.unwrap();
    // The creation had an idempotency key, and is remembered for longer than the deletion.
    assert_eq!(newest(&subject).await, Some(made.revision));
}

pub(super) async fn a_change_for_another_store_or_prefix_is_refused(store: Keys) {
    let identity = async || store.identity().await.unwrap().proved_of_any_store().unwrap().1;
    assert_eq!(identity().await.prefix, None);
    let acme: KeyPrefix = "acme".parse().unwrap();
    store.claim_prefix(&acme).await.unwrap();
    // A store with a prefix keeps it.
    store.claim_prefix(&KeyPrefix::default()).await.unwrap();
    assert_eq!(identity().await.prefix, Some(acme.clone()));
    let id = OrganizationId::new(seed());
    let organization = Organization::new(id, name("Acme"), Timestamp::from_millis(1));
    let key = access_key(id, Environment::Production);
    let provision = Change::Provision {
        organization,
        key: key.clone(),
        secret: secret(1, SecretState::Current),
        only_if_empty: false,
        allow_duplicate_name: true,
    };
    let before = store.everything().await;
    match store.change(provision.clone(), context(Action::OrganizationCreated, &key)).await {
        Err(StoreError::OtherPrefix { store }) => assert_eq!(store, acme),
        other => panic!("{other:?}"),
    }
    let right = ChangeContext { prefix: acme, ..context(Action::OrganizationCreated, &key) };
    let elsewhere = StoreId::from_bytes([9; 16]);
    let found = identity().await.id;
    match store.change(provision.clone(), ChangeContext { store: Some(elsewhere), ..right.clone() }).await {
        Err(StoreError::Doubtful(doubt)) => assert_eq!(doubt, Doubt::OtherStore { expected: elsewhere, found }),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.everything().await, before);
    let made = store.change(provision, ChangeContext { store: Some(found), ..right }).await.unwrap();
    assert_eq!(made.store, found);
}

pub(super) async fn only_an_empty_store_is_provisioned_on_first_start(store: Keys) {
    let first_start = async || {
        let organization = Organization::new(OrganizationId::new(seed()), name("default"), Timestamp::from_millis(1));
        let key = access_key(organization.id, Environment::Production);
        let context = context(Action::OrganizationCreated, &key);
        let secret = secret(1, SecretState::Current);
        store
            .change(
                Change::Provision { organization, key, secret, only_if_empty: true, allow_duplicate_name: true },
                context,
            )
            .await
    };
    first_start().await.unwrap();
    assert_eq!(conflict(first_start().await), Conflict::NotEmpty);
    assert_eq!(store.organizations(Page::first(10)).await.unwrap().len(), 1);
}

pub(super) async fn lists_come_in_pages(store: Keys) {
    for _ in 0..5 {
        provision(&*store).await;
    }
    let all = store.organizations(Page::first(10)).await.unwrap();
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let (first, rest) = all.split_at(2);
    assert_eq!(store.organizations(Page::first(2)).await.unwrap(), first);
    assert_eq!(store.organizations(Page { after: Some(first[1].id), limit: 10 }).await.unwrap(), rest);
}

pub(super) async fn events_come_in_pages(store: Arc<dyn Store>) {
    let (Organization { id: organization, .. }, ..) = provision(&*store).await;
    for _ in 0..4 {
        create(&*store, organization).await;
    }
    let events = log(&*store, organization, Environment::Test).await;
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let scope = Scope::assertion(organization, Environment::Test);
    let page = store.events(&scope, &EventFilter::default(), Page { after: Some(3), limit: 1 }).await.unwrap();
    assert_eq!(page, events[2..3]);
}

pub(super) async fn an_imported_secret_is_marked_and_never_imported_again(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let key = access_key(organization.id, Environment::Test);
    let imported = altered!(secret(1, SecretState::Current), imported: Some(ImportFormat::Sha512));
    let import = |key: &AccessKey| Change::Create { key: key.clone(), secret: imported };
    store.change(import(&key), context(Action::AccessKeyImported, &key)).await.unwrap();
    let marks = |found: &AccessKeyWithSecrets| found.secrets.iter().map(|secret| secret.imported).collect::<Vec<_>>();
    let listed: Vec<_> = store.access_keys(organization.id).await.unwrap().iter().flat_map(marks).collect();
    assert_eq!(listed, [None, Some(ImportFormat::Sha512)]);
    assert_eq!(active_secret(&*store, imported.locator).await.unwrap().secret, imported);
    let all = store.active_secrets(None, 10).await.unwrap().proved_of_any_store().unwrap().1;
    assert!(all.iter().any(|live| live.secret == imported));

    let delete = Change::Delete { key: reference(&key), retired: vec![imported.locator] };
    let again = access_key(organization.id, Environment::Test);
    for revoked in [false, true] {
        let before = store.everything().await;
        let refused = store.change(import(&again), context(Action::AccessKeyImported, &again)).await;
        assert_eq!(conflict(refused), Conflict::Duplicate, "revoked: {revoked}");
        assert_eq!(store.everything().await, before);
        if !revoked {
            store.change(delete.clone(), context(Action::AccessKeyDeleted, &key)).await.unwrap();
        }
    }
}
