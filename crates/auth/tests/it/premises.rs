//! The premises of the promise, each broken in turn: a node that cannot prove one of them says neither yes nor no, and a
//! writer returns in time all the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_auth::{Core, IssueError, Issuer, LossDesk, Refusal, StagedKey, StartError, Timing, Verifier};
use doorward_store::{
    CHANGE_LOG_LENGTH, Change, ChangeContext, Coherence, Committed, KeyStore, LostChanges, OperationId, OriginEntry,
    Position, Provenance, RequestHash, Revision, StoreError, StoreId,
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

/// Well above the precision of a timer, and well below everything that is waited for.
const MOMENT: Duration = Duration::from_millis(5);

/// Longer than anything takes that ends.
const MINUTE: Duration = Duration::from_secs(60);

fn wait() -> Duration {
    Timing::writer_wait(Timing::default().lease())
}

/// Work that goes on before a call.
fn meanwhile(work: impl Future<Output = ()> + Send + 'static) -> Option<Work<'static>> {
    Some(Box::pin(work))
}

#[tokio::test(start_paused = true)]
async fn a_writer_returns_at_w_whatever_hangs() {
    let all = &["acknowledge", "ask", "poll", "register", "remove", "retire", "sessions"];
    for hung in [&["sessions"][..], &["poll"], &["poll", "sessions"], &["retire"], all] {
        for beside in [false, true] {
            let store = Scripted::store();
            let (core, elsewhere) = (process(store.clone()), process(store.clone()));
            let node = Verifier::start_in_runtime(&core).await.unwrap();
            let issuer = if beside { Issuer::beside(&node) } else { Issuer::new(&elsewhere) };
            let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
            silent(&core, Timing::default().lease()).await;

            store.way.hang(hung);
            let (begun, ask) = (Instant::now(), request());
            timeout(MINUTE, issuer.regenerate(acme.organization.id, StagedKey::Promote, &ask))
                .await
                .expect("an end")
                .unwrap();
            // Only what is told to the silent nodes in the end may take longer.
            let told = if hung.contains(&"retire") && !hung.contains(&"sessions") { 500 } else { 0 };
            let expected = wait() + Duration::from_millis(told);
            let took = begun.elapsed();
            assert!((expected..expected + MOMENT).contains(&took), "{hung:?} {beside}: {took:?}");
            assert!(node.verify(acme.value.expose().as_bytes()).is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_returns_at_w_whatever_hangs() {
    for hung in [&["sessions"][..], &["ask"], &["ask", "sessions"]] {
        let store = Scripted::store();
        let (core, elsewhere) = (process(store.clone()), process(store.clone()));
        let acme = Issuer::new(&core).provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let id = acme.organization.id;
        let made = Issuer::new(&core).create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        silent(&core, Timing::default().lease()).await;
        Issuer::new(&core).delete(id, made.key.id, &request()).await.unwrap();

        store.way.hang(hung);
        let (begun, ask, issuer) = (Instant::now(), request(), Issuer::new(&elsewhere));
        let again = timeout(MINUTE, issuer.delete(id, made.key.id, &ask)).await.expect("an end");
        assert!(matches!(again, Err(IssueError::NoSuchKey)), "{again:?}");
        let took = begun.elapsed();
        assert!((wait()..wait() + MOMENT).contains(&took), "{hung:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_hangs_is_given_up_in_time_for_the_next() {
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
    let lease = Timing::default().lease();
    sleep(lease / 2 - MOMENT).await;
    assert_eq!(polls.load(Ordering::SeqCst), 1, "it is waited for as long as that makes sense");
    for _ in 0..lease.as_millis() {
        sleep(Duration::from_millis(1)).await;
        assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    }
    assert!(polls.load(Ordering::SeqCst) > 1);
}

/// In real time: three leases pass while nothing moves in the host's runtime.
#[test]
fn blocked_workers_of_the_host_do_not_end_the_lease() {
    let (clock, lease) = (SystemClock, Duration::from_millis(300));
    let waited = |since| clock.reading().longest_since(since);
    for own_thread in [true, false] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (node, key) = runtime.block_on(async {
            let core = Core::new(Arc::new(MemoryStore::new())).with_timing(Timing::new(lease).unwrap());
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
        // A busy machine may delay the thread for a while. A node that is blocked with its host accepts nothing at all.
        let mut accepted = 0;
        while own_thread && accepted < 1_000 && waited(since) < MINUTE {
            accepted += usize::from(node.verify(key.as_bytes()).is_ok());
        }
        let last = node.verify(key.as_bytes()).map(drop);
        // Before an assertion can fail: the runtime waits for its workers when it is dropped.
        release.store(true, Ordering::SeqCst);
        assert_eq!(accepted >= 1_000, own_thread);
        assert!(own_thread || last == Err(Refusal::NotCurrent), "{last:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_dropped_takes_its_session_along() {
    let core = Core::new(Arc::new(MemoryStore::new()));
    drop(Verifier::start(&core).await.unwrap());
    let gone = async {
        while !sessions(&core).await.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(MINUTE, gone).await.unwrap();
}

/// Makes so many pairs of changes, which undo each other.
async fn make_changes(store: &MemoryStore, organization: OrganizationId, pairs: usize) {
    let entry = OriginEntry {
        id: AllowedOriginId::from_u128(1),
        organization,
        origin: "busy.example.com".parse().unwrap(),
        created_at: Timestamp::from_millis(0),
        created_by: "ada".parse().unwrap(),
    };
    for _ in 0..pairs {
        for change in
            [Change::AllowOrigin { entry: entry.clone() }, Change::DisallowOrigin { organization, id: entry.id }]
        {
            let next = store.position().await.unwrap().proved_of_any_store().unwrap().1.revision.0 + 1;
            // Operations of long ago are forgotten, which keeps this quick.
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
async fn a_load_ends_and_misses_nothing_though_the_log_outgrows_its_length_meanwhile() {
    let store = Scripted::store();
    let core = process(store.store.clone());
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let old = issuer.create(acme, "old".parse().unwrap(), &request()).await.unwrap();
    let (new, inner, mut pages) = (Arc::new(Mutex::new(None)), Arc::clone(&store.store), 0);
    let made = Arc::clone(&new);
    store.way.before(move |call| {
        pages = if call == "position" { 0 } else { pages + usize::from(call == "live_secrets") };
        if call != "live_secrets" || pages != 2 {
            return None;
        }
        // After the page with the old secret. Each load meets these changes, a second one too.
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
    assert_eq!(node.verify(old.value.expose().as_bytes()).unwrap_err(), Refusal::Unknown);
    assert!(node.verify(new.expose().as_bytes()).is_ok());
    assert!(node.check_origin(acme, "https://new.example.com/").is_ok());
    assert!(node.check_origin(acme, "https://busy.example.com/").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_control_plane_is_survived() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let acme = Issuer::beside(&node).provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let before = sessions(&core).await;
    // In a poll, and then at two steps of the fresh start.
    let mut left = vec!["live_secrets", "register", "poll"];
    store.way.before(move |call| {
        left.pop_if(|next| *next == call)?;
        meanwhile(async move { panic!("{call}") })
    });
    sleep(Duration::from_millis(50)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::NotCurrent);
    sleep(Duration::from_secs(3)).await;
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    let after = sessions(&core).await;
    let regenerated =
        Issuer::new(&core).regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
    assert!(regenerated.waited() < Duration::from_millis(50), "{regenerated:?}");
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::Unknown);
    // No session is left behind that a writer would wait for.
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
    // The second core has neither chosen a prefix nor adopted the store's.
    for core in [other, process(store.clone())] {
        let refused = Issuer::new(&core).regenerate(acme.organization.id, StagedKey::Promote, &request()).await;
        assert!(matches!(refused, Err(IssueError::Store(StoreError::OtherPrefix { .. }))), "{refused:?}");
    }
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1, position);
    assert_eq!(sessions(&claims).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_a_choice_takes_the_stores_prefix() {
    let store = Arc::new(MemoryStore::new());
    let claims = process(store.clone()).with_prefix("acme".parse().unwrap());
    // A node claims it, before there is a key.
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

/// Keeps every line of the log.
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
async fn an_answer_from_elsewhere_renews_no_lease_and_the_log_says_why() {
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
        assert_eq!(node.authenticate_strictly(key).await.unwrap_err(), Refusal::NotCurrent, "{words}");
        sleep(Timing::default().lease() + MOMENT).await;
        assert_eq!(node.verify(key).unwrap_err(), Refusal::NotCurrent, "{words}");
        let lines = log.0.lock().unwrap().clone();
        let told = lines.lines().any(|line| line.contains("answers 503") && line.contains(words));
        assert!(told, "{words}: {lines}");
        // No node starts there either. (Another store is a store like any other to a node that starts on it.)
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
        if call == "live_origins" {
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
    assert_eq!(was_current.load(Ordering::SeqCst), 0, "nothing is verified until all is loaded");
    assert!(node.verify(acme.value.expose().as_bytes()).is_ok());
    assert_eq!(store.lost_changes().await.unwrap(), []);
}

/// Makes the node of this store load everything again.
async fn restore(store: &MemoryStore) {
    let by = Attribution::local("ada".parse().unwrap());
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    let event = EventDraft::new(&by, Timestamp::from_millis(0), Action::StoreRestored, String::new(), log);
    store.begin_incarnation(Incarnation::FIRST, event).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_read_of_a_load_from_elsewhere_keeps_the_node_from_serving() {
    let standby: Label = |told| Provenance { primary: false, ..told };
    let other: Label = |told| Provenance { store: StoreId::from_bytes([9; 16]), ..told };
    let labels = [(standby, false), (other, true)];
    let reads = ["identity", "live_origins", "live_secrets", "position"];
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
        assert_eq!(node.verify(key).err(), Some(Refusal::NotCurrent), "{read}");
        let started = Verifier::start_in_runtime(&process(store.clone())).await;
        // A node that starts learns the store's name from the identity.
        let learns = read == "identity" && is_other;
        assert!(learns || matches!(started, Err(StartError::Store(StoreError::Doubtful(_)))), "{read}: {started:?}");

        store.way.after(|_, _| {});
        sleep(Duration::from_secs(1)).await;
        assert!(node.verify(key).is_ok(), "{read}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_in_the_middle_is_begun_again_before_anything_is_served() {
    let store = Scripted::store();
    let (core, elsewhere) = (process(store.clone()), process(store.store.clone()));
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&elsewhere);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
    let made = issuer.create(acme, "ci".parse().unwrap(), &request()).await.unwrap();
    let key = made.value.expose().as_bytes();
    sleep(Duration::from_millis(300)).await;
    assert!(node.verify(key).is_ok());

    // The deletion is in no poll of this node's, and in no load that ends.
    store.way.hang(&["poll"]);
    issuer.delete(acme, made.key.id, &request()).await.unwrap();
    restore(&store.store).await;
    let mut pages = 0;
    store.way.before(move |call| {
        pages += usize::from(call == "live_origins");
        // The first of them hangs for as long as a page may take.
        (call == "live_origins" && pages == 1).then(|| Box::pin(sleep(MINUTE)) as Work<'static>)
    });
    for _ in 0..100 {
        sleep(Duration::from_millis(300)).await;
        assert!(node.verify(key).is_err());
    }
    assert_eq!(node.verify(key).err(), Some(Refusal::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_knows_a_history_which_ended_is_no_word_on_a_change_after_it() {
    let store = Scripted::store();
    let core = process(store.clone());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::beside(&node);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    for number in 0..3 {
        issuer.create(acme.organization.id, format!("ci-{number}").parse().unwrap(), &request()).await.unwrap();
    }
    // The store went back to before the keys, with the sessions of then, and the node has not noticed yet.
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
async fn a_node_that_serves_nothing_after_a_loss_keeps_no_writer_waiting() {
    let store = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (process(store.clone()), process(store.clone()));
    let node = Verifier::start_in_runtime(&here).await.unwrap();
    let issuer = Issuer::new(&elsewhere);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let newest = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    store.report_lost(Position { revision: Revision(newest.revision.0 + 1), ..newest }).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::NotCurrent);

    for _ in 0..3 {
        // The node tries again four times a second.
        let receipt = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap().receipt;
        assert!(receipt.waited() < Duration::from_millis(500), "{receipt:?}");
    }
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::NotCurrent);
    LossDesk::new(&elsewhere).accept(&request()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::Unknown);
}
