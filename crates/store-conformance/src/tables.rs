//! Operators, and data of one environment.

use std::sync::Arc;
use std::time::Duration;

use doorward_audit::{Action, EventDraft};
use doorward_key::Digest;
use doorward_records::{
    Connector, Credential, CredentialKey, Record, RegisteredUser, Sealed, Store, TOOL_CALL_PURGE_BATCH,
    TOOL_CALL_RETENTION, Table, ToolCall, ToolOutcome,
};
use doorward_store::{
    Conflict, Operator, Page, ProviderAccess, ProviderIdentity, Scope, SignIn, SignInKind, StoreError,
};
use doorward_types::{
    AccessKeyId, Environment, OperatorId, OrganizationId, RegisteredUserId, Timestamp, ToolCallId, altered,
};

use crate::fixtures::{conflict, event, locator, log, name, provision, seed, telling};

pub(super) fn operator(text: &str) -> Operator {
    Operator::new(
        OperatorId::new(seed()),
        name(text),
        locator(),
        Digest::from_bytes([9; 32]),
        Timestamp::from_millis(2),
        ProviderAccess::Local,
    )
}

/// An event of the installation's log.
pub(super) fn about(action: Action, operator: &Operator) -> EventDraft {
    event(action, OrganizationId::INSTALLATION, Environment::Production, &operator.id.to_string())
}

pub(super) async fn operators_are_added_and_removed_with_their_events(store: Arc<dyn Store>) {
    let installation = OrganizationId::INSTALLATION;
    let (ada, second_ada, grace) = (operator("ada"), operator("ada"), operator("grace"));
    store.add_operator(ada.clone(), about(Action::OperatorCreated, &ada)).await.unwrap();
    let refused = store.add_operator(second_ada.clone(), about(Action::OperatorCreated, &second_ada)).await;
    assert_eq!(conflict(refused), Conflict::Duplicate);
    store.add_operator(grace.clone(), about(Action::OperatorCreated, &grace)).await.unwrap();
    assert_eq!(store.operators().await.unwrap(), [ada.clone(), grace.clone()]);
    assert_eq!(store.operator_by_locator(ada.locator).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.operator_by_locator(locator()).await.unwrap(), None);

    store.remove_operator(ada.id, about(Action::OperatorDeleted, &ada)).await.unwrap();
    let again = store.remove_operator(ada.id, about(Action::OperatorDeleted, &ada)).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    assert_eq!(store.operators().await.unwrap(), [grace]);
    assert_eq!(log(&*store, installation, Environment::Production).await.len(), 3);
}

pub(super) async fn an_operator_is_bound_to_one_identity_for_good(store: Arc<dyn Store>) {
    let operator = |text, provider| altered!(operator(text), provider: provider);
    let identity = |issuer: &str, subject: &str| ProviderIdentity::new(issuer.into(), subject.into());
    let (first, second) = (identity("https://id.example", "1"), identity("https://id.example", "2"));
    let admin = operator("admin", ProviderAccess::Local);
    let (ada, grace) = (operator("ada", ProviderAccess::Expected), operator("grace", ProviderAccess::Expected));
    let carol = operator("carol", ProviderAccess::Bound(identity("https://other.example", "1")));
    for operator in [&admin, &ada, &grace, &carol] {
        store.add_operator(operator.clone(), about(Action::OperatorCreated, operator)).await.unwrap();
    }
    let all = [&admin, &ada, &grace, &carol].map(Clone::clone);
    assert_eq!(store.operators().await.unwrap(), all);
    assert_eq!(store.operator_by_identity(&first).await.unwrap(), None);
    let found = store.operator_by_identity(&identity("https://other.example", "1")).await.unwrap();
    assert_eq!(found, Some(carol.clone()));
    let refused = store.bind_operator(admin.id, &first, telling()).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let refused = store.bind_operator(OperatorId::new(seed()), &first, telling()).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");

    store.bind_operator(ada.id, &first, telling()).await.unwrap();
    for again in [&first, &second] {
        let refused = store.bind_operator(ada.id, again, telling()).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(conflict(store.bind_operator(grace.id, &first, telling()).await), Conflict::Duplicate);
    let bound = altered!(ada, provider: ProviderAccess::Bound(first.clone()));
    assert_eq!(store.operator_by_identity(&first).await.unwrap(), Some(bound.clone()));
    store.bind_operator(grace.id, &second, telling()).await.unwrap();
    let events = log(&*store, OrganizationId::INSTALLATION, Environment::Production).await;
    let bound_events = events.iter().filter(|event| event.draft.subject == telling().subject).count();
    assert_eq!(bound_events, 2, "a change without effect wrote an event");
    store.remove_operator(bound.id, about(Action::OperatorDeleted, &bound)).await.unwrap();
    assert_eq!(store.operator_by_identity(&first).await.unwrap(), None);
}

pub(super) fn user(text: &str) -> RegisteredUser {
    RegisteredUser::new(RegisteredUserId::new(seed()), name(text), Some(name("Ada")), Timestamp::from_millis(6))
}

pub(super) fn credential(user: &RegisteredUser, connector: &str) -> Credential {
    Credential::new(
        user.id,
        connector.parse().unwrap(),
        Sealed::from_bytes(vec![1, 2, 3]),
        Timestamp::from_millis(7),
        Timestamp::from_millis(7),
    )
}

/// Returns whether every operation of a table treats this record as nonexistent.
async fn is_absent<R: Record + PartialEq + std::fmt::Debug>(table: &dyn Table<R>, scope: &Scope, record: &R) {
    assert_eq!(table.get(scope, &record.key()).await.unwrap(), None, "{scope:?}");
    assert!(!table.delete(scope, &record.key(), telling()).await.unwrap(), "{scope:?}");
    assert_eq!(table.list(scope, Page::first(100)).await.unwrap(), [], "{scope:?}");
}

pub(super) async fn no_operation_reaches_another_scope(store: Arc<dyn Store>) {
    let (mine, ..) = provision(&*store).await;
    let (theirs, ..) = provision(&*store).await;
    let scopes = [mine.id, theirs.id].map(|id| Environment::ALL.map(|env| Scope::assertion(id, env)));
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let connectors: &dyn Table<Connector> = &*store;
    for own in scopes.as_flattened() {
        let ada = user("ada");
        let (now, sealed) = (Timestamp::from_millis(7), Sealed::from_bytes(vec![1]));
        let github = Connector::new("github".parse().unwrap(), sealed, now, now);
        connectors.insert(own, github.clone()).await.unwrap();
        assert_eq!(conflict(connectors.insert(own, github.clone()).await), Conflict::Duplicate);
        let key = credential(&ada, "github");
        users.insert(own, ada.clone()).await.unwrap();
        credentials.insert(own, key.clone()).await.unwrap();
        for other in scopes.as_flattened().iter().filter(|other| *other != own) {
            is_absent(users, other, &ada).await;
            is_absent(credentials, other, &key).await;
            is_absent(connectors, other, &github).await;
            // A credential cannot belong to a user of another scope.
            for refused in
                [credentials.insert(other, key.clone()).await, credentials.put(other, key.clone(), telling()).await]
            {
                assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
            }
        }
        assert_eq!(users.get(own, &ada.id).await.unwrap(), Some(ada.clone()));
        assert_eq!(credentials.get(own, &key.key()).await.unwrap(), Some(key));
        assert!(users.delete(own, &ada.id, telling()).await.unwrap());
        let later = altered!(github.clone(), updated_at: Timestamp::from_millis(8));
        connectors.put(own, altered!(later.clone(), created_at: later.updated_at), telling()).await.unwrap();
        assert_eq!(connectors.get(own, &github.name).await.unwrap(), Some(later));
        assert!(connectors.delete(own, &github.name, telling()).await.unwrap());
    }
    // The same ids may exist in every scope, and stay separate.
    let twin = user("twin");
    for own in scopes.as_flattened() {
        users.insert(own, twin.clone()).await.unwrap();
    }
    assert!(users.delete(&scopes[0][0], &twin.id, telling()).await.unwrap());
    for own in &scopes.as_flattened()[1..] {
        assert_eq!(users.get(own, &twin.id).await.unwrap(), Some(twin.clone()));
    }
}

pub(super) async fn a_users_credentials_are_deleted_with_the_user(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let (ada, grace) = (user("ada"), user("grace"));
    for user in [&ada, &grace] {
        users.insert(&scope, user.clone()).await.unwrap();
        credentials.put(&scope, credential(user, "github"), telling()).await.unwrap();
    }
    let later = Timestamp::from_millis(99);
    let changed =
        altered!(credential(&ada, "github"), sealed: Sealed::from_bytes(vec![4]), created_at: later, updated_at: later);
    credentials.put(&scope, changed.clone(), telling()).await.unwrap();
    let kept = altered!(changed, created_at: Timestamp::from_millis(7));
    assert_eq!(credentials.get(&scope, &kept.key()).await.unwrap(), Some(kept.clone()));
    assert_eq!(conflict(credentials.insert(&scope, kept.clone()).await), Conflict::Duplicate);

    assert!(users.delete(&scope, &ada.id, telling()).await.unwrap());
    assert_eq!(credentials.get(&scope, &kept.key()).await.unwrap(), None);
    let other = CredentialKey { registered_user: grace.id, connector: kept.connector.clone() };
    assert!(credentials.get(&scope, &other).await.unwrap().is_some());
    assert!(credentials.delete(&scope, &other, telling()).await.unwrap());
    assert!(!credentials.delete(&scope, &other, telling()).await.unwrap());
    let orphan = credentials.put(&scope, kept, telling()).await;
    assert!(matches!(orphan, Err(StoreError::NotFound)), "{orphan:?}");
}

pub(super) async fn user_ids_are_unique_within_an_environment(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let users: &dyn Table<RegisteredUser> = &*store;
    let scopes = Environment::ALL.map(|environment| Scope::assertion(organization.id, environment));
    for scope in &scopes {
        users.insert(scope, user("ada")).await.unwrap();
        assert_eq!(conflict(users.insert(scope, user("ada")).await), Conflict::Duplicate);
        assert_eq!(conflict(users.put(scope, user("ada"), telling()).await), Conflict::Duplicate);
    }
    for _ in 0..3 {
        users.insert(&scopes[0], user(&seed().now.to_string())).await.unwrap();
    }
    let all = users.list(&scopes[0], Page::first(100)).await.unwrap();
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id) && all.len() == 4);
    let page = users.list(&scopes[0], Page { after: Some(all[1].id), limit: 1 }).await.unwrap();
    assert_eq!(page, all[2..3]);
    let renamed = altered!(all[0].clone(), origin_user_name: None);
    users.put(&scopes[0], renamed.clone(), telling()).await.unwrap();
    assert_eq!(users.get(&scopes[0], &renamed.id).await.unwrap(), Some(renamed));
}

pub(super) fn tool_call(user: Option<&RegisteredUser>, began_at: Timestamp) -> ToolCall {
    ToolCall {
        id: ToolCallId::new(altered!(seed(), now: began_at)),
        tool: name("create_issue"),
        connector: user.map(|_| "github".parse().unwrap()),
        registered_user: user.map(|user| user.id),
        access_key: AccessKeyId::new(seed()),
        began_at,
        ended_at: None,
        outcome: ToolOutcome::Unfinished,
    }
}

pub(super) async fn tool_calls_begin_and_end_in_their_own_scope(store: Arc<dyn Store>) {
    let (mine, ..) = provision(&*store).await;
    let (theirs, ..) = provision(&*store).await;
    let scopes = [mine.id, theirs.id].map(|id| Environment::ALL.map(|env| Scope::assertion(id, env)));
    let [own, others @ ..] = scopes.as_flattened() else { unreachable!() };
    let (ada, now) = (user("ada"), Timestamp::from_millis(1_700_000_000_000));
    let (first, second) = (tool_call(Some(&ada), now), tool_call(None, now + Duration::from_millis(1)));
    for call in [&first, &second] {
        store.begin_tool_call(own, call.clone()).await.unwrap();
        assert_eq!(conflict(store.begin_tool_call(own, call.clone()).await), Conflict::Duplicate);
    }
    let ended = ToolCall {
        registered_user: Some(ada.id),
        ended_at: Some(now + Duration::from_secs(1)),
        outcome: ToolOutcome::Succeeded,
        ..second
    };
    for other in others {
        assert_eq!(store.tool_calls(other, None, Page::first(9)).await.unwrap(), []);
        assert_eq!(store.tool_calls(other, Some(ada.id), Page::first(9)).await.unwrap(), []);
        let refused = store.end_tool_call(other, ended.clone()).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(store.tool_calls(own, Some(ada.id), Page::first(9)).await.unwrap(), std::slice::from_ref(&first));
    // Only the result of the call is stored.
    store.end_tool_call(own, ToolCall { tool: name("other"), ..ended.clone() }).await.unwrap();
    for whose in [None, Some(ada.id)] {
        assert_eq!(store.tool_calls(own, whose, Page::first(9)).await.unwrap(), [ended.clone(), first.clone()]);
        let next = Page { after: Some(ended.id), limit: 1 };
        assert_eq!(store.tool_calls(own, whose, next).await.unwrap(), std::slice::from_ref(&first));
    }
    let nobody = RegisteredUserId::new(seed());
    assert_eq!(store.tool_calls(own, Some(nobody), Page::first(9)).await.unwrap(), []);
}

pub(super) async fn old_tool_calls_are_deleted(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let [production, test] = Environment::ALL.map(|env| Scope::assertion(organization.id, env));
    let then = Timestamp::from_millis(1_700_000_000_000);
    for scope in [production, test] {
        for _ in 0..TOOL_CALL_PURGE_BATCH {
            store.begin_tool_call(&scope, tool_call(None, then)).await.unwrap();
        }
    }
    let begun = async |scope, at| {
        store.begin_tool_call(&scope, tool_call(None, at)).await.unwrap();
        store.tool_calls(&scope, None, Page::first(99)).await.unwrap().len()
    };
    let all = TOOL_CALL_PURGE_BATCH as usize;
    assert_eq!(begun(test, then + TOOL_CALL_RETENTION).await, all + 1);
    assert_eq!(begun(test, then + TOOL_CALL_RETENTION + Duration::from_millis(1)).await, 2);
    assert_eq!(store.tool_calls(&production, None, Page::first(99)).await.unwrap().len(), all);
}

pub(super) async fn operators_sign_in_once_by_a_link_and_sessions_expire(store: Arc<dyn Store>) {
    let (ada, grace) = (operator("ada"), operator("grace"));
    let at = Timestamp::from_millis;
    let sign_in = |token: u8, kind, operator: &Operator, expires_at| SignIn {
        token: Digest::from_bytes([token; 32]),
        kind,
        operator: operator.id,
        created_at: at(10),
        seen_at: at(10),
        expires_at: at(expires_at),
    };
    let link = sign_in(1, SignInKind::Link, &ada, 100);
    assert!(matches!(store.add_sign_in(link.clone(), None, telling()).await, Err(StoreError::NotFound)));
    for operator in [&ada, &grace] {
        store.add_operator(operator.clone(), about(Action::OperatorCreated, operator)).await.unwrap();
    }
    let session = sign_in(2, SignInKind::Session, &ada, 1_000);
    let other = sign_in(3, SignInKind::Session, &grace, 1_000);
    for added in [&link, &session, &other] {
        store.add_sign_in(added.clone(), None, telling()).await.unwrap();
    }
    let find = async |token: u8, now| store.sign_in(Digest::from_bytes([token; 32]), at(now)).await.unwrap();
    assert_eq!(find(1, 99).await, Some((link.clone(), ada.clone())));
    assert_eq!(find(1, 100).await, None);
    assert_eq!(find(9, 10).await, None);
    let spending = sign_in(6, SignInKind::Session, &ada, 1_000);
    assert!(store.add_sign_in(spending.clone(), Some(link.token), telling()).await.unwrap());
    assert_eq!(find(1, 99).await, None);
    assert_eq!(find(6, 99).await, Some((spending.clone(), ada.clone())));
    let second = sign_in(7, SignInKind::Session, &ada, 1_000);
    assert!(!store.add_sign_in(second, Some(link.token), telling()).await.unwrap(), "a link works once");
    assert_eq!(find(7, 99).await, None);
    assert!(store.consume_sign_in(spending.token, telling()).await.unwrap());
    assert!(!store.consume_sign_in(spending.token, telling()).await.unwrap());
    assert_eq!(find(6, 99).await, None);

    assert_eq!(store.sign_ins(at(99)).await.unwrap(), [session.clone(), other]);
    assert_eq!(store.sign_ins(at(1_000)).await.unwrap(), []);
    store.touch_sign_in(session.token, at(50)).await.unwrap();
    store.touch_sign_in(link.token, at(50)).await.unwrap();
    assert_eq!(find(2, 99).await, Some((SignIn { seen_at: at(50), ..session.clone() }, ada.clone())));
    // An expired session is removed when another is added.
    let late = SignIn { created_at: at(1_000), ..sign_in(4, SignInKind::Session, &ada, 2_000) };
    store.add_sign_in(late.clone(), None, telling()).await.unwrap();
    assert!(!store.consume_sign_in(session.token, telling()).await.unwrap());
    store.add_sign_in(sign_in(5, SignInKind::Session, &grace, 2_000), None, telling()).await.unwrap();
    assert_eq!(store.delete_sign_ins(grace.id, telling()).await.unwrap(), 1);
    assert_eq!(find(5, 99).await, None);
    // Sessions and links are removed with their operator.
    store.remove_operator(ada.id, about(Action::OperatorDeleted, &ada)).await.unwrap();
    assert_eq!(find(4, 99).await, None);
}

/// Every change of a record that controls access is in the log. A change without effect is not.
pub(super) async fn every_change_of_a_record_writes_an_event(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let (users, credentials, connectors): (&dyn Table<RegisteredUser>, &dyn Table<Credential>, &dyn Table<Connector>) =
        (&*store, &*store, &*store);
    let ada = user("ada");
    users.insert(&scope, ada.clone()).await.unwrap();
    let told = |action| event(action, organization.id, Environment::Test, "it");
    let (credential, connector) = (
        credential(&ada, "github"),
        Connector::new(
            "github".parse().unwrap(),
            Sealed::from_bytes(vec![1]),
            Timestamp::from_millis(7),
            Timestamp::from_millis(7),
        ),
    );
    for _ in 0..2 {
        connectors.put(&scope, connector.clone(), told(Action::ConnectorPut)).await.unwrap();
        credentials.put(&scope, credential.clone(), told(Action::CredentialPut)).await.unwrap();
    }
    for is_there in [true, false] {
        let removed = told(Action::CredentialRemoved);
        assert_eq!(credentials.delete(&scope, &credential.key(), removed).await.unwrap(), is_there);
        let removed = told(Action::ConnectorRemoved);
        assert_eq!(connectors.delete(&scope, &connector.key(), removed).await.unwrap(), is_there);
        let deleted = told(Action::RegisteredUserDeleted);
        assert_eq!(users.delete(&scope, &ada.id, deleted).await.unwrap(), is_there);
    }
    let refused = credentials.put(&scope, credential, told(Action::CredentialPut)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
    let events = log(&*store, organization.id, Environment::Test).await;
    let actions: Vec<_> = events.iter().rev().map(|event| event.draft.action).collect();
    let put = [Action::ConnectorPut, Action::CredentialPut];
    let gone = [Action::CredentialRemoved, Action::ConnectorRemoved, Action::RegisteredUserDeleted];
    assert_eq!(actions, [&put[..], &put, &gone].concat());
}
