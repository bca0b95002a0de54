//! The life of a store's files: moved, removed or linked while the store is open, and left after it is closed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_store::{AuditLog, ChangeFeed, Doubt, KeyStore, NodeRegistry, OpenMode, Position, StoreError};
use doorward_store_sqlite::SqliteStore;
use doorward_types::{Environment, OrganizationId, SessionId, Timestamp};
use tempfile::TempDir;

fn event() -> EventDraft {
    EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(1),
        Action::AuditLogExported,
        "a subject".to_owned(),
        (OrganizationId::INSTALLATION, Environment::Production),
    )
}

/// A store with some writes that are not yet in its main file.
async fn open() -> (TempDir, PathBuf, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let store = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
    store.record(event()).await.unwrap();
    (folder, path, Arc::new(store))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

fn files(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

async fn events(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("SELECT count(*) FROM audit_events", [], |row| row.get(0)).unwrap()
}

/// Actions of operators after which other processes open another file than this process has.
#[tokio::test]
async fn a_store_with_replaced_files_is_no_longer_read_or_written() {
    type Deed = (&'static str, fn(&Path));
    let deeds: [Deed; 6] = [
        ("moved away", |path| std::fs::rename(path, beside(path, ".old")).unwrap()),
        ("removed", |path| std::fs::remove_file(path).unwrap()),
        ("replaced by a copy", |path| {
            std::fs::copy(path, beside(path, ".copy")).unwrap();
            std::fs::rename(beside(path, ".copy"), path).unwrap();
        }),
        ("linked to", |path| std::fs::hard_link(path, beside(path, ".link")).unwrap()),
        ("without its -shm", |path| std::fs::remove_file(beside(path, "-shm")).unwrap()),
        ("without its -wal", |path| std::fs::remove_file(beside(path, "-wal")).unwrap()),
    ];
    for (deed, touch) in deeds {
        let (_folder, path, store) = open().await;
        let control = store.control().unwrap();
        let session = SessionId::from_u128(1);
        let poll = async || control.poll(session, Position::default()).await;
        // The second poll takes the fast path.
        poll().await.unwrap();
        poll().await.unwrap();
        control.position().await.unwrap().proved_of_any_store().unwrap();
        touch(&path);
        let is_moved = |error: &StoreError| matches!(error, StoreError::Doubtful(Doubt::Moved(_)));
        assert!(poll().await.is_err_and(|error| is_moved(&error)), "{deed}");
        assert!(store.record(event()).await.is_err_and(|error| is_moved(&error)), "{deed}");
        assert!(control.position().await.is_err_and(|error| is_moved(&error)), "{deed}");
        assert!(store.position().await.is_err_and(|error| is_moved(&error)), "{deed}");
        assert!(control.acknowledge(session, Position::default()).await.is_err_and(|error| is_moved(&error)));
        let late = store.control().unwrap();
        assert!(late.position().await.is_err_and(|error| is_moved(&error)), "{deed}");
    }
}

#[tokio::test]
async fn a_store_whose_files_are_put_back_continues() {
    let (_folder, path, store) = open().await;
    std::fs::rename(&path, beside(&path, ".old")).unwrap();
    assert!(store.position().await.is_err());
    std::fs::rename(beside(&path, ".old"), &path).unwrap();
    store.record(event()).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let (folder, path, store) = open().await;
    let control = store.control().unwrap();
    control.position().await.unwrap().proved_of_any_store().unwrap();
    assert_eq!(files(&folder), ["doorward.db", "doorward.db-shm", "doorward.db-wal"]);
    store.close().await.unwrap();
    assert_eq!(files(&folder), ["doorward.db"]);
    assert_eq!(events(&path).await, 1);
    store.close().await.unwrap();
    drop((store, control));
    assert_eq!(files(&folder), ["doorward.db"]);
}

#[tokio::test]
async fn a_dropped_store_is_one_file() {
    let (folder, path, store) = open().await;
    let control = store.control().unwrap();
    control.position().await.unwrap().proved_of_any_store().unwrap();
    // The last handle closes the file.
    drop(store);
    control.position().await.unwrap().proved_of_any_store().unwrap();
    drop(control);
    assert_eq!(files(&folder), ["doorward.db"]);
    assert_eq!(events(&path).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_dropped_with_its_last_task() {
    let (folder, path, store) = open().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.record(event()).await })
        })
        .collect();
    drop(store);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(files(&folder), ["doorward.db"]);
    assert_eq!(events(&path).await, 21);
}

const STORE: &str = "DOORWARD_TEST_CHILD_READS";

/// Another process that reads and closes the store as `sqlite3 .backup` does. Older versions of SQLite then remove the log if
/// no process holds a lock on the store.
#[test]
#[ignore = "no test: the tests below run it"]
fn child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap_err();
    let connection = rusqlite::Connection::open(path).unwrap();
    let count: i64 = connection.query_row("SELECT count(*) FROM audit_events", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

/// A process that opens and closes the file a second time would drop its own locks, and another process would think that it is
/// the last.
#[tokio::test]
async fn another_process_leaves_the_log_of_a_store_that_was_opened_twice() {
    let (folder, path, store) = open().await;
    let again = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
    again.position().await.unwrap().proved_of_any_store().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--ignored", "--exact", "life::child"]).env(STORE, &path).output().unwrap();
    assert!(child.status.success(), "{child:?}");
    assert_eq!(files(&folder), ["doorward.db", "doorward.db-shm", "doorward.db-wal"]);
    store.record(event()).await.unwrap();
    drop(again);
    assert_eq!(files(&folder), ["doorward.db", "doorward.db-shm", "doorward.db-wal"]);
    store.record(event()).await.unwrap();
}
