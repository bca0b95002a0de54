//! Operators' passkeys, and the challenges that they answer.

use std::sync::Arc;

use doorward_audit::Action;
use doorward_key::Digest;
use doorward_records::Store;
use doorward_store::{Conflict, Operator, Passkey, StoreError};
use doorward_types::{Environment, OrganizationId, Timestamp, altered};

use crate::fixtures::{conflict, log, name, telling};
use crate::tables::{about, operator};

fn passkey(id: &str, of: &Operator, created_at: i64) -> Passkey {
    Passkey::new(id.to_owned(), of.id, name("laptop"), vec![0, 255, 7], Timestamp::from_millis(created_at))
}

pub(super) async fn a_passkey_belongs_to_one_operator_and_ends_with_it(store: Arc<dyn Store>) {
    let passkeys = store.passkeys().unwrap();
    let (ada, grace) = (operator("ada"), operator("grace"));
    let orphan = passkeys.add_passkey(passkey("b", &ada, 1), telling()).await;
    assert!(matches!(orphan, Err(StoreError::NotFound)), "{orphan:?}");
    for operator in [&ada, &grace] {
        store.add_operator(operator.clone(), about(Action::OperatorCreated, operator)).await.unwrap();
    }
    let (first, second, other) = (passkey("b", &ada, 1), passkey("a", &ada, 2), passkey("c", &grace, 1));
    for added in [&first, &second, &other] {
        passkeys.add_passkey(added.clone(), about(Action::OperatorPasskeyAdded, &ada)).await.unwrap();
    }
    let again = passkeys.add_passkey(passkey("b", &grace, 3), telling()).await;
    assert_eq!(conflict(again), Conflict::Duplicate);
    assert_eq!(passkeys.passkeys_of(ada.id).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(passkeys.passkey("b").await.unwrap(), Some((first, ada.clone())));
    assert_eq!(passkeys.passkey("d").await.unwrap(), None);

    let removing = || about(Action::OperatorPasskeyRemoved, &ada);
    assert!(!passkeys.remove_passkey(grace.id, "b", removing()).await.unwrap(), "it is another operator's");
    assert!(passkeys.remove_passkey(ada.id, "b", removing()).await.unwrap());
    assert!(!passkeys.remove_passkey(ada.id, "b", removing()).await.unwrap());
    assert_eq!(passkeys.passkeys_of(ada.id).await.unwrap(), [second]);
    store.remove_operator(ada.id, about(Action::OperatorDeleted, &ada)).await.unwrap();
    assert_eq!(passkeys.passkey("a").await.unwrap(), None);
    assert_eq!(passkeys.passkeys_of(ada.id).await.unwrap(), []);
    assert_eq!(passkeys.passkey("c").await.unwrap(), Some((other, grace)));

    let installation = log(&*store, OrganizationId::INSTALLATION, Environment::Production).await;
    let count = |action| installation.iter().filter(|event| event.draft.action == action).count();
    assert_eq!((count(Action::OperatorPasskeyAdded), count(Action::OperatorPasskeyRemoved)), (3, 1));
}

pub(super) async fn a_passkey_is_used_as_it_was_seen(store: Arc<dyn Store>) {
    let passkeys = store.passkeys().unwrap();
    let (ada, at) = (operator("ada"), Timestamp::from_millis);
    store.add_operator(ada.clone(), about(Action::OperatorCreated, &ada)).await.unwrap();
    let seen = passkey("a", &ada, 1);
    passkeys.add_passkey(seen.clone(), telling()).await.unwrap();
    assert!(passkeys.use_passkey(&seen, vec![1], at(5)).await.unwrap());
    let used = altered!(seen.clone(), credential: vec![1], last_used_at: Some(at(5)));
    assert_eq!(passkeys.passkeys_of(ada.id).await.unwrap(), std::slice::from_ref(&used));
    assert!(!passkeys.use_passkey(&seen, vec![2], at(6)).await.unwrap(), "it was used meanwhile");
    assert_eq!(passkeys.passkey("a").await.unwrap(), Some((used.clone(), ada.clone())));
    assert!(passkeys.use_passkey(&used, vec![1], at(7)).await.unwrap(), "a passkey without a counter stays as it is");
    passkeys.remove_passkey(ada.id, "a", telling()).await.unwrap();
    assert!(!passkeys.use_passkey(&used, vec![3], at(8)).await.unwrap());
}

pub(super) async fn a_challenge_is_answered_once(store: Arc<dyn Store>) {
    let passkeys = store.passkeys().unwrap();
    let (digest, at) = (|byte: u8| Digest::from_bytes([byte; 32]), Timestamp::from_millis);
    let spend = async |byte, now, until| passkeys.spend_challenge(digest(byte), at(now), at(until)).await.unwrap();
    assert!(spend(1, 0, 100).await);
    assert!(spend(2, 0, 100).await);
    assert!(!spend(1, 0, 100).await);
    assert!(!spend(1, 99, 500).await);
    // The record goes at its end: nobody can answer the challenge after that.
    assert!(spend(1, 100, 200).await);
    assert!(!spend(1, 100, 200).await);
}
