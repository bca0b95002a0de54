use std::sync::Arc;

use doorward_audit::Action;
use doorward_records::{
    Connector, ConnectorName, Credential, LinkSession, LinkStatus, RegisteredUser, Sealed, SealedKind, SealedValue,
    Store, Table,
};
use doorward_store::{Scope, SealingKeyId, StoreError};
use doorward_types::{Environment, OrganizationId, Timestamp, altered};

use crate::fixtures::{event, log, provision, seed, telling};
use crate::links::{open, pending, session};
use crate::tables::{credential, user};

async fn named(store: &dyn Store) -> Option<SealingKeyId> {
    store.identity().await.unwrap().proved_of_any_store().unwrap().1.sealing_key
}

pub(super) async fn values_are_written_only_under_the_stores_sealing_key(store: Arc<dyn Store>) {
    let [old, new] = [1, 2].map(|byte| SealingKeyId::from_bytes([byte; 8]));
    let sealed = |byte: u8| Sealed::from_bytes([&b"dwS1"[..], &[byte; 8], &[7; 40]].concat());
    let (organization, ..) = provision(&*store).await;
    let scope = Scope::assertion(organization.id, Environment::Test);
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let connectors: &dyn Table<Connector> = &*store;
    let (ada, now) = (user("ada"), Timestamp::from_millis(7));
    users.insert(&scope, ada.clone()).await.unwrap();
    let connector = |name: &str, byte| Connector::new(name.parse().unwrap(), sealed(byte), now, now);
    let credential = |name: &str, byte| altered!(credential(&ada, name), sealed: sealed(byte));
    let kept = |of: &LinkSession, byte| LinkSession { tokens: Some(sealed(byte)), ..pending(of) };
    let [begun, entrusted, later] = [1, 2, 3].map(|number| LinkSession { plan: sealed(1), ..session(&ada, number) });
    assert!(store.name_sealing_key(None, old, None).await.unwrap());
    open(&*store, &scope, &begun).await;
    open(&*store, &scope, &entrusted).await;
    store.advance_link(&scope, LinkStatus::Begun, kept(&entrusted, 1)).await.unwrap();
    assert!(store.name_sealing_key(Some(old), new, None).await.unwrap());
    let each = async |byte| {
        let link = credential(entrusted.connector.as_str(), byte);
        [
            connectors.insert(&scope, connector("slack", byte)).await,
            connectors.put(&scope, connector("slack", byte), telling()).await,
            credentials.insert(&scope, credential("slack", byte)).await,
            credentials.put(&scope, credential("slack", byte), telling()).await,
            store.open_link(&scope, LinkSession { plan: sealed(byte), ..later.clone() }, now).await,
            store.advance_link(&scope, LinkStatus::Begun, kept(&begun, byte)).await,
            store.complete_link(&scope, entrusted.id, link, telling()).await,
        ]
    };
    for refused in each(1).await {
        assert!(matches!(refused, Err(StoreError::OtherSealingKey)), "{refused:?}");
    }
    // A session continues with the tokens that it has.
    store.advance_link(&scope, LinkStatus::Pending, kept(&entrusted, 1)).await.unwrap();
    for written in each(2).await {
        written.unwrap();
    }
}

/// Returns every value of a kind, read one by one.
async fn values(store: &dyn Store, kind: SealedKind) -> Vec<SealedValue> {
    let mut all: Vec<SealedValue> = Vec::new();
    loop {
        let page = store.sealed_values(kind, all.last(), 1).await.unwrap();
        assert!(page.len() <= 1);
        match page.into_iter().next() {
            Some(value) => all.push(value),
            None => return all,
        }
    }
}

pub(super) async fn a_sealing_key_is_named_by_one_at_a_time(store: Arc<dyn Store>) {
    let [first, second] = [1, 2].map(|byte| SealingKeyId::from_bytes([byte; 8]));
    let nil = (OrganizationId::INSTALLATION, Environment::Production);
    let told = || event(Action::SealingKeyRotated, nil.0, nil.1, "the key");
    assert_eq!(named(&*store).await, None);
    assert!(!store.name_sealing_key(Some(first), second, Some(told())).await.unwrap());
    assert!(store.name_sealing_key(None, first, None).await.unwrap());
    assert!(!store.name_sealing_key(None, second, Some(told())).await.unwrap());
    assert_eq!(named(&*store).await, Some(first));
    assert_eq!(log(&*store, nil.0, nil.1).await.len(), 0);
    assert!(store.name_sealing_key(Some(first), second, Some(told())).await.unwrap());
    assert_eq!(named(&*store).await, Some(second));
    let events = log(&*store, nil.0, nil.1).await;
    assert_eq!(events.iter().map(|event| event.draft.action).collect::<Vec<_>>(), [Action::SealingKeyRotated]);
}

pub(super) async fn every_sealed_value_is_found_and_replaced_as_it_was_read(store: Arc<dyn Store>) {
    let (organization, ..) = provision(&*store).await;
    let (elsewhere, ..) = provision(&*store).await;
    let scopes = [
        Scope::assertion(organization.id, Environment::Production),
        Scope::assertion(organization.id, Environment::Test),
        Scope::assertion(elsewhere.id, Environment::Test),
    ];
    let users: &dyn Table<RegisteredUser> = &*store;
    let credentials: &dyn Table<Credential> = &*store;
    let connectors: &dyn Table<Connector> = &*store;
    let now = Timestamp::from_millis(7);
    let mut records: Vec<(SealedKind, String)> = Vec::new();
    for (scope, number) in scopes.iter().zip(1..) {
        let ada = user("ada");
        users.insert(scope, ada.clone()).await.unwrap();
        for connector in ["github", "slack"] {
            // The first of two credentials becomes a revocation.
            for _ in 0..2 {
                credentials.put(scope, credential(&ada, connector), telling()).await.unwrap();
            }
            let record = format!("{}/{connector}", ada.id);
            records.extend([SealedKind::Credential, SealedKind::Revocation].map(|kind| (kind, record.clone())));
            let name: ConnectorName = connector.parse().unwrap();
            let sealed = Sealed::from_bytes(vec![1]);
            records.push((SealedKind::Connector, Connector::record(&name)));
            connectors.put(scope, Connector::new(name, sealed, now, now), telling()).await.unwrap();
        }
        for (number, has_tokens) in [(2 * number, true), (2 * number + 1, false)] {
            let session = session(&ada, number);
            open(&*store, scope, &session).await;
            records.push((
                SealedKind::LinkPlan,
                LinkSession::plan_record(session.id, session.registered_user, &session.connector),
            ));
            if has_tokens {
                store.advance_link(scope, LinkStatus::Begun, pending(&session)).await.unwrap();
                records.push((SealedKind::LinkTokens, session.tokens_record()));
            }
        }
    }
    for kind in SealedKind::ALL {
        let found = values(&*store, kind).await;
        assert_eq!(store.count_sealed(kind).await.unwrap(), found.len() as u64, "{kind:?}");
        let mut told: Vec<_> = found.iter().map(|value| value.record.clone()).collect();
        let mut wanted: Vec<_> = records.iter().filter(|of| of.0 == kind).map(|of| of.1.clone()).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted, "{kind:?}");
        for scope in &scopes {
            let place = (scope.organization(), scope.environment());
            assert!(found.iter().any(|value| (value.organization, value.environment) == place), "{kind:?}");
        }

        let replaced = |value: &SealedValue| (value.clone(), Sealed::from_bytes(vec![9, 9]));
        let [first, second] = [&found[0], &found[1]].map(replaced);
        let stale = SealedValue { sealed: Sealed::from_bytes(vec![3, 2, 1]), ..second.0.clone() };
        let gone = SealedValue { organization: OrganizationId::new(seed()), ..second.0.clone() };
        let tried = [first.clone(), (stale, second.1.clone()), (gone, second.1.clone())];
        assert_eq!(store.replace_sealed(tried.into()).await.unwrap(), 1, "{kind:?}");
        // The same replacement again finds another value.
        assert_eq!(store.replace_sealed(vec![first.clone()]).await.unwrap(), 0, "{kind:?}");
        let mut wanted = found;
        wanted[0].sealed = first.1;
        assert_eq!(values(&*store, kind).await, wanted, "{kind:?}");
    }
}
