//! Opened and refused databases, and several nodes that start at once.

use std::collections::BTreeSet;
use std::time::Duration;

use doorward_store::{ChangeFeed, Doubt, KeyStore, LONGEST_LEASE, Migration, OpenMode, Position, Revision, StoreError};
use doorward_store_postgres::{PostgresOptions, PostgresStore};
use doorward_test_postgres::Cluster;

use crate::support;

async fn refusal(url: &str) -> String {
    match PostgresStore::open(url, OpenMode::Create).await {
        Err(StoreError::Unavailable(reason)) => reason.to_string(),
        Err(StoreError::Settings(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_create_one_schema() {
    for _ in 0..3 {
        let url = support::empty().await;
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { PostgresStore::open(&url, OpenMode::Create).await })
            })
            .collect();
        let mut names = BTreeSet::new();
        for node in nodes {
            let node = node.await.unwrap().unwrap();
            assert_eq!(node.position().await.unwrap().proved_of_any_store().unwrap().1, Position::default());
            names.insert(node.identity().await.unwrap().provenance().store);
        }
        assert_eq!(names.len(), 1);
    }
}

#[tokio::test]
async fn no_store_is_created_if_one_was_expected() {
    let url = support::empty().await;
    let refused = PostgresStore::open(&url, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema()";
    assert!(support::connect(&url).await.query(tables, &[]).await.unwrap().is_empty());
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    assert!(PostgresStore::open(&url, OpenMode::Existing).await.is_ok());
}

#[tokio::test]
async fn an_older_program_opens_a_newer_store_that_allows_it() {
    let url = support::empty().await;
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    let server = support::connect(&url).await;
    server.batch_execute("UPDATE schema_steps SET done = 999").await.unwrap();
    let store = PostgresStore::open(&url, OpenMode::Create).await.unwrap();
    server.batch_execute("UPDATE store SET oldest_schema = 999").await.unwrap();
    let refused = PostgresStore::open(&url, OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::UnsupportedSchema { found: 999, .. })), "{refused:?}");
    // A running node notices with its next poll.
    let provenance = *store.identity().await.unwrap().provenance();
    let doubt = provenance.prove(provenance.store);
    assert!(matches!(doubt, Err(Doubt::TooOld { needs: 999, .. })), "{doubt:?}");
}

/// A store as the previous release left it.
#[tokio::test]
async fn an_older_store_is_migrated_with_its_data() {
    let url = support::empty().await;
    let server = support::connect(&url).await;
    let schema = include_str!("../../migrations/schema.sql");
    let older = schema.split_once("CREATE TABLE store").unwrap().0;
    server.batch_execute(older).await.unwrap();
    let code = older.lines().filter(|line| !line.starts_with("--")).collect::<String>();
    let done = code.matches(';').count();
    let rest = format!(
        "CREATE TABLE schema_steps (id BIGINT NOT NULL PRIMARY KEY, done BIGINT NOT NULL);
         INSERT INTO schema_steps VALUES (1, {done});
         INSERT INTO organizations VALUES ('org_1', 'Acme', 1);
         INSERT INTO idempotency_keys VALUES ('ada', 'once', 'key_1', 7), ('ada', 'twice', 'key_2', 8)"
    );
    server.batch_execute(&rest).await.unwrap();
    // A caller that expects a store does not want it changed.
    let refused = PostgresStore::open(&url, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::OlderSchema { found, .. }) if found == done as i64), "{refused:?}");
    let state = url.parse::<PostgresOptions>().unwrap().schema_state().await.unwrap();
    assert!(state.found == done as u64 && state.missing() > 0, "{state:?}");
    let store = PostgresStore::open(&url, OpenMode::Existing.with_migration(Migration::IfAlone)).await.unwrap();
    let known = store
        .operation(&"ada".parse().unwrap(), &"twice".parse().unwrap())
        .await
        .unwrap()
        .proved_of_any_store()
        .unwrap()
        .1
        .unwrap();
    assert_eq!((known.subject.as_str(), known.request, known.revision), ("key_2", None, Revision(0)));
    let (_, identity) = store.identity().await.unwrap().proved_of_any_store().unwrap();
    // Nodes of that release did not record the length of their leases.
    assert_eq!(identity.longest_lease, LONGEST_LEASE);
    let fresh = PostgresStore::open(&support::empty().await, OpenMode::Create).await.unwrap();
    let (_, other) = fresh.identity().await.unwrap().proved_of_any_store().unwrap();
    assert_eq!(other.longest_lease, Duration::ZERO);
    assert_ne!(other.id, identity.id);
}

/// A creation that was killed half-way is no older store: it goes on, and until then there is no store.
#[tokio::test]
async fn a_store_whose_creation_was_cut_off_is_created_to_its_end() {
    let url = support::empty().await;
    let server = support::connect(&url).await;
    let schema = include_str!("../../migrations/schema.sql");
    let begun = schema.split_once("CREATE TABLE store").unwrap().0;
    let code = begun.lines().filter(|line| !line.starts_with("--")).collect::<String>();
    let counter = format!(
        "CREATE TABLE schema_steps (id BIGINT NOT NULL PRIMARY KEY, done BIGINT NOT NULL);
         INSERT INTO schema_steps VALUES (1, {})",
        code.matches(';').count()
    );
    server.batch_execute(&format!("{begun};{counter}")).await.unwrap();
    let refused = PostgresStore::open(&url, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let store = PostgresStore::open(&url, OpenMode::Create.with_migration(Migration::Never)).await.unwrap();
    store.identity().await.unwrap();
}

/// While a migration waited for another session's lock on a table, every later statement on the table would wait behind it.
#[tokio::test]
async fn a_migration_that_waits_for_another_session_stops_no_node() {
    let url = support::empty().await;
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    let (dump, node) = (support::connect(&url).await, support::connect(&url).await);
    // Undoes the last migration.
    let older = "ALTER TABLE secrets DROP COLUMN quarantined_at; UPDATE schema_steps SET done = done - 1";
    node.batch_execute(older).await.unwrap();
    dump.batch_execute("BEGIN; LOCK TABLE secrets IN ACCESS SHARE MODE").await.unwrap();
    let migrating = tokio::spawn(async move {
        PostgresStore::open(&url, OpenMode::Existing.with_migration(Migration::Always)).await.map(drop)
    });
    let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'secrets'::regclass)";
    while !node.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(!migrating.is_finished(), "the last migration changes another table now");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let read = tokio::time::timeout(Duration::from_mins(2), node.query("SELECT locator FROM secrets", &[])).await;
    read.expect("the migration gives way").unwrap();
    assert!(!migrating.is_finished());
    dump.batch_execute("COMMIT").await.unwrap();
    migrating.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_opening_error_names_the_cause_and_the_cure() {
    let server = support::server();
    let refused = refusal(&support::with(&server, "sslrootcert=no-such-ca.pem")).await;
    assert!(refused.contains("sslrootcert") && refused.contains("no-such-ca.pem"), "{refused}");
    let refused = refusal(&server.replace("/postgres?", "/nowhere?")).await;
    assert!(refused.contains("\"nowhere\" does not exist") && refused.contains("create"), "{refused}");
    let refused = refusal(&server.replace("postgres@", "nobody@")).await;
    assert!(refused.contains("\"nobody\" does not exist") && refused.contains("user"), "{refused}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = refusal(&format!("postgres://postgres@{closed}/postgres?sslmode=disable")).await;
    assert!(refused.contains(&closed.to_string()) && refused.contains("correct the store's URL"), "{refused}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let refused = refusal(&format!("postgres://postgres@{silent}/postgres?sslmode=disable&connect_timeout=1")).await;
    assert!(refused.contains("connect_timeout"), "{refused}");

    let url = support::empty().await;
    let admin = support::connect(&url).await;
    let role = format!("visitor_{}", std::process::id());
    let schema: String = admin.query_one("SELECT current_schema()", &[]).await.unwrap().get(0);
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}")).await.unwrap();
    let refused = refusal(&url.replace("postgres@", &format!("{role}@"))).await;
    assert!(refused.contains("permission denied") && refused.contains("grant"), "{refused}");
    admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

/// A wrong setting is no outage: a retry cannot help.
#[tokio::test]
async fn a_wrong_url_is_told_apart_from_an_outage() {
    let closed = "postgres://postgres@127.0.0.1:1/postgres?sslmode=disable";
    let down = PostgresStore::open(closed, OpenMode::Create).await;
    assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    for (parameter, named) in [
        ("pgbouncer=true", "`pgbouncer`"),
        ("statement_cache_capacity=0", "`statement_cache_capacity`"),
        ("sslkey=a.pem", "`sslcert` and `sslkey`"),
        ("schema=pg_temp", "pg_temp"),
        ("port=1,2", "one port"),
    ] {
        let refused =
            PostgresStore::open(&support::with("postgres://postgres@127.0.0.1/a", parameter), OpenMode::Create).await;
        assert!(matches!(&refused, Err(StoreError::Settings(fault)) if fault.contains(named)), "{refused:?}");
    }
    let server: tokio_postgres::Config = support::server().parse().unwrap();
    let port = server.get_ports().first().copied().unwrap_or(5432);
    let listed = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable schema='no such'");
    assert!(
        PostgresStore::open(&listed, OpenMode::Existing)
            .await
            .is_err_and(|error| matches!(error, StoreError::NotFound))
    );
}

/// The server asks for a password, and the given one is wrong.
#[tokio::test]
async fn a_wrong_password_is_reported_as_such() {
    let cluster = Cluster::start(&[]).unwrap();
    let admin = support::connect(&cluster.url()).await;
    let file: String = admin.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    let ask = format!(
        "ALTER ROLE postgres PASSWORD 'right'; COPY (SELECT 'host all all all scram-sha-256') TO '{file}'; SELECT pg_reload_conf()"
    );
    admin.batch_execute(&ask).await.unwrap();
    let with = |password: &str| cluster.url().replace("postgres@", &format!("postgres:{password}@"));
    let refused = support::comes(async {
        loop {
            // Until the server has read the file, it asks for no password.
            match PostgresStore::open(&with("wrong"), OpenMode::Create).await {
                Err(StoreError::Unavailable(reason)) => return reason.to_string(),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await;
    assert!(
        refused.contains("password authentication failed") && refused.contains("correct the user and the password"),
        "{refused}"
    );
    assert!(PostgresStore::open(&with("right"), OpenMode::Create).await.is_ok());
}

#[tokio::test]
async fn a_server_that_may_lose_acknowledged_commits_is_refused() {
    let url = support::empty().await;
    let relaxed = support::with(&url, "options=-csynchronous_commit%3Doff");
    assert!(refusal(&relaxed).await.contains("synchronous_commit=off"));
    let cluster = Cluster::start(&["fsync=off"]).unwrap();
    assert!(refusal(&cluster.url()).await.contains("fsync=off"));
}

#[tokio::test]
async fn a_standby_is_refused_until_it_is_promoted() {
    let primary = Cluster::start(&[]).unwrap();
    drop(PostgresStore::open(&primary.url(), OpenMode::Create).await.unwrap());
    let standby = primary.standby("second").unwrap();
    let refused = PostgresStore::open(&standby.url(), OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::Doubtful(Doubt::Standby))), "{refused:?}");
    // Of both hosts, the writable one is found.
    let (first, second) = (primary.port(), standby.port());
    let both = format!("postgres://postgres@127.0.0.1:{second},127.0.0.1:{first}/postgres?sslmode=disable");
    assert!(PostgresStore::open(&both, OpenMode::Existing).await.is_ok());
    primary.stop("immediate").unwrap();
    standby.promote().unwrap();
    let store = PostgresStore::open(&both, OpenMode::Existing).await.unwrap();
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1, Position::default());
}
