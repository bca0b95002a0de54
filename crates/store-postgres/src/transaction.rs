//! Transactions in two round trips: first the lock and all reads, then all writes and the commit.

use doorward_store::StoreError;
use doorward_store_sql::{Statement, sql};
use futures_util::FutureExt;
use tokio_postgres::Row;

use crate::channel;
use crate::connections::Connections;
use crate::error::is_answer;
use crate::retry::again;
use crate::statement::{Part, flight};

/// Begins a transaction. The server ends it if its node falls silent, so that a node that hangs does not delay the
/// others beyond their time limit. The commit is answered after it is on the disk, independent of the server's setting.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT set_config('idle_in_transaction_session_timeout', '4s', TRUE),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, TRUE)";

/// The rows that each statement of a flight returned.
pub(crate) type Answers = std::vec::IntoIter<Vec<Row>>;

/// The rows that a transaction writes after its reads.
pub(crate) struct Decision<T> {
    pub(crate) writes: Vec<Statement>,
    /// True if nodes are notified of a change.
    pub(crate) hint: bool,
    /// The result for the caller.
    pub(crate) value: T,
}

impl<T> Decision<T> {
    pub(crate) const fn write(writes: Vec<Statement>, value: T) -> Self {
        Self { writes, hint: false, value }
    }
}

/// The outcome of a transaction without an error.
pub(crate) enum Ended<T> {
    Committed(T),
    /// The commit was not answered. It may have happened, or may still happen.
    Unanswered,
}

impl Connections {
    /// Runs a transaction: first `reads`, which begin with a lock, then the writes that `decide` makes of their rows.
    /// If `decide` fails or writes nothing, the transaction is rolled back. Without reads, the transaction takes one
    /// round trip.
    ///
    /// In the chosen isolation level, each statement sees everything that was committed before the statement began. So
    /// the reads after the lock see the writes of the lock's last holder.
    pub(crate) async fn transact<T>(
        &self,
        reads: &[Statement],
        decide: impl Fn(Answers) -> Result<Decision<T>, StoreError>,
    ) -> Result<Ended<T>, StoreError> {
        again(|| self.attempt(reads, &decide)).await
    }

    /// Runs a transaction like [`Connections::transact`], for a write whose outcome cannot be looked up later.
    pub(crate) async fn write<T>(
        &self,
        reads: &[Statement],
        decide: impl Fn(Answers) -> Result<Decision<T>, StoreError>,
    ) -> Result<T, StoreError> {
        match self.transact(reads, decide).await? {
            Ended::Committed(value) => Ok(value),
            Ended::Unanswered => Err(StoreError::OutcomeUnknown),
        }
    }

    async fn attempt<T>(
        &self,
        reads: &[Statement],
        decide: &impl Fn(Answers) -> Result<Decision<T>, StoreError>,
    ) -> Result<Ended<T>, StoreError> {
        let mut borrowed = self.borrow().await?;
        let connection = borrowed.connection();
        let (begin, commit, notify) = (Part::Script(BEGIN), sql("COMMIT"), channel::notify(connection.schema()));
        let is_short = reads.is_empty();
        let mut answers = vec![];
        if !is_short {
            let first: Vec<_> = [begin].into_iter().chain(reads.iter().map(Part::Statement)).collect();
            let found = borrowed.in_time(flight(&connection, &first)).await?;
            // The first answer is BEGIN's.
            answers = match found.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(mut found) => found.split_off(1),
                Err(error) => {
                    let _ = connection.client.batch_execute("ROLLBACK").now_or_never();
                    return borrowed.answered(Err(error));
                }
            };
        }
        let Decision { writes, hint, value } = match decide(answers.into_iter()) {
            Ok(decision) if !decision.writes.is_empty() => decision,
            refused => {
                borrowed.roll_back();
                return refused.map(|decision| Ended::Committed(decision.value));
            }
        };
        let writes = writes.iter().chain([&commit]).map(Part::Statement);
        let mut second: Vec<_> = is_short.then_some(begin).into_iter().chain(writes).collect();
        let count = second.len();
        second.extend(hint.then_some(Part::Statement(&notify)));
        let Ok(mut answers) = borrowed.in_time(flight(&connection, &second)).await else {
            return Ok(Ended::Unanswered);
        };
        // The hint's answer does not matter: a hint may fail.
        answers.truncate(count);
        match answers.into_iter().find_map(Result::err) {
            None => {
                borrowed.give_back();
                Ok(Ended::Committed(value))
            }
            Some(error) if is_answer(&error) => borrowed.answered(Err(error)),
            Some(error) => {
                tracing::debug!(%error, "a commit was not answered");
                borrowed.leave();
                Ok(Ended::Unanswered)
            }
        }
    }
}

/// Returns the statement that makes its transaction the only writer.
pub(crate) fn lock() -> Statement {
    sql("SELECT value FROM revision WHERE id = 1 FOR UPDATE")
}
