//! Connections that callers borrow.
//!
//! Connecting may take seconds on a slow link, so it does not count towards a statement's deadline. A connection that
//! does not answer is abandoned.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_store::{Provenance, StoreError};
use doorward_store_sql::Statement;
use futures_util::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Row};

use crate::connect::Database;
use crate::connection::Connection;
use crate::error::{is_answer, of_statement, unavailable};
use crate::line::Line;
use crate::retry::again;
use crate::row;
use crate::statement::{rows, touched};

/// The time limit of a statement. A statement takes about a millisecond plus a round trip.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for the check of a connection that has been silent.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for which an answer proves that its connection works.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The source of a handle's connections.
pub(crate) enum Connections {
    /// One connection that all callers share. A background task makes it.
    Line(Line),
    /// Several connections, each used by one caller at a time.
    Pool(Pool),
}

impl Connections {
    /// Runs one statement and returns its rows.
    pub(crate) async fn query(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let mut borrowed = self.borrow().await?;
        let connection = borrowed.connection();
        let found = borrowed.in_time(rows(&connection, &statement)).await?;
        borrowed.answered(found)
    }

    /// Runs one statement in its own transaction. Returns the number of rows that it touched. Once the statement is sent,
    /// only an answer tells whether it was carried out.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        let once = || async {
            let mut borrowed = self.borrow().await?;
            let connection = borrowed.connection();
            match borrowed.in_time(touched(&connection, &statement)).await {
                Ok(Err(error)) if !is_answer(&error) => {
                    tracing::debug!(%error, "a statement was not answered");
                    borrowed.leave();
                    Err(StoreError::OutcomeUnknown)
                }
                Ok(touched) => borrowed.answered(touched),
                Err(_) => Err(StoreError::OutcomeUnknown),
            }
        };
        again(once).await
    }

    /// Runs one statement whose rows begin with their provenance. Returns the provenance and the rows.
    pub(crate) async fn sourced(&self, statement: Statement) -> Result<(Provenance, Vec<Row>), StoreError> {
        let mut borrowed = self.borrow().await?;
        let connection = borrowed.connection();
        let found = borrowed.in_time(rows(&connection, &statement)).await?;
        let Some(first) = found.as_ref().ok().and_then(|found| found.first()) else {
            return borrowed.answered(found).and(Err(StoreError::UnfinishedCopy));
        };
        let provenance = row::provenance(first)?;
        if !(provenance.primary && provenance.writable) {
            // The next connection finds the primary, if the store's URL names it.
            borrowed.leave();
            return Ok((provenance, found.map_err(of_statement)?));
        }
        Ok((provenance, borrowed.answered(found)?))
    }

    /// Returns a connection that is believed to work.
    pub(crate) async fn borrow(&self) -> Result<Borrowed<'_>, StoreError> {
        let (connection, permit) = match self {
            Self::Line(line) => (line.connection().await?, None),
            Self::Pool(pool) => {
                let permit = pool.permit().await?;
                (pool.connection().await?, Some(permit))
            }
        };
        Ok(Borrowed { from: self, connection, state: State::Working, _permit: permit })
    }
}

/// A connection in use. Dropping it marks its work as interrupted.
pub(crate) struct Borrowed<'a> {
    from: &'a Connections,
    connection: Arc<Connection>,
    state: State,
    _permit: Option<SemaphorePermit<'a>>,
}

/// The state of a connection when its work ends.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Done,
    Left,
    Working,
}

impl Borrowed<'_> {
    pub(crate) fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    /// Waits for work on this connection, within the time limit.
    pub(crate) async fn in_time<T>(&mut self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let silent = |_| {
            self.state = State::Left;
            unavailable("the database does not answer: check that it runs, and that nothing holds its locks")
        };
        timeout(ACQUIRE_TIMEOUT, work).await.map_err(silent)
    }

    /// Ends the work. The connection has answered every statement.
    pub(crate) fn give_back(mut self) {
        self.state = State::Done;
    }

    /// Rolls the transaction back, without waiting for the answer.
    pub(crate) fn roll_back(self) {
        let _ = self.connection.client.batch_execute("ROLLBACK").now_or_never();
        self.give_back();
    }

    /// Abandons the connection: it broke, or its server is not the primary.
    pub(crate) fn leave(mut self) {
        self.state = State::Left;
    }

    /// Ends the work of one statement, according to its result.
    pub(crate) fn answered<T>(self, answer: Result<T, Error>) -> Result<T, StoreError> {
        match &answer {
            Err(error) if !is_answer(error) || error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                self.leave()
            }
            _ => self.give_back(),
        }
        answer.map_err(of_statement)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        match self.from {
            Connections::Line(line) if self.state != State::Done => line.replace(&self.connection),
            Connections::Line(_) => {}
            Connections::Pool(pool) => pool.take_back(&self.connection, self.state),
        }
    }
}

/// Connections for requests.
pub(crate) struct Pool {
    database: Arc<Database>,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Arc<Connection>,
    /// The time of the last answer, or `None` if the work was interrupted.
    heard: Option<Instant>,
}

impl Pool {
    pub(crate) fn of(database: Arc<Database>, size: NonZeroU16) -> Self {
        Self { database, permits: Semaphore::new(size.get().into()), idle: Mutex::default() }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let busy = |_| unavailable("all connections to the database are busy: try again later");
        timeout(ACQUIRE_TIMEOUT, self.permits.acquire()).await.map_err(busy)?.map_err(unavailable)
    }

    async fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        loop {
            let newest = self.idle().pop();
            let Some(Idle { connection, heard }) = newest else { break };
            if connection.client.is_closed() {
                continue;
            }
            // On a slow link, a check before every request would double its time.
            if heard.is_some_and(|heard| heard.elapsed() < FRESH_FOR) {
                return Ok(connection);
            }
            match timeout(CHECK_TIMEOUT, connection.client.batch_execute("")).await {
                Ok(Ok(())) => return Ok(connection),
                Ok(Err(_)) => {}
                Err(_) => self.idle().clear(),
            }
        }
        Ok(Arc::new(self.database.connect(None).await?))
    }

    fn take_back(&self, connection: &Arc<Connection>, state: State) {
        let (mut idle, connection) = (self.idle(), Arc::clone(connection));
        match state {
            State::Done => idle.push(Idle { connection, heard: Some(Instant::now()) }),
            State::Working => {
                // The server finishes the statements that it has received, and then rolls back an open transaction.
                let _ = connection.client.batch_execute("ROLLBACK").now_or_never();
                idle.insert(0, Idle { connection, heard: None });
            }
            // The other idle connections may hang too.
            State::Left => idle.clear(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}
