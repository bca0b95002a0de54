//! The promise: after a change has returned, no node accepts the dead secret, and a node that cannot prove that it is up to date
//! neither accepts nor refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{
    Core, FoundSecret, Issuer, LONG_STAGED, LeaseConfig, LostChanges, ManageError, ROTATION_PERIOD, StagedKey,
    StartError, Verifier, VerifyError,
};
use doorward_key::OfferedKey;
use doorward_records::Store;
use doorward_store::{OpenMode, StoreError};
use doorward_store_memory::MemoryStore;
use doorward_store_postgres::PostgresStore;
use doorward_store_sqlite::SqliteStore;
use doorward_types::{Clock, ManualClock};

use crate::postgres;
use crate::support::{operator, request, sessions, silent, simulated};

#[tokio::test(start_paused = true)]
async fn every_node_knows_a_change_when_it_returns() {
    let core = simulated();
    let nodes = [Verifier::start_in_runtime(&core).await.unwrap(), Verifier::start_in_runtime(&core).await.unwrap()];
    for (issuer, name) in [(Issuer::new(&core), "Acme"), (Issuer::beside(&nodes[0]), "Beta")] {
        let acme = issuer.provision(name.parse().unwrap(), &request()).await.unwrap();
        assert!(nodes.iter().all(|node| node.verify(acme.value.expose().as_bytes()).is_ok()));
        let regenerated = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
        assert!(
            nodes.iter().all(|node| node.verify(acme.value.expose().as_bytes()).unwrap_err() == VerifyError::Unknown)
        );
        assert_eq!((regenerated.receipt.nodes().acknowledged, regenerated.receipt.nodes().expired), (2, 0));
        assert!(regenerated.receipt.waited() < Duration::from_millis(50), "{:?}", regenerated.receipt.waited());
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_a_silent_node_only_until_its_lease_ends() {
    let core = simulated();
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let lease = LeaseConfig::default().lease();
    silent(&core, lease).await;

    let wait = LeaseConfig::writer_wait(lease);
    // First it may hold a lease from before the commit, then a lease from before its retirement, then none.
    for (waits, expired) in [(true, 1), (true, 1), (false, 0)] {
        let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
        assert_eq!(receipt.waited() >= wait, waits, "{:?}", receipt.waited());
        assert!(
            receipt.waited() < wait + Duration::from_millis(50),
            "never longer than needed: {:?}",
            receipt.waited()
        );
        assert_eq!(receipt.nodes().expired, expired);
    }
    assert_eq!(sessions(&core).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_node_removes_the_sessions_of_dead_nodes() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let dead = silent(&core, LeaseConfig::default().lease()).await;
    core.store().retire(&[dead]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let left = sessions(&core).await;
    assert!(left.len() == 1 && left[0].session.id != dead, "{left:?}");
    assert!(node.is_current());
}

#[tokio::test]
async fn a_late_node_neither_accepts_nor_refuses() {
    let clock = Arc::new(ManualClock::default());
    let core = Core::new(Arc::new(MemoryStore::new())).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let unknown = doorward_key::FreshKey::generate(
        &core.prefix().clone(),
        doorward_types::Environment::Test,
        &doorward_key::SystemRandom,
    )
    .unwrap();
    clock.advance(LeaseConfig::default().lease() - Duration::from_nanos(1));
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    clock.advance(Duration::from_nanos(1));
    assert!(!node.is_current());
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::NotCurrent);
    assert_eq!(node.verify(unknown.value().expose().as_bytes()).unwrap_err(), VerifyError::NotCurrent);
    // The poll loop runs now, and renews the lease.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_retired_node_registers_again_and_catches_up() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let before = sessions(&core).await;
    core.store().retire(&[before[0].session.id]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(node.is_current());
    let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    assert!(acme.receipt.nodes().acknowledged >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_node_verifies_nothing_and_delays_no_writer() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    node.stop().await;
    let key = acme.value.expose().as_bytes();
    assert_eq!(node.verify(key).unwrap_err(), VerifyError::NotCurrent);
    assert_eq!(node.authenticate_strictly(key).await.unwrap_err(), VerifyError::NotCurrent);
    let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
    assert_eq!((receipt.nodes().acknowledged, receipt.nodes().expired), (0, 0));
    assert!(receipt.waited() < Duration::from_millis(50));
}

/// Puts an older copy of a store back, through SQLite itself, while nodes use it.
fn put_back(copy: &Path, path: &Path) {
    let live = rusqlite::Connection::open(path).unwrap();
    live.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
    let tables = "SELECT name FROM copy.sqlite_schema WHERE type = 'table'";
    let tables: Vec<String> =
        live.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let each = |table| format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM copy.{table};");
    let all: String = tables.into_iter().map(each).collect();
    live.execute_batch(&format!("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; {all} COMMIT")).unwrap();
}

/// Waits until the condition holds.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_no_node_serves_until_an_operator_accepts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("doorward.db"), folder.path().join("copy.db"));
    let open = async || Arc::new(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    let store = open().await;
    let (knows, core) = (Core::new(open().await), Core::new(store.clone()));
    let (knows, issuer) = (Verifier::start(&knows).await.unwrap(), Issuer::new(&core));
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let old = acme.value.expose().as_bytes();
    rusqlite::Connection::open(&path).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
    assert_eq!(knows.verify(old).unwrap_err(), VerifyError::Unknown);

    put_back(&copy, &path);
    // The old key is alive in the store, but the node accepts it neither from memory nor after a read of the store.
    let noticed = eventually(async || {
        assert!(knows.verify(old).is_err());
        !knows.is_current()
    });
    noticed.await;
    assert_eq!(knows.verify(old).unwrap_err(), VerifyError::NotCurrent);
    assert_eq!(knows.authenticate_strictly(old).await.unwrap_err(), VerifyError::NotCurrent);
    // A node that never knew the change still learns of its loss.
    let losses = LostChanges::new(&core, store);
    eventually(async || !losses.list(&operator()).await.unwrap().is_empty()).await;
    let before = sessions(&core).await;
    let started = Verifier::start(&Core::new(open().await)).await;
    assert_eq!(sessions(&core).await, before, "a writer waited for a node that did not start");
    assert!(matches!(started, Err(StartError::Store(StoreError::LostChange(_)))), "{started:?}");

    // A resurrected key can be regenerated before any node serves.
    let fresh = issuer
        .regenerate(acme.organization.id, StagedKey::Promote, &request())
        .await
        .unwrap()
        .value
        .into_fresh()
        .unwrap();
    assert!(!knows.is_current());
    assert_eq!(losses.accept(&request()).await.unwrap(), 1);
    eventually(async || knows.is_current()).await;
    assert_eq!(knows.verify(old).unwrap_err(), VerifyError::Unknown);
    assert!(knows.verify(fresh.expose().as_bytes()).is_ok());
    assert!(Verifier::start(&Core::new(open().await)).await.is_ok());
    assert!(matches!(losses.accept(&request()).await, Err(ManageError::NothingLost)));
}

#[tokio::test]
async fn a_store_without_a_recorded_prefix_is_changed_only_with_the_prefix_of_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let core = Core::new(Arc::new(SqliteStore::open(&path, OpenMode::Create).await.unwrap()));
    let maker = core.clone().with_prefix("acme".parse().unwrap());
    let acme = Issuer::new(&maker).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    // The state after the program that made the keys, before stores recorded their prefix.
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE store SET prefix = NULL", []).unwrap();
    let position = core.store().position().await.unwrap().proved_of_any_store().unwrap().1;
    for core in [core.clone(), core.clone().adopt().await.unwrap(), maker.clone().adopt().await.unwrap()] {
        let refused = Issuer::new(&core).regenerate(acme.organization.id, StagedKey::Promote, &request()).await;
        assert!(matches!(refused, Err(ManageError::Store(StoreError::PrefixUnknown))), "{refused:?}");
    }
    assert_eq!(core.store().position().await.unwrap().proved_of_any_store().unwrap().1, position);
    let node = Verifier::start(&maker).await.unwrap();
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    assert_eq!(core.adopt().await.unwrap().prefix().as_str(), "acme");
    Issuer::beside(&node).regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
}

/// Two nodes and a writer on one store, each with its own connections, like three processes.
async fn changes_are_in_effect_before_they_return(open: impl AsyncFn() -> Arc<dyn Store>) {
    let open = async || Core::new(open().await);
    let (first, second) =
        (Verifier::start(&open().await).await.unwrap(), Verifier::start(&open().await).await.unwrap());
    let issuer = Issuer::new(&open().await);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let mut current = acme.value;
    for _ in 0..50 {
        assert!(
            first.verify(current.expose().as_bytes()).is_ok() && second.verify(current.expose().as_bytes()).is_ok()
        );
        let regenerated = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
        for node in [&first, &second] {
            assert_eq!(node.verify(current.expose().as_bytes()).unwrap_err(), VerifyError::Unknown);
        }
        assert_eq!(regenerated.receipt.nodes().acknowledged, 2);
        current = regenerated.value.into_fresh().unwrap();
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_the_same_file_is_in_effect_before_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let open = async || Arc::new(SqliteStore::open(&path, OpenMode::Create).await.unwrap()) as Arc<dyn Store>;
    changes_are_in_effect_before_they_return(open).await;
}

/// In transaction pooling, which delivers no hints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_behind_pgbouncer_is_in_effect_before_it_returns() {
    let pgbouncer = postgres::pgbouncer::PgBouncer::start();
    let url = pgbouncer.empty().await;
    let open = async || Arc::new(PostgresStore::open(&url, OpenMode::Create).await.unwrap()) as Arc<dyn Store>;
    changes_are_in_effect_before_they_return(open).await;
}

/// Once with hints, and once with polls only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_the_same_postgres_is_in_effect_before_it_returns() {
    for hints in [true, false] {
        let url = postgres::empty().await;
        let open = async || {
            let opened = if hints {
                PostgresStore::open(&url, OpenMode::Create).await
            } else {
                PostgresStore::open_without_listen(&url, OpenMode::Create).await
            };
            Arc::new(opened.unwrap()) as Arc<dyn Store>
        };
        changes_are_in_effect_before_they_return(open).await;
    }
}

#[tokio::test(start_paused = true)]
async fn uses_are_written_within_seconds_and_before_a_node_stops() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let keys = issuer.access_keys(&operator(), acme.organization.id).await.unwrap();
    let uses = async || issuer.usage(&operator(), &keys).await.unwrap().first().map(|usage| usage.uses_last_hour);
    node.verify(acme.value.expose().as_bytes()).unwrap();
    assert_eq!(uses().await, None);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(uses().await, Some(1));
    node.verify(acme.value.expose().as_bytes()).unwrap();
    // An issuer in the node's process sees all uses that the node has counted.
    let beside = Issuer::beside(&node).usage(&operator(), &keys).await.unwrap();
    assert_eq!(beside.first().map(|usage| usage.uses_last_hour), Some(2));
    node.authenticate_strictly(acme.value.expose().as_bytes()).await.unwrap();
    node.stop().await;
    assert_eq!(uses().await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_production_key_is_due_after_a_year() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    issuer.create(acme.organization.id, "ci".parse().unwrap(), &request()).await.unwrap();
    let year = Duration::from_hours(365 * 24);
    assert_eq!(node.production_keys_older_than(year), (0, None));
    node.stop().await;
    drop((issuer, node));
    tokio::time::sleep(year).await;
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    assert_eq!(node.production_keys_older_than(year), (1, Some((acme.organization.id, acme.secret.created_at))));
    // A promoted secret counts from its stage.
    issuer.stage(acme.organization.id, &request()).await.unwrap();
    issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
    assert_eq!(node.production_keys_older_than(year), (0, None));
}

/// The owner of a key learns who still sends it, also after every node has started again.
#[tokio::test(start_paused = true)]
async fn calls_with_a_revoked_key_are_known_after_a_restart() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let note = "ticket 4711".parse().unwrap();
    let leaked = issuer.report_leaked(acme.organization.id, Some(note), &request()).await.unwrap();
    assert!(leaked.value.into_fresh().is_some());
    let refused = |node: &Verifier| match node.authenticate(acme.value.expose().as_bytes()) {
        Err(VerifyError::Revoked(revoked)) => revoked,
        other => panic!("{other:?}"),
    };
    let from = Some(IpAddr::from([10, 0, 3, 7]));
    node.count_refusal(&refused(&node), from);
    let known = async |issuer: &Issuer| {
        let retired = issuer.retired(&operator(), acme.organization.id).await.unwrap();
        assert_eq!(retired.len(), 1);
        retired.first().map(|retired| (retired.locator, retired.refused, retired.last_refused_from)).unwrap()
    };
    assert_eq!(known(&issuer).await, (acme.secret.locator, 1, from), "before the node has written it");
    node.stop().await;
    drop((issuer, node));

    let node = Verifier::start_in_runtime(&core).await.unwrap();
    // The node reads the revoked keys beside its start.
    tokio::time::sleep(Duration::from_secs(1)).await;
    node.count_refusal(&refused(&node), None);
    assert_eq!(known(&Issuer::beside(&node)).await, (acme.secret.locator, 2, None));
    assert_eq!(known(&Issuer::new(&core)).await, (acme.secret.locator, 1, from));
    node.stop().await;
    assert_eq!(known(&Issuer::new(&core)).await, (acme.secret.locator, 2, None));
    let found = Issuer::new(&core).find_secret(&operator(), acme.secret.locator).await.unwrap();
    assert!(matches!(found, Some(FoundSecret::Revoked(retired)) if retired.organization == acme.organization.id));
}

#[tokio::test(start_paused = true)]
async fn organizations_need_a_hand_if_a_key_is_due_or_staged_for_long() {
    let core = simulated();
    let issuer = Issuer::new(&core);
    let provision =
        async |name: &str| issuer.provision(name.parse().unwrap(), &request()).await.unwrap().organization.id;
    // A node that runs polls all the time, and months have many polls.
    let to_rotate = async |lead, limit| {
        let node = Verifier::start_in_runtime(&core).await.unwrap();
        let found = node.organizations_to_rotate(lead, limit);
        node.stop().await;
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    let lead = Duration::from_hours(30 * 24);
    let (old, staged) = (provision("old").await, provision("staged").await);
    assert_eq!(to_rotate(lead, 10).await, []);
    tokio::time::sleep(ROTATION_PERIOD - 2 * lead).await;
    issuer.regenerate(staged, StagedKey::Promote, &request()).await.unwrap();
    issuer.stage(staged, &request()).await.unwrap();
    tokio::time::sleep(LONG_STAGED).await;
    assert_eq!(to_rotate(lead, 10).await, [staged]);
    tokio::time::sleep(lead).await;
    let young = provision("young").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(to_rotate(lead, 10).await, [old, staged]);
    assert_eq!(to_rotate(lead, 1).await, [old]);
    issuer.unstage(staged, &request()).await.unwrap();
    issuer.regenerate(old, StagedKey::Promote, &request()).await.unwrap();
    assert_eq!(to_rotate(lead, 10).await, []);
    assert_eq!(to_rotate(ROTATION_PERIOD, 10).await, [staged, young, old]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_in_use_is_not_regenerated_by_a_scheduler() {
    let core = simulated();
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let hour = Duration::from_hours(1);
    let asked = request().with_unused_for(hour);
    node.verify(acme.value.expose().as_bytes()).unwrap();
    let id = acme.organization.id;
    match issuer.regenerate(id, StagedKey::Promote, &asked).await {
        Err(ManageError::StillInUse { uses_last_hour: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    node.verify(acme.value.expose().as_bytes()).unwrap();
    tokio::time::sleep(hour + Duration::from_mins(1)).await;
    issuer.regenerate(id, StagedKey::Promote, &asked).await.unwrap();
}

/// A person who has the public part of a dead key cannot bring it to life by offering it as a key that was made elsewhere.
#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_no_new_key() {
    let node = Verifier::start_in_runtime(&simulated()).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let other = issuer.provision("Other".parse().unwrap(), &request()).await.unwrap().organization.id;
    let name = || "ci".parse().unwrap();
    let dead = issuer.create(acme, name(), &request()).await.unwrap();
    issuer.delete(acme, dead.key.id, &request()).await.unwrap();
    let withdrawn = issuer.stage(acme, &request()).await.unwrap();
    issuer.unstage(acme, &request()).await.unwrap();
    for (value, secret) in [(dead.value, dead.secret), (withdrawn.value, withdrawn.secret)] {
        let offered: OfferedKey = format!("{}:{}", secret.locator, hex(&secret.digest.to_bytes())).parse().unwrap();
        for organization in [acme, other] {
            let created = issuer.create_offered(organization, name(), offered, &request()).await.map(drop);
            let staged = issuer.stage_offered(organization, offered, &request()).await.map(drop);
            assert!(matches!(created, Err(ManageError::ImportRevoked)), "{created:?}");
            assert!(matches!(staged, Err(ManageError::ImportRevoked)), "{staged:?}");
        }
        let presented = node.authenticate(value.expose().as_bytes());
        assert!(matches!(presented, Err(VerifyError::Revoked(_))), "{presented:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
