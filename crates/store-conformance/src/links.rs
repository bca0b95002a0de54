use std::sync::Arc;

use doorward_key::Digest;
use doorward_records::{
    Credential, FoundLink, LINK_RETENTION, LinkSession, LinkStatus, Record, RegisteredUser, Revocation, Sealed, Store,
    Table,
};
use doorward_store::{Conflict, Page, Scope, StoreError};
use doorward_types::{Environment, LinkSessionId, RegisteredUserId, Timestamp, altered};

use crate::fixtures::{conflict, provision, seed, telling};
use crate::tables::{credential, user};

const ENOUGH: u32 = 100;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

pub(super) fn session(user: &RegisteredUser, number: u8) -> LinkSession {
    LinkSession {
        id: LinkSessionId::new(seed()),
        registered_user: user.id,
        connector: "github".parse().unwrap(),
        start: digest(number),
        state: digest(number + 100),
        plan: Sealed::from_bytes(vec![number]),
        status: LinkStatus::Begun,
        browser: None,
        confirmation: None,
        tokens: None,
        error: None,
        provider_error: None,
        expires_at: at(1_000),
    }
}

fn started(session: &LinkSession) -> LinkSession {
    LinkSession { status: LinkStatus::Started, browser: Some(digest(9)), ..session.clone() }
}

pub(super) fn pending(session: &LinkSession) -> LinkSession {
    LinkSession {
        status: LinkStatus::Pending,
        browser: Some(digest(9)),
        confirmation: Some(digest(8)),
        tokens: Some(Sealed::from_bytes(vec![7, 7])),
        expires_at: at(2_000),
        ..session.clone()
    }
}

/// Returns the queue without changing it: each taken entry is due again at once.
async fn revocations(store: &dyn Store) -> Vec<(Scope, String, String, Sealed)> {
    let taken = store.take_revocations(at(0), at(0), ENOUGH).await.unwrap();
    let shown = taken.into_iter().map(|found| {
        let scope = Scope::assertion(found.organization, found.environment);
        (scope, found.connector.to_string(), found.record, found.sealed)
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by(|one, other| (one.0, &one.2, one.3.as_bytes()).cmp(&(other.0, &other.2, other.3.as_bytes())));
    shown
}

/// Returns a scope with two users.
async fn world(store: &dyn Store) -> (Scope, RegisteredUser, RegisteredUser) {
    let (organization, ..) = provision(store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let users: &dyn Table<RegisteredUser> = store;
    let (ada, grace) = (user("ada"), user("grace"));
    for user in [&ada, &grace] {
        users.insert(&scope, user.clone()).await.unwrap();
    }
    (scope, ada, grace)
}

pub(super) async fn open(store: &dyn Store, scope: &Scope, session: &LinkSession) {
    store.open_link(scope, session.clone(), at(5)).await.unwrap();
}

/// Opens a session and moves it to pending.
pub(super) async fn open_pending(store: &dyn Store, scope: &Scope, session: &LinkSession) -> LinkSession {
    open(store, scope, session).await;
    let pending = pending(session);
    store.advance_link(scope, LinkStatus::Begun, pending.clone()).await.unwrap();
    pending
}

pub(super) async fn a_link_session_is_found_by_its_tokens_in_its_scope(store: Arc<dyn Store>) {
    let (scope, ada, _) = world(&*store).await;
    let elsewhere = Scope::assertion(scope.organization(), Environment::Production);
    let stranger = session(&user("stranger"), 1);
    let refused = store.open_link(&scope, stranger, at(5)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let first = session(&ada, 1);
    let refused = store.open_link(&elsewhere, first.clone(), at(5)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    open(&*store, &scope, &first).await;
    for twin in [
        LinkSession { id: first.id, ..session(&ada, 2) },
        LinkSession { start: first.start, ..session(&ada, 2) },
        LinkSession { state: first.state, ..session(&ada, 2) },
    ] {
        assert_eq!(conflict(store.open_link(&scope, twin, at(5)).await), Conflict::Duplicate);
    }
    let found =
        FoundLink { organization: scope.organization(), environment: scope.environment(), session: first.clone() };
    assert_eq!(store.link_by_start(first.start).await.unwrap(), Some(found.clone()));
    assert_eq!(store.link_by_state(first.state).await.unwrap(), Some(found));
    assert_eq!(store.link_by_start(first.state).await.unwrap(), None);
    assert_eq!(store.link_by_state(first.start).await.unwrap(), None);
    assert_eq!(store.link(&scope, first.id).await.unwrap(), Some(first.clone()));

    // In another environment, nothing can be read or changed.
    assert_eq!(store.link(&elsewhere, first.id).await.unwrap(), None);
    for refused in [
        store.advance_link(&elsewhere, LinkStatus::Begun, pending(&first)).await,
        store.complete_link(&elsewhere, first.id, credential(&ada, "github"), telling()).await,
    ] {
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(store.link(&scope, first.id).await.unwrap(), Some(first));
}

pub(super) async fn a_link_session_leaves_each_status_once(store: Arc<dyn Store>) {
    let (scope, ada, _) = world(&*store).await;
    let first = session(&ada, 1);
    open(&*store, &scope, &first).await;
    let all = (0..10).map(|_| store.advance_link(&scope, LinkStatus::Begun, started(&first)));
    let ended = futures_util::future::join_all(all).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    assert!(ended.into_iter().filter_map(Result::err).all(|refused| conflict::<()>(Err(refused)) == Conflict::Stale));
    // Only the session's progress changes.
    let other = LinkSession {
        status: LinkStatus::Failed,
        registered_user: RegisteredUserId::new(seed()),
        connector: "other".parse().unwrap(),
        start: digest(50),
        state: digest(51),
        plan: Sealed::from_bytes(vec![52]),
        error: Some("access_denied".into()),
        provider_error: Some("access_denied: no".into()),
        expires_at: at(1_500),
        ..started(&first)
    };
    store.advance_link(&scope, LinkStatus::Started, other.clone()).await.unwrap();
    let expected = LinkSession {
        status: LinkStatus::Failed,
        error: other.error,
        provider_error: other.provider_error,
        expires_at: at(1_500),
        ..started(&first)
    };
    assert_eq!(store.link(&scope, first.id).await.unwrap(), Some(expected));
    let again = store.advance_link(&scope, LinkStatus::Started, started(&first)).await;
    assert_eq!(conflict(again), Conflict::Stale);
}

pub(super) async fn a_link_becomes_a_credential_once(store: Arc<dyn Store>) {
    let (scope, ada, grace) = world(&*store).await;
    let credentials: &dyn Table<Credential> = &*store;
    let begun = session(&ada, 1);
    open(&*store, &scope, &begun).await;
    let linked = credential(&ada, "github");
    let early = store.complete_link(&scope, begun.id, linked.clone(), telling()).await;
    assert_eq!(conflict(early), Conflict::Stale);
    let pending = open_pending(&*store, &scope, &session(&ada, 2)).await;
    for other in [credential(&grace, "github"), credential(&ada, "gitlab")] {
        assert_eq!(conflict(store.complete_link(&scope, pending.id, other, telling()).await), Conflict::Stale);
    }
    assert_eq!(credentials.list(&scope, Page::first(ENOUGH)).await.unwrap(), []);
    assert_eq!(store.link(&scope, pending.id).await.unwrap(), Some(pending.clone()));

    let all = (0..10).map(|_| store.complete_link(&scope, pending.id, linked.clone(), telling()));
    let ended = futures_util::future::join_all(all).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    assert!(ended.into_iter().filter_map(Result::err).all(|refused| conflict::<()>(Err(refused)) == Conflict::Stale));
    assert_eq!(credentials.list(&scope, Page::first(ENOUGH)).await.unwrap(), std::slice::from_ref(&linked));
    let complete = LinkSession { status: LinkStatus::Complete, tokens: None, confirmation: None, ..pending.clone() };
    assert_eq!(store.link(&scope, pending.id).await.unwrap(), Some(complete));
    assert_eq!(revocations(&*store).await, []);

    // The next session replaces the first, which is revoked.
    let next = open_pending(&*store, &scope, &session(&ada, 3)).await;
    let relinked = altered!(linked.clone(), sealed: Sealed::from_bytes(vec![4, 4]));
    store.complete_link(&scope, next.id, relinked.clone(), telling()).await.unwrap();
    assert_eq!(credentials.get(&scope, &linked.key()).await.unwrap(), Some(relinked));
    let record = linked.key().to_string();
    assert_eq!(revocations(&*store).await, [(scope, "github".into(), record, linked.sealed)]);
}

pub(super) async fn unconfirmed_tokens_are_revoked(store: Arc<dyn Store>) {
    let (scope, ada, grace) = world(&*store).await;
    let users: &dyn Table<RegisteredUser> = &*store;
    let late = open_pending(&*store, &scope, &session(&ada, 1)).await;
    let begun = session(&ada, 2);
    open(&*store, &scope, &begun).await;
    let refused = open_pending(&*store, &scope, &session(&ada, 3)).await;
    let orphan = open_pending(&*store, &scope, &session(&grace, 4)).await;
    let revoked =
        |session: &LinkSession| (scope, "github".to_owned(), session.tokens_record(), session.tokens.clone().unwrap());
    assert_eq!(revocations(&*store).await, []);

    let failed = LinkSession {
        status: LinkStatus::Failed,
        tokens: None,
        confirmation: None,
        error: Some("other_user".into()),
        ..refused.clone()
    };
    store.advance_link(&scope, LinkStatus::Pending, failed.clone()).await.unwrap();
    assert_eq!(store.link(&scope, refused.id).await.unwrap(), Some(failed.clone()));
    assert!(users.delete(&scope, &grace.id, telling()).await.unwrap());
    assert_eq!(store.link(&scope, orphan.id).await.unwrap(), None);
    let mut expected = vec![revoked(&refused), revoked(&orphan)];
    expected.sort_by(|one, other| one.2.cmp(&other.2));
    assert_eq!(revocations(&*store).await, expected);

    // Each session expires at its own time.
    store.expire_links(at(999)).await.unwrap();
    assert_eq!(store.link(&scope, begun.id).await.unwrap(), Some(begun.clone()));
    store.expire_links(at(1_000)).await.unwrap();
    let expired = LinkSession { status: LinkStatus::Expired, ..begun.clone() };
    assert_eq!(store.link(&scope, begun.id).await.unwrap(), Some(expired));
    assert_eq!(store.link(&scope, late.id).await.unwrap(), Some(late.clone()));
    store.expire_links(at(2_000)).await.unwrap();
    let expired = LinkSession { status: LinkStatus::Expired, tokens: None, confirmation: None, ..late.clone() };
    assert_eq!(store.link(&scope, late.id).await.unwrap(), Some(expired));
    let too_late = store.complete_link(&scope, late.id, credential(&ada, "github"), telling()).await;
    assert_eq!(conflict(too_late), Conflict::Stale);
    expected.push(revoked(&late));
    expected.sort_by(|one, other| one.2.cmp(&other.2));
    assert_eq!(revocations(&*store).await, expected);
    // A failed session stays failed. All sessions are forgotten in the end, when the next one is opened.
    assert_eq!(store.link(&scope, refused.id).await.unwrap(), Some(failed));
    let next = LinkSession { expires_at: at(9_000_000), ..session(&ada, 5) };
    store.open_link(&scope, next.clone(), at(2_000) + LINK_RETENTION).await.unwrap();
    for gone in [&late, &begun, &refused] {
        assert_eq!(store.link(&scope, gone.id).await.unwrap(), None);
    }
    assert_eq!(store.link(&scope, next.id).await.unwrap(), Some(next));
    assert_eq!(revocations(&*store).await, expected);
}

pub(super) async fn a_removed_credential_is_revoked(store: Arc<dyn Store>) {
    let (scope, ada, grace) = world(&*store).await;
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let sealed = |byte| Sealed::from_bytes(vec![byte]);
    let of = |user: &RegisteredUser, connector, byte| altered!(credential(user, connector), sealed: sealed(byte));
    let revoked = |credential: &Credential| {
        (scope, credential.connector.to_string(), credential.key().to_string(), credential.sealed.clone())
    };
    let all = [of(&ada, "a", 1), of(&ada, "b", 2), of(&ada, "c", 3), of(&grace, "a", 4)];
    for one in &all {
        credentials.put(&scope, one.clone(), telling()).await.unwrap();
    }
    assert_eq!(revocations(&*store).await, []);
    assert!(credentials.delete(&scope, &all[0].key(), telling()).await.unwrap());
    assert!(!credentials.delete(&scope, &all[0].key(), telling()).await.unwrap());
    let replaced = of(&ada, "b", 22);
    credentials.put(&scope, replaced.clone(), telling()).await.unwrap();
    assert_eq!(revocations(&*store).await, [revoked(&all[0]), revoked(&all[1])]);
    assert!(users.delete(&scope, &ada.id, telling()).await.unwrap());
    let mut expected = vec![revoked(&all[0]), revoked(&all[1]), revoked(&replaced), revoked(&all[2])];
    expected.sort_by(|one, other| (&one.2, one.3.as_bytes()).cmp(&(&other.2, other.3.as_bytes())));
    assert_eq!(revocations(&*store).await, expected);
    assert_eq!(credentials.get(&scope, &all[3].key()).await.unwrap(), Some(all[3].clone()));
}

pub(super) async fn a_revocation_is_taken_by_one_at_a_time(store: Arc<dyn Store>) {
    let (scope, ada, _) = world(&*store).await;
    let credentials: &dyn Table<Credential> = &*store;
    for connector in ["a", "b", "c"] {
        credentials.put(&scope, credential(&ada, connector), telling()).await.unwrap();
        assert!(credentials.delete(&scope, &credential(&ada, connector).key(), telling()).await.unwrap());
    }
    let (now, next) = (at(100), at(200));
    let mut first = store.take_revocations(now, next, 2).await.unwrap();
    assert_eq!(first.iter().map(|taken| taken.attempts).collect::<Vec<_>>(), [1, 1]);
    first.extend(store.take_revocations(now, next, 2).await.unwrap());
    let mut connectors: Vec<_> = first.iter().map(|taken| taken.connector.to_string()).collect();
    connectors.sort();
    assert_eq!(connectors, ["a", "b", "c"]);
    assert_eq!(store.take_revocations(at(199), next, ENOUGH).await.unwrap(), []);

    store.end_revocation(&first[0]).await.unwrap();
    let ended = store.end_revocation(&first[0]).await;
    assert!(matches!(ended, Err(StoreError::NotFound)), "{ended:?}");
    store.postpone_revocation(&first[1], at(300)).await.unwrap();
    let again = store.take_revocations(at(200), at(900), ENOUGH).await.unwrap();
    assert_eq!(again, [Revocation { attempts: 2, ..first[2].clone() }]);
    let again = store.take_revocations(at(300), at(900), ENOUGH).await.unwrap();
    assert_eq!(again, [Revocation { attempts: 2, ..first[1].clone() }]);
    let gone = store.postpone_revocation(&first[0], at(300)).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
}
