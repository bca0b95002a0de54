//! The store's own record, sessions, positions, lost changes; how often secrets were used.

use std::time::Duration;

use doorward_key::KeyPrefix;
use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{
    LostChange, Position, Revision, SecretUsage, Session, SessionStatus, SpanUses, StoreError, StoreIdentity,
};
use doorward_types::{Incarnation, OrganizationId, Timestamp};

use crate::table::table;
use crate::{FromRow, Reader, Statement, sql};

/// The columns of a [`StoreIdentity`], of a table called `i`.
pub const IDENTITY: &str = "i.identity, i.incarnation, i.prefix, i.sealing_key, i.longest_lease_ms";

impl FromRow for StoreIdentity {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(StoreIdentity {
            id: row.take()?,
            incarnation: row.take()?,
            prefix: row.take()?,
            sealing_key: row.take()?,
            longest_lease: row.take()?,
        })
    }
}

/// Writes the prefix of the store's keys, if the store has none yet.
pub fn claim_prefix(prefix: &KeyPrefix) -> Statement {
    sql("UPDATE store SET prefix = $1 WHERE id = 1 AND prefix IS NULL").bind(prefix)
}

/// Begins the next incarnation, after the store's own and after `last`; returns its number.
pub fn begin_incarnation(last: Incarnation) -> Statement {
    let next = "UPDATE store SET incarnation = CASE WHEN incarnation < $1 THEN $1 ELSE incarnation END + 1
                WHERE id = 1 RETURNING incarnation";
    sql(next).bind(&last)
}

/// The columns of a [`SessionStatus`], of a table called `n`.
pub const STATUS: &str = "n.id, n.lease_ms, n.acknowledged, n.asked, n.retired";

impl FromRow for SessionStatus {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let session = Session { id: row.take()?, lease: row.take()? };
        Ok(Self { session, acknowledged: row.take()?, asked: row.take()?, retired: row.take()? })
    }
}

/// Adds a session.
pub fn register(session: &Session) -> Statement {
    let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, FALSE)";
    sql(insert).bind(&session.id).bind(&session.lease)
}

/// Raises the longest lease that the store knows of.
pub fn raise_longest_lease(lease: Duration) -> Statement {
    sql("UPDATE store SET longest_lease_ms = $1 WHERE id = 1 AND longest_lease_ms < $1").bind(&lease)
}

/// Asks every session that has not acknowledged a revision to do so.
pub fn ask(revision: Revision) -> Statement {
    let ask = "UPDATE sessions SET asked = $1
               WHERE (acknowledged IS NULL OR acknowledged < $1) AND (asked IS NULL OR asked < $1)";
    sql(ask).bind(&revision)
}

/// The operation is the nil one if the change log has none there.
impl FromRow for Position {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(Position { revision: row.take()?, operation: row.take::<Option<_>>()?.unwrap_or_default() })
    }
}

pub(crate) const LOST_CHANGES: CopiedTable = CopiedTable {
    name: "lost_changes",
    columns: &[("revision", Kind::Number), ("operation", Kind::Text), ("accepted", Kind::Flag)],
    key: 2,
    only: None,
};

/// Notes that a change is missing. One that was noted before stays as it is.
pub fn report_lost(change: Position) -> Statement {
    let insert = "INSERT INTO lost_changes (revision, operation) VALUES ($1, $2)
                  ON CONFLICT (revision, operation) DO NOTHING";
    sql(insert).bind(&change.revision).bind(&change.operation)
}

/// Reads every change that was noted as missing, in order.
pub fn lost_changes() -> Statement {
    sql("SELECT revision, operation, accepted FROM lost_changes ORDER BY revision, operation")
}

impl FromRow for LostChange {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(LostChange { change: Position::read(row)?, accepted: row.take()? })
    }
}

/// An engine may keep the counts of a dead secret for a while.
const OF_LIVE_SECRETS: Option<&str> = Some("locator IN (SELECT locator FROM secrets)");

pub(crate) const LAST_USES: CopiedTable = CopiedTable {
    name: "last_uses",
    columns: &[("locator", Kind::Text), ("last_used_at", Kind::Number)],
    key: 1,
    only: OF_LIVE_SECRETS,
};

table! {
    SpanUses in "uses" key 2 { locator, span, uses }
}

pub(crate) const USES: CopiedTable = CopiedTable { only: OF_LIVE_SECRETS, ..<SpanUses as crate::table::Stored>::TABLE };

/// Reads how often the secrets of an organization were used in the last hour.
pub fn usage(organization: OrganizationId, now: Timestamp) -> Statement {
    let list = "SELECT l.locator, l.last_used_at,
                       coalesce((SELECT CAST(sum(u.uses) AS BIGINT) FROM uses u
                                 WHERE u.locator = l.locator AND u.span >= $1), 0)
                FROM secrets s JOIN last_uses l ON l.locator = s.locator
                WHERE s.organization = $2 ORDER BY l.locator";
    sql(list).bind(&SecretUsage::hour_before(now)).bind(&organization)
}

impl FromRow for SecretUsage {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(SecretUsage { locator: row.take()?, last_used_at: row.take()?, uses_last_hour: row.take()? })
    }
}

/// Reads how often the secrets of an organization were used in each span, in the engine's own order.
pub fn recent_uses(organization: OrganizationId, now: Timestamp) -> Statement {
    let list = "SELECT u.locator, u.span, CAST(u.uses AS BIGINT) FROM secrets s JOIN uses u ON u.locator = s.locator
                WHERE s.organization = $1 AND u.span >= $2";
    sql(list).bind(&organization).bind(&SecretUsage::oldest_kept(now))
}
