//! A change of the allowed origins is in effect on all nodes before it returns. A node that cannot prove that it is up to date
//! allows no callback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{CallbackError, ChangeRequest, Core, Issuer, ManageError, OperatorPrincipal, Verifier};
use doorward_store::OpenMode;
use doorward_store_memory::MemoryStore;
use doorward_store_sqlite::SqliteStore;
use doorward_types::ManualClock;

#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("ada".parse().unwrap())
}

fn request() -> ChangeRequest {
    operator().request()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_a_change_when_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || Arc::new(SqliteStore::open(folder.path().join("d.db"), OpenMode::Create).await.unwrap());
    let here = Core::new(open().await);
    let acme = Issuer::new(&here).provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let other = Issuer::new(&here).provision("Other".parse().unwrap(), &request()).await.unwrap().organization.id;
    let nodes = [Verifier::start(&here).await.unwrap(), Verifier::start(&Core::new(open().await)).await.unwrap()];
    for round in 0..20 {
        // The change comes from a process with a node, and from a process without one.
        let issuer = if round % 2 == 0 { Issuer::beside(&nodes[0]) } else { Issuer::new(&here) };
        let added = issuer.allow_origin(acme, "app.example.com".parse().unwrap(), &request()).await.unwrap();
        assert!(added.receipt.is_some());
        let url = "https://app.example.com/callback";
        for node in &nodes {
            assert!(node.check_origin(acme, url).is_ok());
            assert!(node.check_origin(other, url).is_err(), "another's list");
        }
        let again = issuer.allow_origin(acme, "app.example.com".parse().unwrap(), &request()).await.unwrap();
        assert_eq!((again.entry.id, again.receipt), (added.entry.id, None));
        issuer.disallow_origin(acme, added.entry.id, &request()).await.unwrap();
        for node in &nodes {
            assert!(matches!(node.check_origin(acme, url), Err(CallbackError::Refused(_))));
        }
        let twice = issuer.disallow_origin(acme, added.entry.id, &request()).await;
        assert!(matches!(twice, Err(ManageError::NoSuchOrigin)));
    }
    // A node that starts later loads the list.
    let issuer = Issuer::new(&here);
    issuer.allow_origin(acme, "localhost:3000".parse().unwrap(), &request()).await.unwrap();
    let late = Verifier::start(&Core::new(open().await)).await.unwrap();
    assert!(late.check_origin(acme, "http://localhost:3000/").is_ok());
}

#[tokio::test]
async fn a_late_node_neither_accepts_nor_refuses() {
    let clock = Arc::new(ManualClock::default());
    let core = Core::new(Arc::new(MemoryStore::new())).with_clock(clock.clone());
    let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    Issuer::new(&core).allow_origin(acme, "app.example.com".parse().unwrap(), &request()).await.unwrap();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    assert!(node.check_origin(acme, "https://app.example.com/").is_ok());
    clock.advance(Duration::from_secs(5));
    for url in ["https://app.example.com/", "https://evil.example/", "nonsense"] {
        assert_eq!(node.check_origin(acme, url), Err(CallbackError::NotCurrent));
    }
}

#[tokio::test]
async fn a_list_has_at_most_a_thousand_entries() {
    let core = Core::new(Arc::new(MemoryStore::new()));
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let allow = async |number: u32| {
        issuer.allow_origin(acme, format!("app-{number}.example.com").parse().unwrap(), &request()).await
    };
    for number in 0..1_000 {
        allow(number).await.unwrap();
    }
    let full = allow(1_000).await;
    assert!(matches!(full, Err(ManageError::ListFull)), "{full:?}");
    assert_eq!(allow(7).await.unwrap().receipt, None, "it is there already");
    let first = allow(0).await.unwrap().entry.id;
    issuer.disallow_origin(acme, first, &request()).await.unwrap();
    allow(1_000).await.unwrap();
}
