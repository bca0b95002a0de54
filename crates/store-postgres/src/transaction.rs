//! Transactions: what is tried again, and what became of a commit that was not answered.

use std::time::Duration;

use deadpool_postgres::Transaction;
use doorward_key::{Random, SystemRandom};
use doorward_store::{Revision, StoreError};
use tokio_postgres::IsolationLevel;

use crate::connect::in_time;
use crate::error::{is_worth_a_retry, of_statement};
use crate::row::{self, text};
use crate::{Object, PostgresStore};

/// How often a transaction that lost a conflict is tried again.
const RETRIES: u32 = 5;

/// How often an unanswered commit is looked up.
const LOOK_UPS: u32 = 5;

/// Tries again where the server chose this transaction as the victim of a conflict.
pub(crate) async fn again<T, Attempt>(attempt: impl Fn() -> Attempt) -> Result<T, StoreError>
where
    Attempt: Future<Output = Result<T, StoreError>>,
{
    for round in 0..RETRIES {
        match attempt().await {
            Err(error) if is_worth_a_retry(&error) => pause(round).await,
            other => return other,
        }
    }
    attempt().await
}

/// Up to 5 ms, then 10, 20, 40, 80: at random, so that two that met do not meet again.
async fn pause(round: u32) {
    let mut random = [0];
    // Without randomness, the pause is merely the same as another's.
    let _ = SystemRandom.fill(&mut random);
    let longest = Duration::from_millis(5) * 2_u32.pow(round);
    tokio::time::sleep(longest * u32::from(random[0]) / 255).await;
}

/// Begins a transaction that the server ends where its node falls silent: one that hangs must not hold up the others for
/// longer than they wait.
pub(crate) async fn begin(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    const IDLE: &str = "SET LOCAL idle_in_transaction_session_timeout = '4s'";
    let isolation = IsolationLevel::ReadCommitted;
    let transaction = client.build_transaction().isolation_level(isolation).start().await.map_err(of_statement)?;
    transaction.batch_execute(IDLE).await.map_err(of_statement)?;
    Ok(transaction)
}

/// Becomes the only writer until the transaction ends.
pub(crate) async fn lock(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction
        .query_typed("SELECT value FROM revision WHERE id = 1 FOR UPDATE", &[])
        .await
        .map(drop)
        .map_err(of_statement)
}

/// How a commit ended.
pub(crate) enum Commit {
    Done,
    /// The server said that it failed.
    Failed(StoreError),
    /// Nobody said anything: it may have happened, or happen yet.
    Unanswered,
}

pub(crate) async fn commit(transaction: Transaction<'_>) -> Commit {
    let answered = in_time(async { Ok(transaction.commit().await) }).await;
    match answered {
        Ok(Ok(())) => Commit::Done,
        // A refusal in the server's own words ended the transaction; a broken connection says nothing.
        Ok(Err(error)) if error.as_db_error().is_some() && !error.is_closed() => Commit::Failed(of_statement(error)),
        _ => Commit::Unanswered,
    }
}

impl PostgresStore {
    /// What became of an unanswered commit: its revision, or none where it did not happen and never will.
    ///
    /// The transaction held the row of `revision` to its end, so that whoever gets it after sees how it ended.
    pub(crate) async fn look_up(&self, operation: &str) -> Result<Option<Revision>, StoreError> {
        tracing::warn!(operation, "a commit was not answered; looking it up");
        for round in 0..LOOK_UPS {
            if let Ok(found) = in_time(self.look_up_once(operation)).await {
                tracing::warn!(operation, happened = found.is_some(), "the commit was looked up");
                return Ok(found);
            }
            pause(round).await;
        }
        Err(StoreError::OutcomeUnknown)
    }

    async fn look_up_once(&self, operation: &str) -> Result<Option<Revision>, StoreError> {
        let mut client = self.client().await?;
        let transaction = begin(&mut client).await?;
        lock(&transaction).await?;
        let found = transaction
            .query_typed("SELECT revision FROM changes WHERE operation = $1", &[text(&operation)])
            .await
            .map_err(of_statement)?;
        found.first().map(|found| row::count(found, 0).map(Revision)).transpose()
    }
}
