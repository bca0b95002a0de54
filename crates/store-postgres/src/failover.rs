//! What a failover may have lost beside changes: the sessions of nodes that had just registered.
//!
//! Such a node may verify for one lease more by what the old primary told it, and a writer that does not find its session
//! would not wait for it. So the first change on a new timeline leaves a session that no one owns: writers wait for it as
//! for any that is silent.

use deadpool_postgres::Transaction;
use doorward_key::{Random, SystemRandom};
use doorward_store::{LONGEST_LEASE, StoreError};
use doorward_types::{IdSeed, SessionId, Timestamp};

use crate::PostgresStore;
use crate::error::{of_statement, unavailable};
use crate::row::{number, text};

/// The timeline that the server writes to: the first part of a log file's name.
const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// The expression that tells the timeline at this server. Those whose storage is their own have none: there, no failover
/// loses a commit.
pub(crate) async fn timeline(store: &PostgresStore) -> &'static str {
    match store.query(&format!("SELECT {TIMELINE}"), &[]).await {
        Ok(_) => TIMELINE,
        Err(error) => {
            tracing::debug!(?error, "this server has no timelines");
            "''"
        }
    }
}

/// Called by a change that was made on another timeline than the last one.
pub(crate) async fn note(transaction: &Transaction<'_>, before: &str, now: &str) -> Result<(), StoreError> {
    let update = "UPDATE revision SET timeline = $1 WHERE id = 1";
    transaction.execute_typed(update, &[text(&now)]).await.map_err(of_statement)?;
    if before.is_empty() {
        return Ok(());
    }
    tracing::warn!(before, now, "the database failed over: this change waits for every lease from before");
    let mut random = [0; 10];
    SystemRandom.fill(&mut random).map_err(unavailable)?;
    let nobody = SessionId::new(IdSeed { now: Timestamp::from_millis(0), random }).to_string();
    let lease = i64::try_from(LONGEST_LEASE.as_millis()).unwrap_or(i64::MAX);
    let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, TRUE)";
    transaction.execute_typed(insert, &[text(&nobody), number(&lease)]).await.map(drop).map_err(of_statement)
}
