//! The engine for several nodes: PostgreSQL, or what speaks its protocol.
//!
//! The SQL is a portable subset, and a test lints every statement: no sequences, triggers, advisory locks, partial or
//! deferrable constraints. Statements are sent with the types of their parameters and are never prepared, so that the
//! engine works behind PgBouncer in transaction pooling without a mode of its own.
//!
//! Every change to keys takes the row of `revision` first, which makes it the only writer. That order also settles what
//! became of a commit that was not answered: the next holder of the row looks it up by its operation. A change takes two round
//! trips, and changes that are asked for at the same time share them.
//!
//! A node has connections of its own ([`Coherence::control`](doorward_store::Coherence::control)), and each answer that it
//! relies on says which server gave it.
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
mod changes;
mod coherence;
mod connect;
mod connections;
mod copy;
mod error;
mod failover;
mod hints;
mod keys;
mod line;
mod links;
mod lost;
mod migrations;
mod operators;
mod outbox;
mod row;
mod sealing;
mod sign_ins;
mod statement;
mod tables;
mod tool_calls;
mod transaction;
mod usage;
mod writer;

use std::sync::Arc;

use doorward_store::{OpenMode, StoreError};
use doorward_store_sql::{FromRow, Statement};
use tokio_postgres::Row;

use crate::connect::Database;
use crate::connections::{Connections, Pool};
use crate::hints::Hints;
use crate::line::Line;
use crate::writer::Writer;

/// A store in a PostgreSQL database. Several nodes share it.
#[derive(Debug)]
pub struct PostgresStore {
    database: Arc<Database>,
    /// The connections of requests.
    pool: Arc<Connections>,
    /// The connection of polls, and that of all else that the coherence protocol asks; the pool's, unless this handle is a
    /// node's own.
    polls: Arc<Connections>,
    protocol: Arc<Connections>,
    writer: Arc<Writer>,
    hints: Hints,
    /// The expression that tells on which timeline the server writes.
    timeline: &'static str,
}

impl PostgresStore {
    /// Opens a store, and brings its schema up to date. `url` is a connection string as libpq's, such as
    /// `postgres://user@host/database?sslmode=require`. Several hosts may be named: all are tried side by side, and the first
    /// that accepts writes is taken.
    ///
    /// With TLS, the server's certificate is always verified, against what the operating system trusts and
    /// `SSL_CERT_FILE`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if the database holds no store and none is to be made; [`StoreError::UnsupportedSchema`] if a
    /// newer program has made it; [`StoreError::Doubtful`] if only standbys answer; [`StoreError::Unavailable`] if the
    /// database cannot be reached, or would not keep its word: `fsync=off`, `synchronous_commit=off`.
    pub async fn open(url: &str, mode: OpenMode) -> Result<Self, StoreError> {
        Self::open_with(url, true, mode).await
    }

    /// As [`PostgresStore::open`], but without LISTEN: changes of other nodes are found by polling alone, a little later.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`].
    pub async fn open_deaf(url: &str, mode: OpenMode) -> Result<Self, StoreError> {
        Self::open_with(url, false, mode).await
    }

    async fn open_with(url: &str, listens: bool, mode: OpenMode) -> Result<Self, StoreError> {
        let database = Arc::new(Database::named(url)?);
        let pool = Arc::new(Connections::Pool(Pool::of(Arc::clone(&database))));
        let hints = Hints::of(listens.then(|| Arc::clone(&database)));
        let timeline = migrations::run(&pool, mode).await?;
        let (polls, protocol, writer) = (Arc::clone(&pool), Arc::clone(&pool), Writer::of(Arc::clone(&pool), timeline));
        Ok(Self { database, pool, polls, protocol, writer, hints, timeline })
    }

    /// Returns a handle with connections of its own.
    fn apart(&self) -> Self {
        let line = || Arc::new(Connections::Line(Line::of(Arc::clone(&self.database))));
        Self {
            database: Arc::clone(&self.database),
            pool: Arc::clone(&self.pool),
            polls: line(),
            protocol: line(),
            writer: Arc::clone(&self.writer),
            hints: self.hints.apart(),
            timeline: self.timeline,
        }
    }

    /// Runs a statement of a request; returns its rows.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.pool.query(statement).await
    }

    /// Reads the first row, if there is one.
    async fn find<T: FromRow>(&self, statement: Statement) -> Result<Option<T>, StoreError> {
        row::first(&self.query(statement).await?)
    }

    /// Reads every row.
    async fn list<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        row::all(&self.query(statement).await?)
    }

    /// Runs a statement of a request, in a transaction of its own; returns how many rows it touched.
    async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.pool.execute(statement).await
    }

    /// Writes one row. Fails with [`StoreError::Missing`] if there is no such row.
    async fn write_one(&self, statement: Statement) -> Result<(), StoreError> {
        if self.execute(statement).await? == 1 { Ok(()) } else { Err(StoreError::Missing) }
    }
}
