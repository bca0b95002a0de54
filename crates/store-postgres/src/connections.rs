//! Connections, as work borrows them.
//!
//! Making a connection may take seconds on a slow link, and is outside of the deadline of any statement. A connection that
//! does not answer is left behind.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_store::{Provenance, StoreError};
use doorward_store_sql::Statement;
use futures_util::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Row};

use crate::connect::{Connection, Database};
use crate::error::{is_answer, of_statement, unavailable};
use crate::line::Line;
use crate::retry::again;
use crate::row;
use crate::statement::{rows, touched};

/// Connections of one node's requests. Changes wait for each other anyway.
const SIZE: usize = 8;

/// The time that any statement may take. Each takes about a millisecond, and the way there and back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that a connection that was not heard of lately may take to show that it works.
const CHECK: Duration = Duration::from_secs(5);

/// The time for which an answer counts as proof that its connection works.
const FRESH: Duration = Duration::from_secs(5);

/// The source of a handle's connections.
pub(crate) enum Connections {
    /// One connection that all callers share, made in the background.
    Line(Line),
    /// Several connections, each used by one caller at a time.
    Pool(Pool),
}

impl Connections {
    /// Runs one statement; returns its rows.
    pub(crate) async fn query(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let mut borrowed = self.borrow().await?;
        let connection = borrowed.connection();
        let found = borrowed.in_time(rows(&connection.client, &statement)).await?;
        borrowed.answered(found)
    }

    /// Runs one statement, in a transaction of its own; returns how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        let once = || async {
            let mut borrowed = self.borrow().await?;
            let connection = borrowed.connection();
            let touched = borrowed.in_time(touched(&connection.client, &statement)).await?;
            borrowed.answered(touched)
        };
        again(once).await
    }

    /// Runs one statement whose rows begin with their provenance; returns the provenance, and the rows.
    pub(crate) async fn sourced(&self, statement: Statement) -> Result<(Provenance, Vec<Row>), StoreError> {
        let mut borrowed = self.borrow().await?;
        let connection = borrowed.connection();
        let found = borrowed.in_time(rows(&connection.client, &statement)).await?;
        let Some(first) = found.as_ref().ok().and_then(|found| found.first()) else {
            return borrowed.answered(found).and(Err(StoreError::Unfinished));
        };
        let provenance = row::provenance(first)?;
        if !(provenance.primary && provenance.writable) {
            // The next connection leads to the primary, if the store's URL does.
            borrowed.leave();
            return Ok((provenance, found.map_err(of_statement)?));
        }
        Ok((provenance, borrowed.answered(found)?))
    }

    /// Returns a connection that works, as far as is known.
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

/// A connection in use. Dropping it means that its work was given up in the middle.
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

    /// Waits for work on this connection for as long as any may take.
    pub(crate) async fn in_time<T>(&mut self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let silent = |_| {
            self.state = State::Left;
            unavailable("the database does not answer: look whether it runs, and whether something holds its locks")
        };
        timeout(PATIENCE, work).await.map_err(silent)
    }

    /// Ends the work: the connection has answered all of it.
    pub(crate) fn give_back(mut self) {
        self.state = State::Done;
    }

    /// Ends the work, and its transaction, without waiting for the answer to that.
    pub(crate) fn roll_back(self) {
        let _ = self.connection.client.batch_execute("ROLLBACK").now_or_never();
        self.give_back();
    }

    /// Ends the work, and leaves the connection behind: it broke, or leads to a server that is not the primary.
    pub(crate) fn leave(mut self) {
        self.state = State::Left;
    }

    /// Ends the work of one statement.
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
    /// The time of its last answer; none if it was given up in the middle of work.
    heard: Option<Instant>,
}

impl Pool {
    pub(crate) fn of(database: Arc<Database>) -> Self {
        Self { database, permits: Semaphore::new(SIZE), idle: Mutex::default() }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let busy = |_| unavailable("all connections to the database are busy: try again later");
        timeout(PATIENCE, self.permits.acquire()).await.map_err(busy)?.map_err(unavailable)
    }

    async fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        loop {
            let newest = self.idle().pop();
            let Some(Idle { connection, heard }) = newest else { break };
            if connection.client.is_closed() {
                continue;
            }
            // On a slow link, asking first would double the time of every request.
            if heard.is_some_and(|heard| heard.elapsed() < FRESH) {
                return Ok(connection);
            }
            match timeout(CHECK, connection.client.batch_execute("")).await {
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
                // The server carries out what it was sent, and ends the transaction that it may be in.
                let _ = connection.client.batch_execute("ROLLBACK").now_or_never();
                idle.insert(0, Idle { connection, heard: None });
            }
            // The others may hang with it.
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
