//! A connection, and the schema of the tables that its statements name.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::qualify::qualified;
use crate::schema_name::SchemaName;

/// A connection, driven by its own task. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
    /// The schema of the store's tables, after it was found.
    schema: Arc<OnceLock<SchemaName>>,
}

impl Connection {
    pub(crate) const fn new(client: Client, driver: JoinHandle<()>, schema: Arc<OnceLock<SchemaName>>) -> Self {
        Self { client, driver, schema }
    }

    /// Returns the statement with its tables in the store's schema. Before the schema is found, no statement names a
    /// table of the store.
    pub(crate) fn in_schema<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        self.schema.get().map_or(Cow::Borrowed(sql), |schema| qualified(sql, schema).into())
    }

    /// Returns the name of the store's schema.
    pub(crate) fn schema(&self) -> &str {
        self.schema.get().map(SchemaName::as_str).unwrap_or_default()
    }

    /// Completes when the connection has ended.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.driver).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
