//! Tests of the threads: many jobs at once, failing jobs, and the order of jobs.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use doorward_store::{ChangeFeed, Conflict, Doubt, KeyStore, NodeRegistry, OpenMode, Position, StoreError};
use doorward_types::SessionId;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::error::{SqliteFailure, unavailable};
use crate::settings::Settings;
use crate::{SqliteStore, opening, writer};

async fn store() -> (TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    // Queued jobs share a transaction, even on a slow machine.
    let settings = Settings { group_time: Duration::MAX, ..Settings::default() };
    let path = folder.path().join("doorward.db");
    let store = SqliteStore::open_blocking(&path, OpenMode::Create.into(), settings).unwrap();
    store
        .write(|connection| connection.execute_batch("CREATE TABLE notes (note TEXT UNIQUE)").map_err(unavailable))
        .await
        .unwrap();
    (folder, Arc::new(store))
}

type Job = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

type Work = Box<dyn FnOnce(&Connection) -> Result<(), StoreError> + Send>;

/// Queues a job, without waiting for its end.
fn queued(job: impl Future<Output = Result<(), StoreError>> + 'static) -> Job {
    let mut job: Job = Box::pin(job);
    assert!(matches!(job.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    job
}

/// Starts a write that blocks all others until the sender is used or dropped. Returns after the write has begun.
fn hold_the_writer(store: &Arc<SqliteStore>) -> (Job, Sender<()>) {
    let (let_go, wait): (_, Receiver<()>) = channel();
    let (begun, has_begun) = channel();
    let store = Arc::clone(store);
    let job = queued(async move {
        let hold = move |_: &Connection| {
            begun.send(()).unwrap();
            wait.recv().or(Ok(()))
        };
        store.write(hold).await
    });
    has_begun.recv().unwrap();
    (job, let_go)
}

fn note(connection: &Connection, text: &str) -> Result<(), StoreError> {
    crate::row::write(connection, &doorward_store_sql::sql("INSERT INTO notes VALUES ($1)").text(text))
}

/// Returns the committed notes, read by another connection.
fn notes(folder: &TempDir) -> Vec<String> {
    let connection = Connection::open(folder.path().join("doorward.db")).unwrap();
    let mut list = connection.prepare("SELECT note FROM notes ORDER BY rowid").unwrap();
    list.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn words_of_nodes_go_before_changes_and_changes_before_data() {
    let (folder, store) = store().await;
    let (held, let_go) = hold_the_writer(&store);
    let mut jobs = vec![held];
    for number in 0..100 {
        let store = Arc::clone(&store);
        let text = format!("data {number}");
        jobs.push(queued(async move { store.write(move |connection| note(connection, &text)).await }));
    }
    let its = Arc::clone(&store);
    jobs.push(queued(async move { its.write_first(|connection| note(connection, "change")).await }));
    let its = Arc::clone(&store);
    let control = crate::queue::Urgency::Control;
    jobs.push(queued(async move { its.engine.writer.run(control, |connection| note(connection, "word")).await }));
    let_go.send(()).unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    let notes = notes(&folder);
    assert_eq!(notes.len(), 102);
    assert_eq!(notes[..3], ["word", "change", "data 0"]);
}

#[tokio::test]
async fn a_write_that_fails_does_not_fail_those_that_are_committed_with_it() {
    let (folder, store) = store().await;
    let (held, let_go) = hold_the_writer(&store);
    let write = |work: Work| {
        let store = Arc::clone(&store);
        queued(async move { store.write(work).await })
    };
    let first = write(Box::new(|connection| note(connection, "first")));
    let twice = write(Box::new(|connection| note(connection, "second").and_then(|()| note(connection, "first"))));
    let panics = write(Box::new(|connection| {
        note(connection, "third").unwrap();
        panic!("a fault of the program")
    }));
    let (path, seen) = (folder.path().join("doorward.db"), Arc::new(Mutex::new(None)));
    let sees = Arc::clone(&seen);
    let last = write(Box::new(move |connection| {
        let count = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap()
        };
        *sees.lock().unwrap() = Some((count(connection), count(&Connection::open(&path).unwrap())));
        note(connection, "last")
    }));
    let_go.send(()).unwrap();
    held.await.unwrap();
    first.await.unwrap();
    let refused = twice.await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Duplicate))), "{refused:?}");
    assert!(matches!(panics.await, Err(StoreError::Unavailable(_))));
    last.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some((1, 0)), "they shared a transaction");
    assert_eq!(notes(&folder), ["first", "last"]);
}

/// After a failed commit, every write fails, also a write that was refused because of uncommitted rows.
#[tokio::test]
async fn a_commit_that_fails_fails_for_all_that_share_it() {
    let (folder, store) = store().await;
    let path = folder.path().join("doorward.db");
    let (held, let_go) = hold_the_writer(&store);
    let write = |work: Work| {
        let store = Arc::clone(&store);
        queued(async move { store.write(work).await })
    };
    let other_name = folder.path().join("other.db");
    let its = other_name.clone();
    let shared = [
        write(Box::new(|connection| note(connection, "first"))),
        write(Box::new(|connection| note(connection, "first"))),
        write(Box::new(move |_| std::fs::hard_link(path, its).or(Ok(())))),
    ];
    let_go.send(()).unwrap();
    for job in shared.into_iter().chain([held]) {
        let failed = job.await;
        assert!(matches!(failed, Err(StoreError::Doubtful(Doubt::Moved(_)))), "{failed:?}");
    }
    std::fs::remove_file(other_name).unwrap();
    assert_eq!(notes(&folder), [""; 0]);
    store.write(|connection| note(connection, "later")).await.unwrap();
    assert_eq!(notes(&folder), ["later"]);
}

/// The files may be moved between the last check and the commit.
#[test]
fn a_commit_into_a_file_that_was_moved_meanwhile_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other_name) = (folder.path().join("doorward.db"), folder.path().join("other.db"));
    let (mut connection, files) = opening::open(&path, OpenMode::Create.into(), Settings::default()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE; CREATE TABLE notes (note)").unwrap();
    let moved = move || std::fs::hard_link(&path, &other_name).is_err();
    connection.commit_hook(Some(moved)).unwrap();
    assert!(matches!(writer::commit(&connection, &files), Err(SqliteFailure::OutcomeUnknown)));
    assert!(connection.is_autocommit());
}

#[tokio::test]
async fn a_write_that_ends_the_transaction_fails_those_that_share_it() {
    let (folder, store) = store().await;
    let (held, let_go) = hold_the_writer(&store);
    let (its, other) = (Arc::clone(&store), Arc::clone(&store));
    let first = queued(async move { its.write(|connection| note(connection, "first")).await });
    // SQLite does the same by itself if the disk is full.
    let ends =
        queued(
            async move { other.write(|connection| connection.execute_batch("ROLLBACK").map_err(unavailable)).await },
        );
    let_go.send(()).unwrap();
    for job in [held, first, ends] {
        match job.await {
            Err(StoreError::Unavailable(source)) => assert!(source.to_string().contains("try again")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(notes(&folder), [""; 0]);
    store.write(|connection| note(connection, "later")).await.unwrap();
}

#[tokio::test]
async fn a_write_whose_caller_went_away_before_it_began_is_not_begun() {
    let (folder, store) = store().await;
    let (held, let_go) = hold_the_writer(&store);
    let its = Arc::clone(&store);
    drop(queued(async move { its.write(|connection| note(connection, "given up")).await }));
    let_go.send(()).unwrap();
    held.await.unwrap();
    store.write(|connection| note(connection, "later")).await.unwrap();
    assert_eq!(notes(&folder), ["later"]);
}

#[tokio::test]
async fn requests_that_hold_every_thread_delay_no_node() {
    let (_folder, store) = store().await;
    let control = store.control().unwrap();
    let (let_go, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let mut held = Vec::new();
    for number in 0..10 {
        let (its, wait) = (Arc::clone(&store), Arc::clone(&wait));
        let hold = move |_: &rusqlite::Transaction<'_>| wait.lock().unwrap().recv().or(Ok(()));
        held.push(queued(async move { if number % 2 == 0 { its.read(hold).await } else { its.scan(hold).await } }));
    }
    let (writes, let_writes_go) = hold_the_writer(&store);
    for _ in 0..3 {
        control.poll(SessionId::from_u128(1), Position::default()).await.unwrap();
        control.sessions().await.unwrap();
        control.identity().await.unwrap();
        control.active_secrets(None, 10).await.unwrap().proved_of_any_store().unwrap();
        control.position().await.unwrap().proved_of_any_store().unwrap();
    }
    drop((let_go, let_writes_go));
    for job in held {
        job.await.unwrap();
    }
    writes.await.unwrap();
}

#[tokio::test]
async fn long_reads_do_not_hold_up_short_ones() {
    let (_folder, store) = store().await;
    let (let_go, wait) = channel::<()>();
    let its = Arc::clone(&store);
    let scan = queued(async move { its.scan(move |_| wait.recv().or(Ok(()))).await });
    store.position().await.unwrap().proved_of_any_store().unwrap();
    drop(let_go);
    scan.await.unwrap();
}

#[tokio::test]
async fn what_is_queued_is_done_before_the_store_closes() {
    let (folder, store) = store().await;
    let (held, let_go) = hold_the_writer(&store);
    let its = Arc::clone(&store);
    let write = queued(async move { its.write(|connection| note(connection, "queued")).await });
    let mut closed = Box::pin(store.close());
    assert!(matches!(closed.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    let_go.send(()).unwrap();
    closed.await.unwrap();
    held.await.unwrap();
    write.await.unwrap();
    assert_eq!(notes(&folder), ["queued"]);
    assert!(matches!(store.write(|connection| note(connection, "late")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.position().await, Err(StoreError::Unavailable(_))));
    let late = store.control().unwrap();
    assert!(matches!(late.position().await, Err(StoreError::Unavailable(_))));
}
