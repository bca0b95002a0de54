//! The paved path, over real stores.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward::audit::{Action, Event};
use doorward::auth::{ManageError, NewOrganization};
use doorward::http::{AccessKeyLayer, Code};
use doorward::sink::{Sink, SinkError};
use doorward::sqlite::SqliteStore;
use doorward::store::{NodeRegistry, OpenMode, StoreError};
use doorward::types::{Clock, Environment, SystemClock};
use doorward::{AccessKeys, Error};
use http::Request;
use tokio::time::sleep;

/// The limit for a test that hangs; it measures no speed.
const GUARD: Duration = Duration::from_secs(600);

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("keys.db").display())
}

async fn sessions(folder: &Path) -> usize {
    let store = SqliteStore::open(folder.join("keys.db"), OpenMode::Existing).await.unwrap();
    store.sessions().await.unwrap().proved_of_any_store().unwrap().1.len()
}

/// Makes a change, and returns the number of silent nodes that it waited for.
async fn change(keys: &AccessKeys) -> u32 {
    let another = "Another".parse::<NewOrganization>().unwrap().with_duplicate_name(true);
    let made = keys.issuer().provision(another, &keys.request()).await.unwrap();
    made.receipt.nodes().expired
}

#[tokio::test]
async fn the_first_key_is_made_once_whoever_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let keys = AccessKeys::open(url(folder.path())).prefix("acme").actor("billing").start().await.unwrap();
    let first = keys.provision_first("my-service").await.unwrap().unwrap();
    assert!(first.value.expose().starts_with("acme_prod_"));
    assert_eq!(first.key.created_by.as_str(), "billing");
    assert!(keys.provision_first("my-service").await.unwrap().is_none());
    keys.stop().await.unwrap();
    assert_eq!(sessions(folder.path()).await, 0);

    // The store has kept the prefix.
    let keys = AccessKeys::open(url(folder.path())).start().await.unwrap();
    assert!(keys.provision_first("my-service").await.unwrap().is_none());
    let principal = keys.verifier().authenticate(first.value.expose().as_bytes()).unwrap();
    assert_eq!(principal.organization_name().as_str(), "my-service");
    keys.stop().await.unwrap();
}

#[tokio::test]
async fn all_layers_of_the_keys_count_in_one_place() {
    let keys = AccessKeys::open("memory:").start().await.unwrap();
    let first = keys.provision_first("my-service").await.unwrap().unwrap();
    let authorization = format!("Bearer {}", first.value.expose());
    let ask = |layer: AccessKeyLayer, request: Request<()>| layer.authenticate(&request).map(drop);
    ask(keys.layer(), Request::builder().header("authorization", authorization).body(()).unwrap()).unwrap();
    ask(keys.layer(), Request::new(())).unwrap_err();
    let counters = keys.layer().counters();
    assert_eq!(counters.accepted(Environment::Production), 1);
    let refused: Vec<_> = counters.refused().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [(Code::MISSING_CREDENTIAL, 1)]);
}

#[tokio::test]
async fn what_cannot_start_says_why_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |keys: doorward::AccessKeysBuilder| keys.start().await.unwrap_err();
    let open = || AccessKeys::open(url(folder.path()));
    assert!(matches!(start(AccessKeys::open("mysql://a/b")).await, Error::Url(_)));
    assert!(matches!(start(open().prefix("No Prefix")).await, Error::Prefix(_)));
    assert!(matches!(start(open().actor("")).await, Error::Name(_)));
    assert!(matches!(start(open().sink("", Recorder::default())).await, Error::Name(_)));
    assert!(!folder.path().join("keys.db").exists());

    let keys = open().prefix("acme").start().await.unwrap();
    keys.provision_first("my-service").await.unwrap();
    let other = start(open().prefix("other")).await;
    assert!(matches!(&other, Error::Start(doorward::auth::StartError::Store(StoreError::OtherPrefix { .. }))));
    assert!(!other.is_retryable() && other.to_string().contains("acme_"));
    let unknown = doorward::types::OrganizationId::from_u128(7);
    let missing = keys.issuer().create(unknown, "ci".parse().unwrap(), &keys.request()).await.unwrap_err();
    assert!(matches!(missing, ManageError::NoSuchOrganization));
    keys.stop().await.unwrap();
    assert_eq!(sessions(folder.path()).await, 0);
}

/// A clone that is dropped in a live runtime leaves the store, and writes the uses that it has counted.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_dropped_make_no_change_wait() {
    let folder = tempfile::tempdir().unwrap();
    let keys = AccessKeys::open(url(folder.path())).start().await.unwrap();
    let first = keys.provision_first("my-service").await.unwrap().unwrap();
    keys.verifier().verify(first.value.expose().as_bytes()).unwrap();
    drop(keys);

    let keys = AccessKeys::open(url(folder.path())).start().await.unwrap();
    for _ in 0..2 {
        assert_eq!(change(&keys).await, 0);
    }
    let begun = SystemClock.tick();
    loop {
        let uses = keys.store().usage(first.organization.id, SystemClock.now()).await.unwrap();
        if sessions(folder.path()).await == 1 && uses.iter().any(|usage| usage.uses_last_hour == 1) {
            break;
        }
        assert!(SystemClock.tick().since(begun) < GUARD, "the dropped node stays in the store, or its uses are lost");
        sleep(Duration::from_millis(10)).await;
    }
    keys.stop().await.unwrap();
}

/// Takes nothing at first.
#[derive(Clone, Debug, Default)]
struct Recorder {
    refused: Arc<Mutex<usize>>,
    taken: Arc<Mutex<Vec<Event>>>,
}

impl Sink for Recorder {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let mut refused = self.refused.lock().unwrap();
        if *refused == 0 {
            *refused += 1;
            return Err(SinkError::other("not yet"));
        }
        self.taken.lock().unwrap().extend_from_slice(events);
        Ok(())
    }
}

#[tokio::test]
async fn a_sink_has_every_event_once_over_two_starts() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    for round in 1..=2 {
        let keys = AccessKeys::open(url(folder.path())).sink("kafka", recorder.clone()).start().await.unwrap();
        change(&keys).await;
        let begun = SystemClock.tick();
        while recorder.taken.lock().unwrap().len() < 2 * round {
            assert!(SystemClock.tick().since(begun) < GUARD, "events do not arrive");
            sleep(Duration::from_millis(10)).await;
        }
        keys.stop().await.unwrap();
    }
    let actions: Vec<_> = recorder.taken.lock().unwrap().iter().map(|event| event.draft.action).collect();
    let made = [Action::OrganizationCreated, Action::AccessKeyCreated];
    assert_eq!(actions, [made, made].concat());
}
