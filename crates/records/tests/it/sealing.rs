//! Values are sealed again with the newest key, by a rotation or by a writer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests stand in for the core, which mints scopes")]

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_key::SystemRandom;
use doorward_records::{
    Connector, Resealed, SealStep, Sealed, SealedKind, Sealing, SealingError, SealingKey, SealingKeys, Table,
    is_half_sealed, opens_any, reseal, write_sealed,
};
use doorward_store::{Scope, StoreError};
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, OrganizationId, Timestamp};

/// The number of values that are sealed again at a time.
const PAGE: u32 = 200;

async fn put(store: &MemoryStore, scope: &Scope, name: &str, sealed: Sealed) {
    try_put(store, scope, name, sealed).await.unwrap();
}

async fn try_put(store: &MemoryStore, scope: &Scope, name: &str, sealed: Sealed) -> Result<(), StoreError> {
    let (now, name) = (Timestamp::from_millis(1), name.parse().unwrap());
    let (by, log) = (Attribution::local("ada".parse().unwrap()), (scope.organization(), scope.environment()));
    let event = EventDraft::new(&by, now, Action::ConnectorPut, String::new(), log);
    store.put(scope, Connector::new(name, sealed, now, now), event).await
}

#[tokio::test]
async fn a_writer_seals_again_if_the_key_was_rotated_meanwhile() {
    let store = MemoryStore::new();
    let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Test);
    let [(old, old_line), (new, new_line), (lost, _)] = [(); 3].map(|()| SealingKey::draw(&SystemRandom).unwrap());
    let (old, new, lost) = (old.id(), new.id(), lost.id());
    assert!(store.name_sealing_key(None, old, None).await.unwrap());
    // The file has the new key, but the server has not read it yet.
    let both = format!("{}{}", *old_line, *new_line);
    let keys: SealingKeys = old_line.parse().unwrap();
    let keys = keys.with_source(move |_| both.parse().ok());
    let attempts = std::cell::Cell::new(0);
    let write = async |sealed| {
        if attempts.replace(attempts.get() + 1) == 0 {
            // The rotation names its key and checks all values just before the write.
            assert!(store.name_sealing_key(Some(old), new, None).await.unwrap());
            assert_eq!(reseal(&store, &keys, &SystemRandom, &mut |_| {}).await.unwrap(), Resealed::default());
        }
        try_put(&store, &scope, "c1", sealed).await
    };
    let secret = (&scope, "connector/c1", &b"hunter2"[..]);
    write_sealed(&store, &keys, secret, &SystemRandom, write).await.unwrap();
    let [found] = &*store.sealed_values(SealedKind::Connector, None, 9).await.unwrap() else { panic!() };
    assert_eq!((attempts.get(), found.sealed.key_id(), keys.sealing()), (2, Some(new), new));

    assert!(store.name_sealing_key(Some(new), lost, None).await.unwrap());
    let refused =
        write_sealed(&store, &keys, secret, &SystemRandom, async |sealed| try_put(&store, &scope, "c2", sealed).await);
    assert!(matches!(refused.await, Err(SealingError::Store(StoreError::OtherSealingKey))));
    assert_eq!(store.count_sealed(SealedKind::Connector).await.unwrap(), 1);
}

#[tokio::test]
async fn every_value_that_opens_is_sealed_with_the_newest_key() {
    let store = MemoryStore::new();
    let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Test);
    let [(old, old_line), (new, new_line), (lost, _)] = [(); 3].map(|()| SealingKey::draw(&SystemRandom).unwrap());
    let keys: SealingKeys = format!("{}{}", *old_line, *new_line).parse().unwrap();
    let [old, new] = [old, new].map(SealingKeys::from);
    assert_eq!(opens_any(&store, Some(&keys)).await.unwrap(), None);
    for number in 0..2 * PAGE + 7 {
        let (name, record) = (format!("c{number}"), format!("connector/c{number}"));
        let sealed = old.seal(&scope, &record, b"hunter2", &SystemRandom).unwrap();
        // Some values are from before values named their key.
        let bytes = sealed.as_bytes()[if number % 2 == 0 { 0 } else { 12 }..].to_vec();
        put(&store, &scope, &name, Sealed::from_bytes(bytes)).await;
    }
    assert_eq!(opens_any(&store, Some(&SealingKeys::from(lost))).await.unwrap(), Some(false));
    assert_eq!(opens_any(&store, None).await.unwrap(), Some(false));
    assert_eq!(opens_any(&store, Some(&keys)).await.unwrap(), Some(true));
    assert!(!is_half_sealed(&store, &keys, old.sealing()).await.unwrap());
    assert!(is_half_sealed(&store, &keys, new.sealing()).await.unwrap());
    put(&store, &scope, "unreadable", Sealed::from_bytes(vec![1; 60])).await;

    let mut steps = Vec::new();
    let done = reseal(&store, &keys, &SystemRandom, &mut |step| steps.push(step)).await.unwrap();
    assert_eq!((done.sealed, done.unreadable), (u64::from(2 * PAGE + 7), 1));
    let (done, of) = (u64::from(2 * PAGE + 8), u64::from(2 * PAGE + 8));
    let whole = |step: &SealStep| (step.kind, step.done, step.of) == (SealedKind::Connector, done, of);
    assert!(steps.iter().any(whole));
    assert!(!is_half_sealed(&store, &keys, new.sealing()).await.unwrap());
    for value in store.sealed_values(SealedKind::Connector, None, 1_000).await.unwrap() {
        let opened = new.open(&scope, &value.record, &value.sealed);
        assert_eq!(opened.is_ok(), value.key != ["unreadable"], "{value:?}");
    }
    let again = reseal(&store, &keys, &SystemRandom, &mut |_| {}).await.unwrap();
    assert_eq!((again.sealed, again.unreadable), (0, 1));
}
