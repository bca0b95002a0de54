//! A PostgreSQL to test on: that of `cargo xtask test`, or any other whose superuser may make schemas.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, clippy::allow_attributes, reason = "not every test needs it")]
pub(crate) mod pgbouncer;

use std::sync::atomic::{AtomicU32, Ordering};

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
