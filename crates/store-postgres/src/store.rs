//! A store: a handle that reads and writes.

use std::sync::Arc;

use doorward_store::{OpenMode, StoreError};
use doorward_store_sql::{FromRow, Statement};
use tokio_postgres::Row;

use crate::connect::Database;
use crate::connections::{Connections, Pool};
use crate::hints::Hints;
use crate::line::Line;
use crate::writer::Writer;
use crate::{migrations, row};

/// A store in a PostgreSQL database. Several nodes share it.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) database: Arc<Database>,
    /// The connections of requests.
    pub(crate) pool: Arc<Connections>,
    /// The connection of polls, and that of all else that the coherence protocol asks; the pool's, unless this handle is a
    /// node's own.
    pub(crate) polls: Arc<Connections>,
    pub(crate) protocol: Arc<Connections>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) hints: Hints,
    /// The expression that tells on which timeline the server writes.
    pub(crate) timeline: &'static str,
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
    pub(crate) fn apart(&self) -> Self {
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
    pub(crate) async fn query(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.pool.query(statement).await
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn find<T: FromRow>(&self, statement: Statement) -> Result<Option<T>, StoreError> {
        row::first(&self.query(statement).await?)
    }

    /// Reads every row.
    pub(crate) async fn list<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        row::all(&self.query(statement).await?)
    }

    /// Runs a statement of a request, in a transaction of its own; returns how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.pool.execute(statement).await
    }

    /// Writes one row. Fails with [`StoreError::Missing`] if there is no such row.
    pub(crate) async fn write_one(&self, statement: Statement) -> Result<(), StoreError> {
        if self.execute(statement).await? == 1 { Ok(()) } else { Err(StoreError::Missing) }
    }
}
