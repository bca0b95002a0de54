//! The PostgreSQL of the tests: that of `cargo xtask test`, or any other whose superuser may create schemas.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "not every test needs all of it")]

pub(crate) mod changes;
pub(crate) mod pgbouncer;
pub(crate) mod proxy;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The limit for a test that hangs; it measures no speed.
pub(crate) const GUARD: Duration = Duration::from_secs(600);

/// Waits for a result, and fails after the limit.
pub(crate) async fn comes<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work).await.unwrap()
}

/// Waits until a query returns a row.
pub(crate) async fn until(client: &tokio_postgres::Client, query: &str) -> tokio_postgres::Row {
    comes(async {
        loop {
            if let Some(found) = client.query(query, &[]).await.unwrap().into_iter().next() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Waits until this number of other connections wait for a lock that this client holds.
pub(crate) async fn until_blocked(holder: &tokio_postgres::Client, count: u32) {
    let process: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let blocked = format!(
        "SELECT 1 FROM pg_stat_activity WHERE {process} = ANY(pg_blocking_pids(pid)) HAVING count(*) >= {count}"
    );
    // A transaction sees other connections as they were at its first look.
    until(&connect(&server()).await, &blocked).await;
}

/// Returns the server's URL.
pub(crate) fn server() -> String {
    std::env::var("DOORWARD_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "these tests need a PostgreSQL: run them by `cargo xtask test`, which brings one, or name one in \
             DOORWARD_TEST_POSTGRES, such as postgres://postgres@127.0.0.1/postgres?sslmode=disable"
        )
    })
}

/// Opens a connection for the test itself. It looks for tables in the schema that the URL names.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let url = url.replace("schema=", "options=-csearch_path%3D");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the URL of an empty schema that no other test uses.
pub(crate) async fn empty() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    connect(&server()).await.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
    in_schema(&name)
}

/// Returns the URL of an empty database that no other test uses.
pub(crate) async fn database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("database_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    connect(&server()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    in_database(&name)
}

/// Returns the server's URL with this database.
pub(crate) fn in_database(name: &str) -> String {
    let url = server().replacen("/postgres?", &format!("/{name}?"), 1);
    assert_ne!(url, server(), "DOORWARD_TEST_POSTGRES must name the database `postgres` and a parameter");
    url
}

/// Returns the server's URL with this schema.
fn in_schema(name: &str) -> String {
    with(&server(), &format!("schema={name}"))
}

/// Returns a URL with one more parameter.
pub(crate) fn with(url: &str, parameter: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}
