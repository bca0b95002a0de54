//! Backups and restores are complete, or refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_audit::{Action, Attribution, EventDraft};
use doorward_store::{
    AuditLog, ChangeFeed, EventFilter, KeyStore, NodeRegistry, OpenMode, Page, Scope, Session, StoreError,
    StoreIdentity,
};
use doorward_store_sqlite::{BackupProgress, Restored, SqliteStore, restore};
use doorward_types::{Environment, Incarnation, OrganizationId, SessionId, Timestamp};
use tempfile::TempDir;

fn event(action: Action) -> EventDraft {
    EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(1),
        action,
        "a subject".to_owned(),
        (OrganizationId::INSTALLATION, Environment::Production),
    )
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    /// Returns an open store with this number of events.
    async fn store(&self, name: &str, events: usize) -> SqliteStore {
        let store = SqliteStore::open(self.path(name), OpenMode::Create).await.unwrap();
        for _ in 0..events {
            store.record(event(Action::AuditLogExported)).await.unwrap();
        }
        store
    }

    /// Makes a backup of a store with this number of events and a session.
    async fn backup(&self, name: &str, events: usize) -> StoreIdentity {
        let store = self.store("source.db", events).await;
        let session = Session { id: SessionId::from_u128(7), lease: std::time::Duration::from_secs(3) };
        store.register(session).await.unwrap();
        store.backup(self.path(name), &mut |_| {}).await.unwrap();
        let identity = identity(&store).await;
        drop(store);
        std::fs::remove_file(self.path("source.db")).unwrap();
        identity
    }

    async fn restore(&self, from: &str, to: &str) -> Result<Restored, StoreError> {
        restore(self.path(from), self.path(to), event(Action::StoreRestored)).await
    }

    /// Opens the store. Returns the actions of its log, the oldest first.
    async fn actions(&self, name: &str) -> Vec<Action> {
        let store = SqliteStore::open(self.path(name), OpenMode::Existing).await.unwrap();
        actions(&store).await
    }
}

async fn identity(store: &SqliteStore) -> StoreIdentity {
    store.identity().await.unwrap().proved_of_any_store().unwrap().1
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the core, which mints scopes")]
async fn actions(store: &SqliteStore) -> Vec<Action> {
    let scope = Scope::assertion(OrganizationId::INSTALLATION, Environment::Production);
    let events = store.events(&scope, &EventFilter::default(), Page::first(10_000)).await.unwrap();
    events.into_iter().rev().map(|event| event.draft.action).collect()
}

fn reason(refused: Result<impl std::fmt::Debug, StoreError>) -> String {
    match refused {
        Err(StoreError::Unavailable(source)) => source.to_string(),
        Err(error @ StoreError::ForeignTables { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn is_private(path: &Path) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777 == 0o600
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_during_writes_is_complete() {
    let folder = Folder::new();
    let store = Arc::new(folder.store("doorward.db", 100).await);
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000)
                INSERT INTO lost_changes SELECT n, 'an operation', 1 FROM n";
    rusqlite::Connection::open(folder.path("doorward.db")).unwrap().execute(many, []).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (its, stops) = (Arc::clone(&store), Arc::clone(&stop));
    let writes = tokio::spawn(async move {
        while !stops.load(Ordering::Relaxed) {
            its.record(event(Action::AuditLogExported)).await.unwrap();
        }
    });
    for number in 0..5 {
        let to = folder.path(&format!("{number}.db"));
        let before = actions(&store).await.len();
        let mut reports: Vec<BackupProgress> = vec![];
        let done = store.backup(&to, &mut |progress| reports.push(progress)).await.unwrap();
        let after = actions(&store).await.len();
        assert_eq!((done.bytes, done.incarnation), (to.metadata().unwrap().len(), Incarnation::FIRST));
        assert!(!reports.is_empty() && reports.is_sorted_by_key(|report| report.bytes));
        assert!(is_private(&to));
        assert!(!folder.names().iter().any(|name| name.contains("partial")));
        let copied = folder.actions(&format!("{number}.db")).await.len();
        assert!((before..=after).contains(&copied), "{before} {copied} {after}");
    }
    stop.store(true, Ordering::Relaxed);
    writes.await.unwrap();
}

#[tokio::test]
async fn a_cancelled_backup_leaves_no_file() {
    let folder = Folder::new();
    let store = folder.store("doorward.db", 1).await;
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 200000)
                INSERT INTO lost_changes SELECT n, 'an operation', 1 FROM n";
    rusqlite::Connection::open(folder.path("doorward.db")).unwrap().execute(many, []).unwrap();
    let (told, begun) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let to = folder.path("backup.db");
    let mut report = |_| {
        if let Some(told) = told.take() {
            told.send(()).unwrap();
        }
    };
    {
        let backup = std::pin::pin!(store.backup(&to, &mut report));
        futures_util::future::select(backup, begun).await;
    }
    store.close().await.unwrap();
    let names = folder.names();
    assert!(names == ["doorward.db"] || names == ["backup.db", "doorward.db"], "{names:?}");
}

#[tokio::test]
async fn a_backup_overwrites_no_file() {
    let folder = Folder::new();
    let store = folder.store("doorward.db", 1).await;
    let (to, partial) = (folder.path("backup.db"), folder.path("backup.db.partial"));
    for taken in [&to, &partial] {
        std::fs::write(taken, "mine").unwrap();
        assert!(reason(store.backup(&to, &mut |_| {}).await).contains("exists"));
        assert_eq!(std::fs::read(taken).unwrap(), b"mine");
        std::fs::remove_file(taken).unwrap();
    }
    let nowhere = folder.path("no folder").join("backup.db");
    assert!(reason(store.backup(&nowhere, &mut |_| {}).await).contains("check the path"));
    store.backup(&to, &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_restored_backup_replaces_a_store() {
    let folder = Folder::new();
    let backed_up = folder.backup("backup.db", 3).await;
    let before = std::fs::read(folder.path("backup.db")).unwrap();
    drop(folder.store("doorward.db", 5).await);
    let restored = folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!((restored.identity.id, restored.identity.incarnation), (backed_up.id, Incarnation(2)));
    assert_eq!(restored.damaged, None);
    assert_eq!(folder.names(), ["backup.db", "doorward.db"]);
    assert!(is_private(&folder.path("doorward.db")));
    let actions = folder.actions("doorward.db").await;
    assert_eq!(actions, [[Action::AuditLogExported; 3].as_slice(), &[Action::StoreRestored]].concat());
    let store = SqliteStore::open(folder.path("doorward.db"), OpenMode::Existing).await.unwrap();
    assert_eq!(identity(&store).await, restored.identity);
    let sessions = store.sessions().await.unwrap().proved_of_any_store().unwrap().1;
    assert_eq!(sessions, [], "a session of the backup remains");
    assert_eq!(std::fs::read(folder.path("backup.db")).unwrap(), before);
    drop(store);

    // The new incarnation is higher than the backup's and the store's.
    for incarnation in [3, 4] {
        let restored = folder.restore("backup.db", "doorward.db").await.unwrap();
        assert_eq!(restored.identity.incarnation, Incarnation(incarnation));
    }
    let elsewhere = folder.restore("doorward.db", "elsewhere.db").await.unwrap();
    assert_eq!(elsewhere.identity.incarnation, Incarnation(5));
}

#[tokio::test]
async fn a_leftover_log_is_not_replayed_into_the_restored_store() {
    let folder = Folder::new();
    folder.backup("backup.db", 3).await;
    let store = folder.store("live.db", 200).await;
    // Leaves the files as after a power loss: the writes are only in the log.
    for suffix in ["", "-wal"] {
        std::fs::copy(folder.path(&format!("live.db{suffix}")), folder.path(&format!("doorward.db{suffix}"))).unwrap();
    }
    drop(store);
    folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!(folder.names(), ["backup.db", "doorward.db", "live.db"]);
    assert_eq!(folder.actions("doorward.db").await.len(), 4);
    // The same without the store that the log belongs to.
    std::fs::remove_file(folder.path("doorward.db")).unwrap();
    std::fs::write(folder.path("doorward.db-wal"), "left over").unwrap();
    folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!(folder.names(), ["backup.db", "doorward.db", "live.db"]);
    assert_eq!(folder.actions("doorward.db").await.len(), 4);
}

#[tokio::test]
async fn a_backup_is_restored_with_its_own_log() {
    let folder = Folder::new();
    let store = folder.store("live.db", 20).await;
    for suffix in ["", "-wal"] {
        std::fs::copy(folder.path(&format!("live.db{suffix}")), folder.path(&format!("backup.db{suffix}"))).unwrap();
    }
    drop(store);
    let log = std::fs::read(folder.path("backup.db-wal")).unwrap();
    folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!(folder.actions("doorward.db").await.len(), 21);
    assert_eq!(std::fs::read(folder.path("backup.db-wal")).unwrap(), log);
}

const STORE: &str = "DOORWARD_TEST_CHILD_HOLDS";

/// Another process that keeps the store open until it is told to end.
#[tokio::test]
#[ignore = "no test: the tests below run it"]
async fn child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    // Opens a damaged file in the same way as SQLite does if it has read it.
    let store = SqliteStore::open(&path, OpenMode::Existing).await;
    println!("has it open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(store);
}

/// Starts the other process. It ends when its standard input closes, and needs its standard output until then.
fn hold(path: &Path) -> (Child, (ChildStdin, impl Sized + use<>)) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "backup::child", "--nocapture"]).env(STORE, path);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("has it open")));
    let stdin = child.stdin.take().unwrap();
    (child, (stdin, said))
}

#[tokio::test]
async fn an_open_store_is_not_replaced() {
    let folder = Folder::new();
    folder.backup("backup.db", 3).await;
    let store = folder.store("doorward.db", 5).await;
    assert!(reason(folder.restore("backup.db", "doorward.db").await).contains("stop all programs"));
    assert_eq!(actions(&store).await.len(), 5);
    drop(store);
    let (mut child, streams) = hold(&folder.path("doorward.db"));
    assert!(reason(folder.restore("backup.db", "doorward.db").await).contains("stop all programs"));
    // The same if the file was damaged in the meantime.
    let page = std::fs::read(folder.path("doorward.db")).unwrap();
    let damage = |bytes: &[u8]| {
        use std::os::unix::fs::FileExt;
        std::fs::File::options().write(true).open(folder.path("doorward.db")).unwrap().write_at(bytes, 0).unwrap();
    };
    damage(&[7; 200]);
    assert!(reason(folder.restore("backup.db", "doorward.db").await).contains("stop all programs"));
    damage(&page[..200]);
    drop(streams.0);
    assert!(child.wait().unwrap().success());
    assert_eq!(folder.actions("doorward.db").await.len(), 5);
    folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!(folder.actions("doorward.db").await.len(), 4);
}

#[tokio::test]
async fn a_damaged_store_is_moved_aside() {
    let folder = Folder::new();
    folder.backup("backup.db", 3).await;
    std::fs::write(folder.path("doorward.db"), "no database").unwrap();
    std::fs::write(folder.path("doorward.db-wal"), "no log").unwrap();
    let restored = folder.restore("backup.db", "doorward.db").await.unwrap();
    assert_eq!(restored.damaged, Some(folder.path("doorward.db.damaged")));
    assert_eq!(folder.names(), ["backup.db", "doorward.db", "doorward.db.damaged", "doorward.db.damaged-wal"]);
    assert_eq!(std::fs::read(folder.path("doorward.db.damaged")).unwrap(), b"no database");
    assert_eq!(folder.actions("doorward.db").await.len(), 4);
}

#[tokio::test]
async fn a_refused_restore_leaves_the_store_unchanged() {
    let folder = Folder::new();
    folder.backup("backup.db", 300).await;
    drop(folder.store("doorward.db", 5).await);
    let backup = std::fs::read(folder.path("backup.db")).unwrap();
    let mut damaged = backup.clone();
    damaged[8_192..40_000].fill(7);
    std::fs::write(folder.path("damaged.db"), damaged).unwrap();
    std::fs::write(folder.path("cut off.db"), &backup[..backup.len() / 2]).unwrap();
    std::fs::write(folder.path("text.db"), "text").unwrap();
    rusqlite::Connection::open(folder.path("theirs.db")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    std::fs::copy(folder.path("backup.db"), folder.path("newer.db")).unwrap();
    let newer = rusqlite::Connection::open(folder.path("newer.db")).unwrap();
    newer.execute_batch("UPDATE store SET oldest_schema = 999; PRAGMA user_version = 999").unwrap();
    std::fs::copy(folder.path("backup.db"), folder.path("half.db")).unwrap();
    rusqlite::Connection::open(folder.path("half.db")).unwrap().execute("DELETE FROM revision", []).unwrap();
    let names = folder.names();
    for from in ["damaged.db", "cut off.db", "text.db", "theirs.db", "newer.db", "half.db", "missing.db", "doorward.db"]
    {
        let refused = folder.restore(from, "doorward.db").await;
        assert!(refused.is_err(), "{from}: {refused:?}");
        assert_eq!(folder.names(), names, "{from}");
        assert_eq!(folder.actions("doorward.db").await.len(), 5, "{from}");
    }
    // A backup also does not replace a file that is not a store.
    assert!(reason(folder.restore("backup.db", "theirs.db").await).contains("another program"));
    std::fs::hard_link(folder.path("doorward.db"), folder.path("link.db")).unwrap();
    assert!(reason(folder.restore("backup.db", "doorward.db").await).contains("hard links"));
}
