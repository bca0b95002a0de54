//! The answer to a repeated request comes only when the change is in effect, in every process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{
    Issuer, LeaseConfig, ManageError, NewOrganization, OperatorPrincipal, StagedKey, Verifier, VerifyError,
};
use doorward_store::{IdempotencyKey, Operation, Provenance, Secret, StoreError};
use doorward_store_memory::MemoryStore;
use doorward_types::{AccessKeyId, AllowedOriginId, OrganizationId};
use tokio::time::{Instant, sleep};

use crate::support::{
    process, request,
    scripted::Scripted,
    sessions, silent, simulated,
    store::{forget_acknowledgements, relabel},
};

const ALL: [Change; 6] =
    [Change::Regenerate, Change::RegenerateAsSeen, Change::Delete, Change::Unstage, Change::Allow, Change::Disallow];

/// A change that is requested twice.
#[derive(Clone, Copy, Debug)]
enum Change {
    Regenerate,
    RegenerateAsSeen,
    Delete,
    Unstage,
    Allow,
    Disallow,
}

/// An organization with a record of each kind.
struct Acme {
    id: OrganizationId,
    secrets: [Secret; 2],
    test_key: AccessKeyId,
    origin: AllowedOriginId,
    /// The values of the current, the staged, and the test key's secret.
    values: [String; 3],
}

impl Acme {
    async fn new(issuer: &Issuer) -> Self {
        let new = "Acme".parse::<NewOrganization>().unwrap().with_duplicate_name(true);
        let acme = issuer.provision(new, &request()).await.unwrap();
        let id = acme.organization.id;
        let staged = issuer.stage(id, &request()).await.unwrap();
        let created = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        let origin = issuer.allow_origin(id, "app.example.com".parse().unwrap(), &request()).await.unwrap();
        let values = [acme.value, staged.value, created.value].map(|value| value.expose().to_owned());
        let (secrets, test_key) = ([acme.secret, staged.secret], created.key.id);
        Self { id, secrets, test_key, origin: origin.entry.id, values }
    }

    /// Requests a change. Returns whether the answer is that of a repeat.
    async fn ask(&self, issuer: &Issuer, change: Change) -> bool {
        let once = request().with_idempotency_key("once".parse::<IdempotencyKey>().unwrap());
        let seen = request().with_expected_secrets(self.secrets.map(|secret| secret.locator).to_vec());
        let answer = match change {
            Change::Regenerate => issuer.regenerate(self.id, StagedKey::Discard, &once).await.map(drop),
            Change::RegenerateAsSeen => issuer.regenerate(self.id, StagedKey::Discard, &seen).await.map(drop),
            Change::Delete => issuer.delete(self.id, self.test_key, &request()).await.map(drop),
            Change::Unstage => issuer.unstage(self.id, &request()).await.map(drop),
            Change::Disallow => issuer.disallow_origin(self.id, self.origin, &request()).await.map(drop),
            Change::Allow => {
                let origin = "localhost:3000".parse().unwrap();
                return issuer.allow_origin(self.id, origin, &request()).await.unwrap().receipt.is_none();
            }
        };
        match (change, answer) {
            (_, Ok(())) => false,
            (Change::Regenerate, Err(ManageError::AlreadyDone { .. }))
            | (Change::RegenerateAsSeen, Err(ManageError::ChangedMeanwhile))
            | (Change::Delete, Err(ManageError::NoSuchKey))
            | (Change::Unstage, Err(ManageError::NothingStaged))
            | (Change::Disallow, Err(ManageError::NoSuchOrigin)) => true,
            (change, other) => panic!("{change:?}: {other:?}"),
        }
    }
}

/// Returns the result with its duration.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let begun = Instant::now();
    let done = work.await;
    (begun.elapsed(), done)
}

/// A process that requests changes.
#[derive(Clone, Copy, Debug)]
enum Asker {
    TheSameProcess,
    AnotherProcess,
    AnotherNode,
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_for_silent_nodes_like_the_first_request() {
    let (wait, pause) = (LeaseConfig::writer_wait(LeaseConfig::default().lease()), Duration::from_secs(1));
    for change in ALL {
        for asker in [Asker::TheSameProcess, Asker::AnotherProcess, Asker::AnotherNode] {
            let store = Arc::new(MemoryStore::new());
            let (here, there) = (process(store.clone()), process(store));
            let node = Verifier::start_in_runtime(&there).await.unwrap();
            let first = Issuer::new(&here);
            let other = match asker {
                Asker::TheSameProcess => Issuer::new(&here),
                Asker::AnotherProcess => Issuer::new(&there),
                Asker::AnotherNode => Issuer::beside(&node),
            };
            let acme = Acme::new(&first).await;
            silent(&here, LeaseConfig::default().lease()).await;

            let again = async {
                sleep(pause).await;
                timed(acme.ask(&other, change)).await
            };
            let ((took, repeat), (repeat_took, is_repeat)) = tokio::join!(timed(acme.ask(&first, change)), again);
            assert!(!repeat && is_repeat, "{change:?} {asker:?}");
            assert!(took >= wait, "{change:?} {asker:?}: {took:?}");
            // The repeat waits for the rest of the first wait, and at most as long as a wait of its own.
            assert!(repeat_took >= wait - pause, "{change:?} {asker:?}: {repeat_took:?}");
            assert!(repeat_took < wait + Duration::from_millis(50), "{change:?} {asker:?}: {repeat_took:?}");
            // A silent session is removed after it was retired for as long as a lease can last. Then no writer waits for it.
            let (took, repeat) = timed(acme.ask(&first, change)).await;
            assert!(repeat && took < wait + Duration::from_millis(50), "{change:?} {asker:?}: {took:?}");
            let (took, repeat) = timed(acme.ask(&other, change)).await;
            assert!(repeat && took < Duration::from_millis(50), "{change:?} {asker:?}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_at_once_if_every_node_has_acknowledged() {
    for change in ALL {
        let store = Arc::new(MemoryStore::new());
        let (here, there) = (process(store.clone()), process(store));
        let nodes =
            [Verifier::start_in_runtime(&here).await.unwrap(), Verifier::start_in_runtime(&there).await.unwrap()];
        let acme = Acme::new(&Issuer::beside(&nodes[0])).await;
        assert!(!acme.ask(&Issuer::beside(&nodes[0]), change).await);
        for issuer in [Issuer::new(&here), Issuer::beside(&nodes[0]), Issuer::new(&there), Issuer::beside(&nodes[1])] {
            let (took, repeat) = timed(acme.ask(&issuer, change)).await;
            assert!(repeat && took < Duration::from_millis(50), "{change:?}: {took:?}");
        }
        assert_eq!(sessions(&here).await.len(), 2, "a node was retired");
    }
}

/// The first read of the operations misses a concurrent change. The change's own transaction then finds it.
#[tokio::test(start_paused = true)]
async fn a_repeat_found_only_by_the_transaction_waits_too() {
    let store = Scripted::store();
    store.way.after(|_, answer| {
        if let Some(operation) = answer.downcast_mut::<Option<Operation>>() {
            *operation = None;
        }
    });
    let (here, there) = (process(store.clone()), process(store));
    let acme = Acme::new(&Issuer::new(&here)).await;
    silent(&here, LeaseConfig::default().lease()).await;
    let (first, other) = (Issuer::new(&here), Issuer::new(&there));
    let again = async {
        sleep(Duration::from_secs(1)).await;
        timed(acme.ask(&other, Change::Regenerate)).await
    };
    let (_, (took, repeat)) = tokio::join!(acme.ask(&first, Change::Regenerate), again);
    assert!(repeat && took >= LeaseConfig::writer_wait(LeaseConfig::default().lease()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_with_another_request_changes_nothing() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let (acme, other) = (Acme::new(&issuer).await, Acme::new(&issuer).await);
    let once = request().with_idempotency_key("once".parse::<IdempotencyKey>().unwrap());
    issuer.regenerate(acme.id, StagedKey::Promote, &once).await.unwrap();

    let (name, origin) = (|| "New".parse().unwrap(), || "new.example.com".parse().unwrap());
    let position = core.store().position().await.unwrap().proved_of_any_store().unwrap().1;
    let answers = [
        issuer.regenerate(acme.id, StagedKey::Discard, &once).await.map(drop),
        issuer.regenerate(other.id, StagedKey::Promote, &once).await.map(drop),
        issuer.stage(acme.id, &once).await.map(drop),
        issuer.unstage(other.id, &once).await.map(drop),
        issuer.create(acme.id, name(), &once).await.map(drop),
        issuer.delete(acme.id, acme.test_key, &once).await.map(drop),
        issuer.provision("New".parse().unwrap(), &once).await.map(drop),
        issuer.provision_first("New".parse().unwrap(), &once).await.map(drop),
        issuer.provision_once("tenant-1".parse().unwrap(), "New".parse().unwrap(), &once).await.map(drop),
        issuer.rename(acme.id, "New".parse().unwrap(), &once).await.map(drop),
        issuer.suspend(acme.id, None, &once).await.map(drop),
        issuer.resume(acme.id, &once).await.map(drop),
        issuer.close(acme.id, Duration::ZERO, &once).await.map(drop),
        issuer.allow_origin(acme.id, origin(), &once).await.map(drop),
        issuer.disallow_origin(acme.id, acme.origin, &once).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(ManageError::IdempotencyKeyReused)), "{answer:?}");
    }
    assert_eq!(core.store().position().await.unwrap().proved_of_any_store().unwrap().1, position);
    for value in other.values.iter().chain(&acme.values[1..]) {
        assert!(node.verify(value.as_bytes()).is_ok());
    }
    assert_eq!(node.verify(acme.values[0].as_bytes()).unwrap_err(), VerifyError::Unknown);
    // The same request is a repeat. The same key from another actor is a different request.
    let repeat = issuer.regenerate(acme.id, StagedKey::Promote, &once).await;
    assert!(matches!(repeat, Err(ManageError::AlreadyDone { .. })), "{repeat:?}");
    let key: IdempotencyKey = "once".parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
    let grace = OperatorPrincipal::local_administrator("grace".parse().unwrap()).request().with_idempotency_key(key);
    issuer.regenerate(other.id, StagedKey::Promote, &grace).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repeat_checks_the_nodes_even_after_an_earlier_answer() {
    let store = Scripted::store();
    let core = process(store.clone());
    let _node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&process(store.clone()));
    let acme = Acme::new(&issuer).await;
    assert!(!acme.ask(&issuer, Change::Regenerate).await);
    assert!(acme.ask(&issuer, Change::Regenerate).await);
    // The store went back, and has another change with the same number: no node has acknowledged that change.
    store.way.after(|_, answer| forget_acknowledgements(answer));
    let begun = Instant::now();
    assert!(acme.ask(&issuer, Change::Regenerate).await);
    assert!(begun.elapsed() >= LeaseConfig::writer_wait(LeaseConfig::default().lease()));
}

#[tokio::test(start_paused = true)]
async fn a_standbys_record_of_a_change_is_not_an_answer() {
    for call in ["last_change_of", "operation"] {
        for beside in [false, true] {
            let store = Scripted::store();
            let core = process(store.clone());
            let node = Verifier::start_in_runtime(&core).await.unwrap();
            let issuer = if beside { Issuer::beside(&node) } else { Issuer::new(&core) };
            let acme = Acme::new(&issuer).await;
            issuer.delete(acme.id, acme.test_key, &request()).await.unwrap();
            store.way.after(move |asked, answer| {
                if asked == call {
                    relabel(answer, |told| Provenance { primary: false, ..told });
                }
            });
            let once = request().with_idempotency_key("once".parse::<IdempotencyKey>().unwrap());
            let answer = match call {
                "operation" => issuer.regenerate(acme.id, StagedKey::Discard, &once).await.map(drop),
                _ => issuer.delete(acme.id, acme.test_key, &request()).await.map(drop),
            };
            assert!(matches!(answer, Err(ManageError::Store(StoreError::Doubtful(_)))), "{call}: {answer:?}");
        }
    }
}
