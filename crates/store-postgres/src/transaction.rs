//! Transactions, in two round trips: all reads, under a lock; then all writes, and the commit.

use doorward_store::StoreError;
use doorward_store_sql::{Statement, sql};
use futures_util::FutureExt;
use tokio_postgres::Row;

use crate::connections::Connections;
use crate::error::is_answer;
use crate::retry::again;
use crate::statement::{Part, flight};

/// Begins a transaction that the server ends if its node falls silent: a node that hangs must not hold up the others for
/// longer than they wait. Its commit is on the disk when it is answered, whatever the server's own setting is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT set_config('idle_in_transaction_session_timeout', '4s', TRUE),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, TRUE)";

/// The rows that each statement of a flight returned.
pub(crate) type Answers = std::vec::IntoIter<Vec<Row>>;

/// The rows that a transaction writes after its reads.
pub(crate) struct Decision<T> {
    pub(crate) writes: Vec<Statement>,
    /// Whether nodes are told that something has changed.
    pub(crate) hint: bool,
    /// The result for the caller.
    pub(crate) value: T,
}

impl<T> Decision<T> {
    pub(crate) const fn write(writes: Vec<Statement>, value: T) -> Self {
        Self { writes, hint: false, value }
    }
}

/// The end of a transaction, if not by an error.
pub(crate) enum Ended<T> {
    Committed(T),
    /// The commit was not answered: it may have happened, or happen yet.
    Unanswered,
}

impl Connections {
    /// Carries out a transaction: `reads`, which begin with a lock, and then what `decide` makes of their rows. If it decides
    /// to write nothing, or fails, all is rolled back. Without reads, the transaction takes one round trip.
    ///
    /// In the isolation level that is asked for, each statement sees all that was committed before it began: the reads after
    /// the lock see what the lock's last holder wrote.
    pub(crate) async fn transact<T>(
        &self,
        reads: &[Statement],
        decide: impl Fn(Answers) -> Result<Decision<T>, StoreError>,
    ) -> Result<Ended<T>, StoreError> {
        again(|| self.attempt(reads, &decide)).await
    }

    /// As [`Connections::transact`], for what cannot be looked up afterwards.
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
        let (begin, commit, notify) = (Part::Script(BEGIN), sql("COMMIT"), sql("NOTIFY doorward"));
        let is_short = reads.is_empty();
        let mut answers = vec![];
        if !is_short {
            let first: Vec<_> = [begin].into_iter().chain(reads.iter().map(Part::Statement)).collect();
            let found = borrowed.in_time(flight(&connection.client, &first)).await?;
            // The first answer is that of BEGIN.
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
        let Ok(mut answers) = borrowed.in_time(flight(&connection.client, &second)).await else {
            return Ok(Ended::Unanswered);
        };
        // A hint may fail.
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

/// Becomes the only writer until the transaction ends.
pub(crate) fn lock() -> Statement {
    sql("SELECT value FROM revision WHERE id = 1 FOR UPDATE")
}
