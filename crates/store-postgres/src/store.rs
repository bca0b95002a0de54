//! A store: a handle that reads and writes.

use std::sync::Arc;

use doorward_store::{OpenMode, Opening, SchemaState, StoreError};
use doorward_store_sql::{FromRow, Statement};
use tokio_postgres::Row;

use crate::connect::Database;
use crate::connections::{Connections, Pool};
use crate::hints::Hints;
use crate::line::Line;
use crate::options::PostgresOptions;
use crate::transaction::Decision;
use crate::writer::Writer;
use crate::{migrations, place, row};

/// A store in a PostgreSQL database. Several nodes share it.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) database: Arc<Database>,
    /// The connections for requests.
    pub(crate) pool: Arc<Connections>,
    /// The connection for polls and the rest of the coherence protocol. Equal to `pool` unless a node owns this handle.
    pub(crate) polls: Arc<Connections>,
    pub(crate) protocol: Arc<Connections>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) hints: Hints,
    /// The SQL expression of the server's timeline.
    pub(crate) timeline: &'static str,
}

impl PostgresOptions {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// Fails like [`PostgresStore::open`].
    pub async fn open(self, opening: impl Into<Opening>) -> Result<PostgresStore, StoreError> {
        PostgresStore::open_with(self, opening.into()).await
    }

    /// Returns the version of the store's schema. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the database holds no store. Otherwise as [`PostgresStore::open`].
    pub async fn schema_state(self) -> Result<SchemaState, StoreError> {
        let database = Arc::new(Database::of(&self)?);
        let pool = Connections::Pool(Pool::of(Arc::clone(&database), self.pool_size));
        let schema = place::find(&pool, self.schema.as_ref(), OpenMode::Existing).await?;
        database.keep_tables_in(schema);
        migrations::state(&pool).await
    }
}

impl PostgresStore {
    /// Opens a store. With [`OpenMode::Create`], brings its schema up to date. `url` is a connection string in libpq's form, such as
    /// `postgres://user@host/database?sslmode=require`. If it names several hosts, all are tried at the same time, and
    /// the first that accepts writes is taken. [`PostgresOptions`] has settings that are not in the URL.
    ///
    /// The tables are in the schema `doorward`, or in the schema of the parameter `schema`.
    ///
    /// With TLS, the server's certificate is always verified, against the file of `sslrootcert`, or the roots of the
    /// operating system or of `SSL_CERT_FILE`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the database holds no store and `opening` does not create one.
    /// [`StoreError::OlderSchema`] if the schema is older and `opening` does not migrate it.
    /// [`StoreError::Settings`] if the URL is wrong, if the database has two stores and the URL does not name the schema,
    /// or if the server runs with `fsync=off` or `synchronous_commit=off`. [`StoreError::ForeignTables`] if the schema has
    /// tables of another program with the store's names. [`StoreError::UnsupportedSchema`] if a newer program made the
    /// store. [`StoreError::Doubtful`] if only standbys answer. [`StoreError::Unavailable`] if the database cannot be
    /// reached.
    pub async fn open(url: &str, opening: impl Into<Opening>) -> Result<Self, StoreError> {
        url.parse::<PostgresOptions>()?.open(opening).await
    }

    /// Opens a store like [`PostgresStore::open`], but without LISTEN: only polling finds changes of other nodes, a
    /// little later.
    ///
    /// # Errors
    ///
    /// Fails like [`PostgresStore::open`].
    pub async fn open_without_listen(url: &str, opening: impl Into<Opening>) -> Result<Self, StoreError> {
        url.parse::<PostgresOptions>()?.without_listen().open(opening).await
    }

    async fn open_with(options: PostgresOptions, opening: Opening) -> Result<Self, StoreError> {
        let database = Arc::new(Database::of(&options)?);
        let pool = Arc::new(Connections::Pool(Pool::of(Arc::clone(&database), options.pool_size)));
        let hints = Hints::of(options.listens.then(|| Arc::clone(&database)));
        migrations::check(&pool).await?;
        let schema = place::find(&pool, options.schema.as_ref(), opening.mode).await?;
        database.keep_tables_in(schema.clone());
        let timeline = migrations::run(&pool, &schema, opening).await?;
        let (polls, protocol, writer) = (Arc::clone(&pool), Arc::clone(&pool), Writer::of(Arc::clone(&pool), timeline));
        Ok(Self { database, pool, polls, protocol, writer, hints, timeline })
    }

    /// Returns a handle with its own connections.
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

    /// Runs a statement of a request and returns its rows.
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

    /// Reads rows. The read may take long, and has a connection of the pool to itself.
    pub(crate) async fn scan_all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.list(statement).await
    }

    /// Runs a statement of a request in its own transaction. Returns the number of rows that it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.pool.execute(statement).await
    }

    /// Writes rows in one transaction.
    pub(crate) async fn write_all(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.pool.write(&[], |_| Ok(Decision::write(statements.clone(), ()))).await
    }

    /// Writes one row. Fails with [`StoreError::NotFound`] if there is no such row.
    pub(crate) async fn write_one(&self, statement: Statement) -> Result<(), StoreError> {
        if self.execute(statement).await? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
    }
}
