//! Breaks each premise of the promise in turn: a node that cannot prove a premise neither accepts nor refuses, and a writer still
//! returns in time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_auth::{
    Core, Issuer, LeaseConfig, LostChanges, ManageError, StagedKey, StartError, Verifier, VerifyError,
};
use doorward_store::{
    CHANGE_LOG_LENGTH, Change, ChangeContext, ChangeFeed, Committed, KeyStore, LostChangeStore, OperationId,
    OriginEntry, Position, Provenance, RequestHash, Revision, StoreError, StoreId,
};
use doorward_store_memory::MemoryStore;
use doorward_types::{AllowedOriginId, Clock, Environment, Incarnation, OrganizationId, SystemClock, Timestamp};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    process, request,
    scripted::Scripted,
    sessions, silent,
    store::{Label, Work, forget_acknowledgements, relabel},
};

/// Well above a timer's precision, and well below all measured waits.
const MOMENT: Duration = Duration::from_millis(5);

/// Longer than anything that ends.
const MINUTE: Duration = Duration::from_secs(60);

fn wait() -> Duration {
    LeaseConfig::writer_wait(LeaseConfig::default().lease())
}

/// Work that runs before a call.
fn meanwhile(work: impl Future<Output = ()> + Send + 'static) -> Option<Work<'static>> {
    Some(Box::pin(work))
}

#[tokio::test(start_paused = true)]
async fn a_writer_returns_within_w_even_if_calls_hang() {
    let all = &["acknowledge", "ask", "poll", "register", "remove", "retire", "sessions"];
    for hung in [&["sessions"][..], &["poll"], &["poll", "sessions"], &["retire"], all] {
        for beside in [false, true] {
            let store = Scripted::store();
            let (core, elsewhere) = (process(store.clone()), process(store.clone()));
            let node = Verifier::start_in_runtime(&core).await.unwrap();
            let issuer = if beside { Issuer::beside(&node) } else { Issuer::new(&elsewhere) };
            let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
            silent(&core, LeaseConfig::default().lease()).await;

            store.way.hang(hung);
            let (begun, ask) = (Instant::now(), request());
            timeout(MINUTE, issuer.regenerate(acme.organization.id, StagedKey::Promote, &ask))
                .await
                .expect("an end")
                .unwrap();
            // Only the last messages to the silent nodes may take longer.
            let told = if hung.contains(&"retire") && !hung.contains(&"sessions") { 500 } else { 0 };
            let expected = wait() + Duration::from_millis(told);
            let took = begun.elapsed();
            assert!((expected..expected + MOMENT).contains(&took), "{hung:?} {beside}: {took:?}");
            assert!(node.verify(acme.value.expose().as_bytes()).is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_returns_within_w_even_if_calls_hang() {
    for hung in [&["sessions"][..], &["ask"], &["ask", "sessions"]] {
        let store = Scripted::store();
        let (core, elsewhere) = (process(store.clone()), process(store.clone()));
        let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let id = acme.organization.id;
        let made = Issuer::new(&core).create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        silent(&core, LeaseConfig::default().lease()).await;
        Issuer::new(&core).delete(id, made.key.id, &request()).await.unwrap();

        store.way.hang(hung);
        let (begun, ask, issuer) = (Instant::now(), request(), Issuer::new(&elsewhere));
        let again = timeout(MINUTE, issuer.delete(id, made.key.id, &ask)).await.expect("an end");
        assert!(matches!(again, Err(ManageError::NoSuchKey)), "{again:?}");
        let took = begun.elapsed();
        assert!((wait()..wait() + MOMENT).contains(&took), "{hung:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_poll_is_abandoned_before_the_next_is_due() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    store.way.before(move |call| {
        let first = call == "poll" && count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Box::pin(std::future::pending()) as Work<'static>)
    });
    let lease = LeaseConfig::default().lease();
    sleep(lease / 2 - MOMENT).await;
    assert_eq!(polls.load(Ordering::SeqCst), 1, "the poll was abandoned too early");
    for _ in 0..lease.as_millis() {
        sleep(Duration::from_millis(1)).await;
        assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    }
    assert!(polls.load(Ordering::SeqCst) > 1);
}

/// Runs in real time: three leases pass while the host's runtime is blocked.
#[test]
fn blocked_workers_of_the_host_do_not_end_the_lease() {
    let (clock, lease) = (SystemClock, Duration::from_millis(300));
    let waited = |since| clock.reading().longest_since(since);
    for own_thread in [true, false] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (node, key) = runtime.block_on(async {
            let core = Core::new(Arc::new(MemoryStore::new())).with_timing(LeaseConfig::new(lease).unwrap());
            let start = async |core| match own_thread {
                true => Verifier::start(core).await,
                false => Verifier::start_in_runtime(core).await,
            };
            let node = start(&core).await.unwrap();
            let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
            (node, acme.value.expose().to_owned())
        });
        let (blocked, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for _ in 0..2 {
            let (blocked, release) = (Arc::clone(&blocked), Arc::clone(&release));
            runtime.spawn(async move {
                blocked.fetch_add(1, Ordering::SeqCst);
                while !release.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        while blocked.load(Ordering::SeqCst) < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let since = clock.reading();
        std::thread::sleep(3 * lease);
        // A busy machine may delay the thread for a while. A node that is blocked with its host would accept nothing.
        let mut accepted = 0;
        while own_thread && accepted < 1_000 && waited(since) < MINUTE {
            accepted += usize::from(node.verify(key.as_bytes()).is_ok());
        }
        let last = node.verify(key.as_bytes()).map(drop);
        // This comes before any assertion can fail, since a dropped runtime waits for its workers.
        release.store(true, Ordering::SeqCst);
        assert_eq!(accepted >= 1_000, own_thread);
        assert!(own_thread || last == Err(VerifyError::NotCurrent), "{last:?}");
    }
}

#[tokio::test]
async fn a_dropped_node_removes_its_session() {
    let core = Core::new(Arc::new(MemoryStore::new()));
    drop(Verifier::start(&core).await.unwrap());
    let gone = async {
        while !sessions(&core).await.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(MINUTE, gone).await.unwrap();
}

/// Makes this number of pairs of changes, which undo each other.
async fn make_changes(store: &MemoryStore, organization: OrganizationId, pairs: usize) {
    let entry = OriginEntry::new(
        organization,
        AllowedOriginId::from_u128(1),
        "busy.example.com".parse().unwrap(),
        Timestamp::from_millis(0),
        "ada".parse().unwrap(),
    );
    for _ in 0..pairs {
        for change in
            [Change::AllowOrigin { entry: entry.clone() }, Change::DisallowOrigin { organization, id: entry.id }]
        {
            let next = store.position().await.unwrap().proved_of_any_store().unwrap().1.revision.0 + 1;
            // Old operations are forgotten, which keeps this test fast.
            let time = Timestamp::from_millis(0) + Duration::from_secs(next);
            let log = (organization, Environment::Production);
            let by = Attribution::local("ada".parse().unwrap());
            let event = EventDraft::new(&by, time, Action::AllowedOriginAdded, entry.id.to_string(), log);
            let operation = OperationId::from_bytes(u128::from(next).to_be_bytes());
            let context =
                ChangeContext::new(operation, event.into(), RequestHash::of([]), doorward_key::KeyPrefix::default());
            store.change(change, context).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_ends_and_misses_no_change_even_if_the_log_is_trimmed_meanwhile() {
    let store = Scripted::store();
    let core = process(store.store.clone());
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let old = issuer.create(acme, "old".parse().unwrap(), &request()).await.unwrap();
    let (new, inner, mut pages) = (Arc::new(Mutex::new(None)), Arc::clone(&store.store), 0);
    let made = Arc::clone(&new);
    store.way.before(move |call| {
        pages = if call == "position" { 0 } else { pages + usize::from(call == "active_secrets") };
        if call != "active_secrets" || pages != 2 {
            return None;
        }
        // After the page with the old secret. Each load meets these changes, also a second load.
        let (issuer, inner, made) = (issuer.clone(), Arc::clone(&inner), Arc::clone(&made));
        meanwhile(async move {
            let origin = "new.example.com".parse().unwrap();
            let (ask, delete, create) = (request(), request(), request());
            let (_, created, _) = tokio::join!(
                issuer.delete(acme, old.key.id, &delete),
                issuer.create(acme, "new".parse().unwrap(), &create),
                issuer.allow_origin(acme, origin, &ask),
            );
            made.lock().unwrap().replace(created.unwrap().value);
            for _ in 0..3 {
                make_changes(&inner, acme, CHANGE_LOG_LENGTH / 4).await;
                sleep(Duration::from_millis(300)).await;
            }
        })
    });
    let core = process(store.clone());
    let node = timeout(MINUTE, Verifier::start_in_runtime(&core)).await.expect("an end").unwrap();
    let new = new.lock().unwrap().take().unwrap();
    assert_eq!(node.verify(old.value.expose().as_bytes()).unwrap_err(), VerifyError::Unknown);
    assert!(node.verify(new.expose().as_bytes()).is_ok());
    assert!(node.check_origin(acme, "https://new.example.com/").is_ok());
    assert!(node.check_origin(acme, "https://busy.example.com/").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_survives_a_panic_of_its_control_plane() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let before = sessions(&core).await;
    // A panic in a poll, and then in two steps of the new start.
    let mut left = vec!["active_secrets", "register", "poll"];
    store.way.before(move |call| {
        left.pop_if(|next| *next == call)?;
        meanwhile(async move { panic!("{call}") })
    });
    sleep(Duration::from_millis(50)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::NotCurrent);
    sleep(Duration::from_secs(3)).await;
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    let after = sessions(&core).await;
    let regenerated =
        Issuer::new(&core).regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
    assert!(regenerated.waited() < Duration::from_millis(50), "{regenerated:?}");
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::Unknown);
    // No session remains that a writer would wait for.
    assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
}

fn other_prefix<T>(refused: Result<T, impl Into<StartError>>) -> bool {
    let refused = refused.map_err(Into::into);
    matches!(refused, Err(StartError::Store(StoreError::OtherPrefix { store })) if store.as_str() == "acme")
}

#[tokio::test(start_paused = true)]
async fn a_prefix_other_than_the_stores_is_refused_before_anything_changes() {
    let store = Arc::new(MemoryStore::new());
    let (claims, other) = (process(store.clone()), process(store.clone()));
    let (claims, other) = (claims.with_prefix("acme".parse().unwrap()), other.with_prefix("zen".parse().unwrap()));
    let acme = Issuer::new(&claims).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    assert!(acme.value.expose().starts_with("acme_"));
    let position = store.position().await.unwrap().proved_of_any_store().unwrap().1;

    assert!(other_prefix(Verifier::start_in_runtime(&other).await));
    assert!(other_prefix(other.clone().adopt().await));
    // The second core has neither a chosen prefix nor the store's.
    for core in [other, process(store.clone())] {
        let refused = Issuer::new(&core).regenerate(acme.organization.id, StagedKey::Promote, &request()).await;
        assert!(matches!(refused, Err(ManageError::Store(StoreError::OtherPrefix { .. }))), "{refused:?}");
    }
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1, position);
    assert_eq!(sessions(&claims).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_a_prefix_adopts_the_stores_prefix() {
    let store = Arc::new(MemoryStore::new());
    let claims = process(store.clone()).with_prefix("acme".parse().unwrap());
    // A node claims the prefix before there is a key.
    let node = Verifier::start_in_runtime(&claims).await.unwrap();
    assert!(other_prefix(process(store.clone()).with_prefix("zen".parse().unwrap()).adopt().await));
    let adopted = process(store.clone()).adopt().await.unwrap();
    assert_eq!(adopted.prefix().as_str(), "acme");
    let acme = Issuer::new(&adopted).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let second = Verifier::start_in_runtime(&process(store)).await.unwrap();
    for node in [node, second] {
        assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    }
}

/// Collects every line of the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        event.record(&mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
            *lines += &format!("{field}={value:?} ");
        });
        lines.push('\n');
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_another_store_renews_no_lease_and_the_log_names_the_reason() {
    let elsewhere: [(Label, &str); 4] = [
        (|told| Provenance { store: StoreId::from_bytes([9; 16]), ..told }, "another store answers at this address"),
        (|told| Provenance { primary: false, ..told }, "this server is a standby"),
        (|told| Provenance { writable: false, ..told }, "the database is read-only"),
        (|told| Provenance { needs_schema: 2, ..told }, "the store needs a program that knows schema 2"),
    ];
    for (label, words) in elsewhere {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        let store = Scripted::store();
        let core = process(store.clone());
        let node = Verifier::start_in_runtime(&core).await.unwrap();
        let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let key = acme.value.expose().as_bytes();
        assert!(node.authenticate_strictly(key).await.is_ok());

        store.way.label(label);
        assert_eq!(node.authenticate_strictly(key).await.unwrap_err(), VerifyError::NotCurrent, "{words}");
        sleep(LeaseConfig::default().lease() + MOMENT).await;
        assert_eq!(node.verify(key).unwrap_err(), VerifyError::NotCurrent, "{words}");
        let lines = log.0.lock().unwrap().clone();
        let told = lines.lines().any(|line| line.contains("answers 503") && line.contains(words));
        assert!(told, "{words}: {lines}");
        // No node starts there either. (On another store, a starting node cannot notice anything.)
        let started = Verifier::start_in_runtime(&process(store.clone())).await;
        let is_other = words.starts_with("another store");
        assert!(is_other || matches!(started, Err(StartError::Store(StoreError::Doubtful(_)))), "{started:?}");

        store.way.after(|_, _| {});
        sleep(Duration::from_millis(300)).await;
        assert!(node.verify(key).is_ok() && node.authenticate_strictly(key).await.is_ok(), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_store_is_loaded_again() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let (loads, was_current) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, current, seen) = (Arc::clone(&loads), Arc::clone(&was_current), node.clone());
    store.way.before(move |call| {
        if call == "all_allowed_origins" {
            count.fetch_add(1, Ordering::SeqCst);
            current.fetch_add(usize::from(seen.is_current()), Ordering::SeqCst);
        }
        None
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    restore(&store.store).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(loads.load(Ordering::SeqCst), 1, "once");
    assert_eq!(was_current.load(Ordering::SeqCst), 0, "a key was verified before the load ended");
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    assert_eq!(store.lost_changes().await.unwrap(), []);
}

/// Makes the node of this store reload everything.
async fn restore(store: &MemoryStore) {
    let by = Attribution::local("ada".parse().unwrap());
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    let event = EventDraft::new(&by, Timestamp::from_millis(0), Action::StoreRestored, String::new(), log);
    store.begin_incarnation(Incarnation::FIRST, event).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_read_from_another_store_keeps_the_node_from_serving() {
    let standby: Label = |told| Provenance { primary: false, ..told };
    let other: Label = |told| Provenance { store: StoreId::from_bytes([9; 16]), ..told };
    let labels = [(standby, false), (other, true)];
    let reads = ["identity", "all_allowed_origins", "active_secrets", "position"];
    for ((label, is_other), read) in labels.into_iter().flat_map(|label| reads.map(|read| (label, read))) {
        let store = Scripted::store();
        let core = process(store.clone());
        let node = Verifier::start_in_runtime(&core).await.unwrap();
        let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let key = acme.value.expose().as_bytes();

        store.way.after(move |call, answer| {
            if call == read {
                relabel(answer, label);
            }
        });
        restore(&store.store).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(node.verify(key).err(), Some(VerifyError::NotCurrent), "{read}");
        let started = Verifier::start_in_runtime(&process(store.clone())).await;
        // A starting node learns the store's name from the identity.
        let learns = read == "identity" && is_other;
        assert!(learns || matches!(started, Err(StartError::Store(StoreError::Doubtful(_)))), "{read}: {started:?}");

        store.way.after(|_, _| {});
        sleep(Duration::from_secs(1)).await;
        assert!(node.verify(key).is_ok(), "{read}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_restarted_before_the_node_serves() {
    let store = Scripted::store();
    let (core, elsewhere) = (process(store.clone()), process(store.store.clone()));
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&elsewhere);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let made = issuer.create(acme, "ci".parse().unwrap(), &request()).await.unwrap();
    let key = made.value.expose().as_bytes();
    sleep(Duration::from_millis(300)).await;
    assert!(node.verify(key).is_ok());

    // No poll and no finished load of this node contains the deletion.
    store.way.hang(&["poll"]);
    issuer.delete(acme, made.key.id, &request()).await.unwrap();
    restore(&store.store).await;
    let mut pages = 0;
    store.way.before(move |call| {
        pages += usize::from(call == "all_allowed_origins");
        // The first page hangs for as long as a page may take.
        (call == "all_allowed_origins" && pages == 1).then(|| Box::pin(sleep(MINUTE)) as Work<'static>)
    });
    for _ in 0..100 {
        sleep(Duration::from_millis(300)).await;
        assert!(node.verify(key).is_err());
    }
    assert_eq!(node.verify(key).err(), Some(VerifyError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_node_with_an_ended_history_does_not_acknowledge_a_later_change() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    for number in 0..3 {
        issuer.create(acme.organization.id, format!("ci-{number}").parse().unwrap(), &request()).await.unwrap();
    }
    // The store went back to a state before the keys, with its sessions of then, and the node has not noticed yet.
    store.way.hang(&["poll"]);
    store.way.after(|_, answer| {
        if let Some(committed) = answer.downcast_mut::<Committed>() {
            committed.revision = Revision(2);
        }
        forget_acknowledgements(answer);
    });
    let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
    assert!(receipt.waited() >= wait(), "{receipt:?}");
    assert!(node.verify(acme.value.expose().as_bytes()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stopped_serving_after_a_loss_delays_no_writer() {
    let store = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (process(store.clone()), process(store.clone()));
    let node = Verifier::start_in_runtime(&here).await.unwrap();
    let issuer = Issuer::new(&elsewhere);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let newest = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    store.report_lost(Position { revision: Revision(newest.revision.0 + 1), ..newest }).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::NotCurrent);

    for _ in 0..3 {
        // The node retries four times a second.
        let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
        assert!(receipt.waited() < Duration::from_millis(500), "{receipt:?}");
    }
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::NotCurrent);
    LostChanges::new(&elsewhere, store).accept(&request()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::Unknown);
}
