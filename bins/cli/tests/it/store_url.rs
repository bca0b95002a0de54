//! `--store` as people write it for other programs, and as they write it wrong.

use crate::programs::{done, refused};

#[test]
fn a_url_of_other_programs_names_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["--store", "sqlite://keys.db", "org", "create", "Acme"]);
    assert!(folder.join("keys.db").is_file());
    let absolute = format!("sqlite://{}/keys.db?mode=rw", folder.display());
    for store in ["sqlite:keys.db", "sqlite:keys.db?mode=rwc", "sqlite:k%65ys.db", &absolute] {
        assert!(done(folder, &["--store", store, "org", "list"]).contains("Acme"), "{store}");
    }
    let (status, said) = refused(folder, &["--store", "sqlite:other.db?mode=rw", "org", "create", "Acme"]);
    assert!(status == 2 && said.contains("there is no file other.db"), "{said}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

/// No refusal tells people to look whether a change was made, and none shows a password.
#[test]
fn a_wrong_url_is_a_usage_error_that_names_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    for (store, fault) in [
        ("keys.db", "write sqlite:keys.db"),
        ("sqlite:keys.db?cache=shared", "`cache`"),
        ("sqlite:keys.db?mode=ro", "mode=rw"),
        ("sqlite::memory:", "gone with this command"),
        ("postgres://ada:s3c@db.invalid/k?pgbouncer=true", "`pgbouncer`"),
        ("postgres://ada:s3c@db.invalid/k?sslmode=yes", "`sslmode`"),
        ("postgres://ada:s3c@db.invalid/k?sslrootcert=missing.pem", "missing.pem"),
        ("postgres://ada:s3c@db.invalid/k?schema=pg_catalog", "pg_catalog"),
        ("host=db.invalid password=s3c foo=1", "`foo`"),
    ] {
        let (status, said) = refused(folder.path(), &["--store", store, "org", "create", "Acme"]);
        assert!(status == 2 && said.contains(fault), "{store}: {status}: {said}");
        assert!(!said.contains("look whether") && !said.contains("s3c"), "{store}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Only a commit that was sent leaves a doubt.
#[test]
fn a_store_that_is_out_of_reach_was_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note.txt"), "not a database, but long enough to be taken for one ".repeat(40))
        .unwrap();
    for (store, cause) in [
        ("postgres://ada@127.0.0.1:1/keys?connect_timeout=1", "check that the database runs there"),
        ("sqlite:note.txt", "no SQLite database"),
    ] {
        for arguments in [&["key", "list"][..], &["org", "create", "Acme"]] {
            let (status, said) = refused(folder.path(), &[&["--store", store], arguments].concat());
            assert!(status == 1 && said.contains("nothing was changed") && said.contains(cause), "{status}: {said}");
        }
    }
}

#[test]
fn a_file_of_another_program_is_named_with_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE organizations (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let (status, said) = refused(folder.path(), &["--store", "sqlite:service.db", "org", "create", "Acme"]);
    assert!(
        status == 1 && said.contains("another program (organizations)") && !said.contains("look whether"),
        "{said}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
