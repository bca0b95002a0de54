//! Failovers, which may lose new sessions as well as changes.
//!
//! A node whose session was lost may verify for one more lease with data of the old primary, and writers do not know
//! that they must wait for this node. So the first change on a new timeline adds a session without an owner: writers
//! wait for it as for any silent node.

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

/// Returns the SQL expression of this server's timeline, and stores the timeline if the store has none yet. The first
/// change after a failover compares the two. Servers with shared storage have no timelines, and their failovers lose no
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

/// Returns true if the server understood a statement and refused it.
fn is_refusal(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref().is_some_and(is_answer)
}

/// Returns the statements that a change adds if its timeline differs from the last change's.
pub(crate) fn unknown_sessions(before: &str, now: &str) -> Result<Vec<Statement>, StoreError> {
    if before == now || before.is_empty() {
        return Ok(vec![]);
    }
    tracing::warn!(before, now, "the database failed over: this change waits for all leases from before the failover");
    let mut random = [0; 10];
    SystemRandom.fill(&mut random).map_err(unavailable)?;
    let nobody = SessionId::new(IdSeed::new(Timestamp::from_millis(0), random));
    let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, TRUE)";
    Ok(vec![sql(insert).bind(&nobody).bind(&LONGEST_LEASE), raise_longest_lease(LONGEST_LEASE)])
}
