//! Failovers, which may lose sessions of nodes that had just registered, beside changes.
//!
//! Such a node may verify for one lease more by what the old primary told it, and a writer that does not find its session
//! would not wait for it. The first change on a new timeline therefore leaves a session that has no owner: writers wait for
//! it as for any that is silent.

use std::error::Error;

use doorward_key::{Random, SystemRandom};
use doorward_store::{LONGEST_LEASE, StoreError};
use doorward_store_sql::coherence::raise_longest_lease;
use doorward_store_sql::{Statement, sql};
use doorward_types::{IdSeed, SessionId, Timestamp};

use crate::connections::Connections;
use crate::error::{is_answer, unavailable};

/// The timeline that the server writes to: the first part of a log file's name.
const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// Returns the expression that tells the timeline at this server, and notes the timeline if the store has none yet: the first
/// change after a failover compares with it. Servers whose storage is their own have no timelines: there, no failover loses a
/// commit.
pub(crate) async fn timeline(pool: &Connections) -> Result<&'static str, StoreError> {
    match pool.query(sql(format!("SELECT {TIMELINE}"))).await {
        Ok(_) => {}
        Err(StoreError::Unavailable(source)) if is_refusal(&*source) => {
            tracing::debug!(%source, "this server has no timelines");
            return Ok("''");
        }
        Err(error) => return Err(error),
    }
    pool.execute(sql(format!("UPDATE revision SET timeline = {TIMELINE} WHERE id = 1 AND timeline = ''"))).await?;
    Ok(TIMELINE)
}

/// Returns whether the server understood a statement, and refused it.
fn is_refusal(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref().is_some_and(is_answer)
}

/// Returns what a change writes that was made on another timeline than the last one.
pub(crate) fn unknown_sessions(before: &str, now: &str) -> Result<Vec<Statement>, StoreError> {
    if before == now || before.is_empty() {
        return Ok(vec![]);
    }
    tracing::warn!(before, now, "the database failed over: this change waits for every lease from before");
    let mut random = [0; 10];
    SystemRandom.fill(&mut random).map_err(unavailable)?;
    let nobody = SessionId::new(IdSeed { now: Timestamp::from_millis(0), random });
    let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, TRUE)";
    Ok(vec![sql(insert).bind(&nobody).bind(&LONGEST_LEASE), raise_longest_lease(LONGEST_LEASE)])
}
