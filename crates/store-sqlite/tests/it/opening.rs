//! Opening a store: the refused files, and the files that an open store makes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it left out")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use doorward_key::KeyPrefix;
use doorward_store::{ChangeFeed, Doubt, NodeRegistry, OpenMode, Position, Session, StoreError};
use doorward_store_sqlite::SqliteStore;
use doorward_types::SessionId;

#[tokio::test]
async fn a_store_is_created_private_and_can_be_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    for _ in 0..2 {
        let store = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
        assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1, Position::default());
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }
}

#[tokio::test]
async fn a_store_is_in_wal_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn no_file_is_created_if_one_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typo.db");
    let refused = SqliteStore::open(&path, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_newer_store_is_opened_if_it_allows_older_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    newer.execute("UPDATE store SET oldest_schema = 999", []).unwrap();
    let refused = SqliteStore::open(&path, OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::UnsupportedSchema { found: 999, .. })), "{refused:?}");
}

/// A program that is older than the store's new schema must not continue with its open store.
#[tokio::test]
async fn a_store_migrated_by_a_newer_program_is_no_longer_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let store = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute("UPDATE store SET oldest_schema = 99", []).unwrap();
    let refused = store.claim_prefix(&KeyPrefix::default()).await;
    let too_old = Doubt::TooOld { needs: 99, knows: 19 };
    assert!(matches!(refused, Err(StoreError::Doubtful(ref doubt)) if *doubt == too_old), "{refused:?}");
    let found = store.identity().await.unwrap().proved_of_any_store();
    assert!(matches!(found, Err(StoreError::Doubtful(ref doubt)) if *doubt == too_old), "{found:?}");
}

/// SQLite would remove the log, and with it all data that is only there.
#[tokio::test]
async fn no_store_is_created_beside_the_log_of_a_moved_store() {
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("doorward.db"), folder.path().join("doorward.db-wal"));
    std::fs::write(&log, "what was written").unwrap();
    let opened = SqliteStore::open(&path, OpenMode::Create).await;
    assert!(matches!(opened, Err(StoreError::Unavailable(_))), "{opened:?}");
    assert_eq!(std::fs::read(&log).unwrap(), b"what was written");
    assert!(!path.exists());
}

/// Returns the name and content of every file in the folder.
fn everything(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect()
}

/// Opens the file in each mode, and returns the reason of the refusal. No file may have changed.
async fn refused(path: &Path) -> String {
    let before = everything(path.parent().unwrap());
    let mut said = String::new();
    for mode in [OpenMode::Create, OpenMode::Existing] {
        match SqliteStore::open(path, mode).await {
            Err(StoreError::Unavailable(source)) => said = source.to_string(),
            Err(error @ StoreError::ForeignTables { .. }) => said = error.to_string(),
            other => panic!("{}: {other:?}", path.display()),
        }
        assert!(everything(path.parent().unwrap()) == before, "{} was changed: {said}", path.display());
    }
    said
}

#[tokio::test]
async fn another_programs_database_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for version in 0..=10 {
        for application in [0, 0x1234] {
            let path = folder.path().join(format!("{version}-{application}.db"));
            let theirs = rusqlite::Connection::open(&path).unwrap();
            let tables = "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1); CREATE TABLE organizations (x)";
            theirs.execute_batch(tables).unwrap();
            theirs.pragma_update(None, "user_version", version).unwrap();
            theirs.pragma_update(None, "application_id", application).unwrap();
            drop(theirs);
            let said = refused(&path).await;
            assert!(
                said.contains("another program (organizations, theirs)") && said.contains("another file"),
                "{said}"
            );
        }
    }
    // A file without tables is not empty if it has a version.
    let versioned = folder.path().join("versioned.db");
    rusqlite::Connection::open(&versioned).unwrap().pragma_update(None, "user_version", 6).unwrap();
    assert!(refused(&versioned).await.contains("belongs to another program"));
}

/// SQLite writes the log into a database when its last user closes it. Only the other program may do that.
#[tokio::test]
async fn another_programs_log_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.pragma_update(None, "journal_mode", "WAL").unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("theirs.db{suffix}");
        std::fs::copy(folder.path().join(&name), copy.join(&name)).unwrap();
    }
    let before = everything(&copy);
    let refused = SqliteStore::open(copy.join("theirs.db"), OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::ForeignTables { .. })), "{refused:?}");
    let after = everything(&copy);
    assert!(before.iter().all(|(name, content)| after.get(name) == Some(content)));
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "dear diary, ".repeat(1_000)).unwrap();
    assert!(refused(&path).await.contains("no SQLite database"));
    let directory = folder.path().join("folder.db");
    std::fs::create_dir(&directory).unwrap();
    std::fs::remove_file(&path).unwrap();
    let opened = SqliteStore::open(&directory, OpenMode::Create).await;
    assert!(matches!(opened, Err(StoreError::Unavailable(_))), "{opened:?}");
}

#[tokio::test]
async fn a_file_with_two_names_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("doorward.db"), folder.path().join("other.db"));
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    std::fs::hard_link(&path, &other).unwrap();
    for name in [&path, &other] {
        assert!(refused(name).await.contains("hard links"));
    }
    std::fs::remove_file(&other).unwrap();
    SqliteStore::open(&path, OpenMode::Existing).await.unwrap();
}

/// A mount that lasts as long as this value. `None` if this test may not mount.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], what: &Path, at: &Path) -> Option<Self> {
        let mount = Command::new("mount").args(arguments).args([what, at]).stderr(Stdio::null()).status();
        if mount.is_ok_and(|done| done.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("NOT TESTED: this needs a mount, and only root may mount");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(&self.0).status().unwrap().success());
    }
}

#[tokio::test]
async fn a_disk_error_names_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mount::new(&["-t", "tmpfs", "-o", "size=1m"], "doorward".as_ref(), folder.path()) else { return };
    let path = folder.path().join("doorward.db");
    let store = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
    let mut id = 0;
    let said = loop {
        id += 1;
        let session = Session { id: SessionId::from_u128(id), lease: std::time::Duration::from_secs(3) };
        if let Err(StoreError::Unavailable(source)) = store.register(session).await {
            break source.to_string();
        }
    };
    assert!(said.contains("full") && said.contains("make room"), "{said}");
    let left = store.sessions().await.unwrap().proved_of_any_store().unwrap().1;
    assert!(!left.is_empty());
    drop(store);
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(folder.path()).status().unwrap().success());
    match SqliteStore::open(&path, OpenMode::Existing).await {
        Err(StoreError::Unavailable(source)) => {
            assert!(source.to_string().contains("mount its file system for writing"))
        }
        other => panic!("{other:?}"),
    }
    drop(disk);
}

#[tokio::test]
async fn a_file_that_is_a_mount_point_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("container");
    std::fs::create_dir(&inside).unwrap();
    let (path, mounted) = (folder.path().join("doorward.db"), inside.join("doorward.db"));
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    std::fs::write(&mounted, "").unwrap();
    let Some(_mount) = Mount::new(&["--bind"], &path, &mounted) else { return };
    assert!(refused(&mounted).await.contains("mount the folder"));
}

#[tokio::test]
async fn a_symbolic_link_is_followed_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (path, link) = (data.join("doorward.db"), folder.path().join("link.db"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let dangling = SqliteStore::open(&link, OpenMode::Create).await;
    assert!(matches!(dangling, Err(StoreError::Unavailable(_))), "{dangling:?}");
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    let store = SqliteStore::open(&link, OpenMode::Existing).await.unwrap();
    store.position().await.unwrap().proved_of_any_store().unwrap();
    // The store's other files are beside the file, not beside the link.
    assert!(data.join("doorward.db-wal").exists());
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(data.join("other.db"), &link).unwrap();
    assert!(matches!(store.position().await, Err(StoreError::Doubtful(Doubt::Moved(_)))));
}

#[tokio::test]
async fn many_processes_can_start_together() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.db"));
        let starts: Vec<_> = (0..8).map(|_| tokio::spawn(SqliteStore::open(path.clone(), OpenMode::Create))).collect();
        for start in starts {
            start.await.unwrap().unwrap();
        }
    }
}
