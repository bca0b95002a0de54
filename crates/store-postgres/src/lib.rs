//! The engine for several nodes: PostgreSQL, or what speaks its protocol.
//!
//! The SQL is a portable subset, and a test lints every statement: no sequences, triggers, advisory locks, partial or
//! deferrable constraints. Statements are sent with the types of their parameters and are never prepared, so that the
//! engine works behind PgBouncer in transaction pooling without a mode of its own.
//!
//! Every change to keys takes the row of `revision` first, which makes it the only writer. That order also settles what
//! became of a commit that was not answered: whoever holds the row next looks it up by its operation.
//!
//! ```no_run
//! # async fn example() -> Result<(), doorward_store::StoreError> {
//! use doorward_store::OpenMode;
//! use doorward_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::open("postgres://doorward@db.internal/doorward", OpenMode::Create).await?;
//! # Ok(())
//! # }
//! ```

mod audit;
mod coherence;
mod connect;
mod copy;
mod error;
mod failover;
mod hints;
mod keys;
mod links;
mod lost;
mod migrations;
mod operators;
mod origins;
mod outbox;
mod row;
mod sign_ins;
mod tables;
mod tool_calls;
mod transaction;
mod usage;

use deadpool_postgres::{Object, Pool};
use doorward_store::{OpenMode, StoreError};
use tokio_postgres::Row;

use crate::connect::Database;
use crate::error::of_statement;
use crate::hints::Hints;
use crate::row::Param;

/// A store in a PostgreSQL database. Several nodes share it.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    /// Polls have a connection of their own, so that no long read stands in their way.
    polls: Pool,
    hints: Hints,
    /// The expression that tells on which timeline the server writes.
    timeline: &'static str,
}

impl PostgresStore {
    /// Opens a store, and brings its schema up to date. `url` is a connection string as libpq's, such as
    /// `postgres://user@host/database?sslmode=require`; several hosts may be named, of which the primary is chosen.
    ///
    /// With TLS, the server's certificate is always verified, against what the operating system trusts and
    /// `SSL_CERT_FILE`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] where the database holds no store and none is to be made;
    /// [`StoreError::UnsupportedSchema`] where a newer program has made it; [`StoreError::Unavailable`] where it cannot
    /// be reached, or would not keep its word: a standby, `fsync=off`, `synchronous_commit=off`.
    pub async fn open(url: &str, mode: OpenMode) -> Result<Self, StoreError> {
        let database = Database::named(url)?;
        Self::open_with(&database, Hints::of(Some(database.clone())), mode).await
    }

    /// As [`PostgresStore::open`], but without LISTEN: changes of other nodes are found by polling alone, a little later.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`].
    pub async fn open_deaf(url: &str, mode: OpenMode) -> Result<Self, StoreError> {
        Self::open_with(&Database::named(url)?, Hints::of(None), mode).await
    }

    async fn open_with(database: &Database, hints: Hints, mode: OpenMode) -> Result<Self, StoreError> {
        let (pool, polls) = (database.pool(connect::CONNECTIONS)?, database.pool(1)?);
        let mut store = Self { pool, polls, hints, timeline: "''" };
        migrations::run(&store, mode).await?;
        store.timeline = failover::timeline(&store).await;
        Ok(store)
    }

    async fn client(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(connect::failure)
    }

    /// Runs one statement that reads.
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        connect::in_time(async { self.client().await?.query_typed(sql, params).await.map_err(of_statement) }).await
    }

    /// Runs one statement that writes, in a transaction of its own; how many rows it touched.
    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let once = || async { self.client().await?.execute_typed(sql, params).await.map_err(of_statement) };
        transaction::again(|| connect::in_time(once())).await
    }
}
