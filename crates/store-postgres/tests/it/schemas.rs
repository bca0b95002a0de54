//! The schema of the store, beside the schemas of a service and of another store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_store::{ChangeFeed, KeyStore, OpenMode, Page, Revision, StoreError};
use doorward_store_postgres::{PostgresOptions, PostgresStore};
use futures_util::StreamExt;
use tokio_postgres::AsyncMessage;

use crate::support::{self, changes::provision, with};

async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(url, OpenMode::Create).await
}

/// Returns the names of everything in all schemas, those of PostgreSQL excepted.
async fn everything(url: &str) -> Vec<String> {
    let names = "SELECT n.nspname || '.' || coalesce(c.relname, '') FROM pg_namespace n
                 LEFT JOIN pg_class c ON c.relnamespace = n.oid
                 WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1";
    support::connect(url).await.query(names, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Returns the number of tables of a schema.
async fn tables(url: &str, schema: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    support::connect(url).await.query_one(count, &[&schema]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_store_has_a_schema_of_its_own_beside_a_services_tables() {
    let url = support::database().await;
    let service = support::connect(&url).await;
    service.batch_execute("CREATE TABLE organizations (id BIGINT); CREATE TABLE sessions (token TEXT)").await.unwrap();
    let store = open(&url).await.unwrap();
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    assert_eq!(tables(&url, "public").await, 2);
    assert!(tables(&url, "doorward").await > 15);
    assert!(service.query("SELECT id FROM organizations", &[]).await.unwrap().is_empty());
    // The names of schemas are data: none is a piece of SQL.
    for name in ["Keys", "a.b", "quo\"te", "select", "; DROP SCHEMA public"] {
        let options: PostgresOptions = url.parse().unwrap();
        let store = options.schema(name.parse().unwrap()).open(OpenMode::Create).await.unwrap();
        assert!(store.organizations(Page::first(1)).await.unwrap().is_empty());
        assert!(tables(&url, name).await > 15, "{name}");
    }
    assert_eq!(tables(&url, "public").await, 2);
}

#[tokio::test]
async fn a_search_path_of_the_role_or_the_url_changes_nothing() {
    let url = support::database().await;
    let admin = support::connect(&url).await;
    admin.batch_execute("CREATE SCHEMA decoy; CREATE TABLE decoy.organizations (theirs TEXT)").await.unwrap();
    let astray = with(&url, "options=-csearch_path%3Ddecoy");
    let store = open(&astray).await.unwrap();
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    assert_eq!(store.organizations(Page::first(2)).await.unwrap().len(), 1);
    assert_eq!((tables(&url, "decoy").await, tables(&url, "public").await), (1, 0));
}

/// Two stores share a database: neither sees, wakes or delays the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_stores_in_one_database_are_apart() {
    let url = support::database().await;
    let (first, second) = (with(&url, "schema=first"), with(&url, "schema=second"));
    let (one, other) = (open(&first).await.unwrap(), open(&second).await.unwrap());
    let identities = [one.identity().await.unwrap(), other.identity().await.unwrap()];
    assert_ne!(identities[0].provenance().store, identities[1].provenance().store);

    let (listener, mut connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(hint) = message {
                let _ = sender.send(hint.payload().to_owned());
            }
        }
    });
    listener.batch_execute("LISTEN doorward").await.unwrap();

    // A change of the first store that hangs while it holds the lock.
    let holder = support::connect(&first).await;
    holder.batch_execute("BEGIN; SELECT value FROM revision FOR UPDATE").await.unwrap();
    let (change, context) = provision(7);
    assert_eq!(support::comes(other.change(change, context)).await.unwrap().revision, Revision(1));
    assert_eq!(support::comes(heard.recv()).await.unwrap(), "second");
    holder.batch_execute("ROLLBACK").await.unwrap();

    for revision in 1..=2_u8 {
        let (change, context) = provision(revision.into());
        assert_eq!(one.change(change, context).await.unwrap().revision, Revision(revision.into()));
        assert_eq!(support::comes(heard.recv()).await.unwrap(), "first");
    }
    assert_eq!(one.organizations(Page::first(9)).await.unwrap().len(), 2);
    assert_eq!(other.organizations(Page::first(9)).await.unwrap().len(), 1);
}

/// Tables of the first and of a late migration, an index, a view and a type.
#[tokio::test]
async fn foreign_names_are_refused_before_the_first_step() {
    for (theirs, name) in [
        ("TABLE organizations (id BIGINT)", "organizations"),
        ("TABLE sessions (token TEXT)", "sessions"),
        ("TABLE revocations (id BIGINT)", "revocations"),
        ("TABLE schema_steps (version TEXT)", "schema_steps"),
        ("VIEW sinks AS SELECT 1", "sinks"),
        ("TYPE operators AS ENUM ('plus')", "operators"),
        ("TABLE mine (id BIGINT); CREATE INDEX uses_by_span ON mine (id)", "uses_by_span"),
    ] {
        let url = support::database().await;
        support::connect(&url)
            .await
            .batch_execute(&format!("CREATE TABLE widgets (id BIGINT); CREATE {theirs}"))
            .await
            .unwrap();
        let before = everything(&url).await;
        for mode in [OpenMode::Create, OpenMode::Create] {
            match PostgresStore::open(&with(&url, "schema=public"), mode).await {
                Err(error @ StoreError::ForeignTables { .. }) => {
                    let said = error.to_string();
                    assert!(said.contains(name) && said.contains("public") && said.contains("?schema="), "{said}");
                    assert!(!said.contains("widgets"), "{said}");
                }
                other => panic!("{theirs}: {other:?}"),
            }
        }
        assert_eq!(everything(&url).await, before, "{theirs}");
        // The default schema is free.
        open(&url).await.unwrap();
    }
}

/// A newer release brings a table whose name another program took meanwhile.
#[tokio::test]
async fn a_foreign_name_is_refused_before_the_next_step() {
    let url = support::database().await;
    drop(open(&url).await.unwrap());
    let server = support::connect(&with(&url, "schema=doorward")).await;
    let take_back = "DROP TABLE revocations; CREATE TABLE revocations (theirs TEXT);
                     ALTER TABLE operators DROP COLUMN by_provider; DROP INDEX operators_by_identity";
    server.batch_execute(take_back).await.unwrap();
    // The number of migrations before the table.
    let schema = include_str!("../../migrations/schema.sql");
    let older = schema.split_once("CREATE TABLE revocations").unwrap().0;
    let done = older.lines().filter(|line| !line.starts_with("--")).collect::<String>().matches(';').count();
    server.batch_execute(&format!("UPDATE schema_steps SET done = {done}")).await.unwrap();
    let before = everything(&url).await;
    let refused = open(&url).await;
    assert!(
        matches!(&refused, Err(StoreError::ForeignTables { tables, .. }) if tables.iter().any(|it| it == "revocations")),
        "{refused:?}"
    );
    assert_eq!(everything(&url).await, before);
}

/// Older releases keep the tables in the first schema of the `search_path`. Their nodes may still run.
#[tokio::test]
async fn a_store_of_an_older_release_stays_where_it_is() {
    for (place, path) in [("public", ""), ("keys", "options=-csearch_path%3Dkeys")] {
        let url = support::database().await;
        let older = open(&with(&url, &format!("schema={place}"))).await.unwrap();
        let (change, context) = provision(1);
        older.change(change, context).await.unwrap();
        let url = if path.is_empty() { url } else { with(&url, path) };
        for mode in [OpenMode::Existing, OpenMode::Create] {
            let store = PostgresStore::open(&url, mode).await.unwrap();
            assert_eq!(store.organizations(Page::first(9)).await.unwrap().len(), 1);
        }
        let named = PostgresStore::open(&with(&url, &format!("schema={place}")), OpenMode::Existing).await.unwrap();
        let (change, context) = provision(2);
        assert_eq!(named.change(change, context).await.unwrap().revision, Revision(2));
        assert!(!everything(&url).await.iter().any(|name| name.starts_with("doorward.")));

        // With two stores, a choice could be the wrong one.
        drop(open(&with(&url, "schema=doorward")).await.unwrap());
        let refused = open(&url).await;
        let names_both = |said: &str| said.contains("doorward") && said.contains(place) && said.contains("?schema=");
        assert!(matches!(&refused, Err(StoreError::Settings(said)) if names_both(said)), "{refused:?}");
        assert!(
            open(&with(&url, "schema=doorward")).await.unwrap().organizations(Page::first(1)).await.unwrap().is_empty()
        );
    }
}

/// As the how-to page says, with all nodes stopped.
#[tokio::test]
async fn a_store_can_be_moved_to_another_schema() {
    let url = support::database().await;
    let older = open(&with(&url, "schema=public")).await.unwrap();
    let (change, context) = provision(1);
    older.change(change, context).await.unwrap();
    drop(older);
    let server = support::connect(&url).await;
    let moves = "SELECT 'ALTER TABLE ' || quote_ident(tablename) || ' SET SCHEMA doorward;' FROM pg_tables
                 WHERE schemaname = 'public'";
    let moves: String = server.query(moves, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect();
    server.batch_execute(&format!("BEGIN; CREATE SCHEMA doorward; {moves} COMMIT")).await.unwrap();
    let store = PostgresStore::open(&url, OpenMode::Existing).await.unwrap();
    let (change, context) = provision(2);
    assert_eq!(store.change(change, context).await.unwrap().revision, Revision(2));
    assert_eq!(tables(&url, "public").await, 0);
}

#[tokio::test]
async fn a_user_without_the_right_to_create_schemas_is_told_the_cure() {
    let url = support::database().await;
    let admin = support::connect(&url).await;
    let role = format!("tenant_{}", std::process::id());
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let theirs = url.replace("postgres@", &format!("{role}@"));
    let refused = open(&theirs).await;
    let tells = |said: &str| said.contains("CREATE SCHEMA \"doorward\"") && said.contains("?schema=");
    assert!(matches!(&refused, Err(StoreError::Settings(said)) if tells(said)), "{refused:?}");
    admin.batch_execute(&format!("CREATE SCHEMA doorward AUTHORIZATION {role}")).await.unwrap();
    drop(open(&theirs).await.unwrap());
    admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}
