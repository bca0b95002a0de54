//! What is opened, what is refused, and what the file system sees of it.

use std::os::unix::fs::PermissionsExt;

use doorward_store::OpenMode;
use doorward_store::{Coherence, Position, StoreError};
use doorward_store_sqlite::SqliteStore;

#[tokio::test]
async fn a_store_is_made_private_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    for _ in 0..2 {
        let store = SqliteStore::open(&path, OpenMode::Create).await.unwrap();
        assert_eq!(store.position().await.unwrap(), Position::default());
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
async fn no_file_is_made_where_one_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typo.db");
    let refused = SqliteStore::open(&path, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_newer_schema_stops_an_older_program_early() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    drop(SqliteStore::open(&path, OpenMode::Create).await.unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let refused = SqliteStore::open(&path, OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::UnsupportedSchema { found: 999, .. })), "{refused:?}");
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "dear diary, ".repeat(1_000)).unwrap();
    for path in [&foreign, &text] {
        let before = std::fs::read(path).unwrap();
        let refused = SqliteStore::open(path, OpenMode::Create).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[tokio::test]
async fn many_processes_may_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let starts: Vec<_> = (0..8).map(|_| tokio::spawn(SqliteStore::open(path.clone(), OpenMode::Create))).collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}
