//! A PostgreSQL to test on: that of `cargo xtask test`, or any other whose superuser may make schemas.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "not every test needs all of it")]

pub(crate) mod changes;
pub(crate) mod pgbouncer;
pub(crate) mod proxy;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a test waits for what must come: a guard against a test that hangs, and no measure of speed.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// Returns what comes, if it comes at all.
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

/// Waits until so many others wait for a lock that this client holds.
pub(crate) async fn until_blocked(holder: &tokio_postgres::Client, count: u32) {
    let process: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let blocked = format!(
        "SELECT 1 FROM pg_stat_activity WHERE {process} = ANY(pg_blocking_pids(pid)) HAVING count(*) >= {count}"
    );
    // A transaction sees other connections as they were when it first looked.
    until(&connect(&server()).await, &blocked).await;
}

/// The server's URL.
pub(crate) fn server() -> String {
    std::env::var("DOORWARD_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "these tests need a PostgreSQL: run them by `cargo xtask test`, which brings one, or name one in \
             DOORWARD_TEST_POSTGRES, such as postgres://postgres@127.0.0.1/postgres?sslmode=disable"
        )
    })
}

/// A connection of the test's own.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The URL of an empty place: a schema that nobody else uses.
pub(crate) async fn empty() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    connect(&server()).await.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
    in_schema(&name)
}

/// The server's URL, with this schema as the place for everything.
fn in_schema(name: &str) -> String {
    let server = server();
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}options=-csearch_path%3D{name}")
}
