//! The store's own record, sessions, positions, lost changes, and counts of uses.

use std::time::Duration;

use doorward_key::KeyPrefix;
use doorward_store::copy::CopiedTable;
use doorward_store::{
    LostChange, NodeDescription, NodeRecord, Position, Revision, SecretUsage, Session, SessionStatus, StoreError,
    StoreIdentity, UsageBucket,
};
use doorward_types::{AccessKeyId, Incarnation, OrganizationId, SessionId, Timestamp};

use crate::table::{Stored, rows, table};
use crate::{FromRow, Reader, Statement, sql, text};

/// The columns of a [`StoreIdentity`], of a table called `i`.
pub const IDENTITY: &str = "i.identity, i.incarnation, i.prefix, i.sealing_key, i.longest_lease_ms";

rows! { StoreIdentity { id, incarnation, prefix, sealing_key, longest_lease } }

/// Writes the prefix of the store's keys, if the store has none yet.
pub fn claim_prefix(prefix: &KeyPrefix) -> Statement {
    sql("UPDATE store SET prefix = $1 WHERE id = 1 AND prefix IS NULL").bind(prefix)
}

/// Begins the next incarnation, above the store's own and `last`. Returns its number.
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

/// The columns of a [`NodeRecord`], of a table called `n`.
pub const NODE: &str =
    "n.id, n.lease_ms, n.acknowledged, n.asked, n.retired, n.host, n.program, n.described_at, n.store_time";

impl FromRow for NodeRecord {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let status = SessionStatus::read(row)?;
        let (host, program, at, store_time) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let described = match (host, program, at, store_time) {
            (Some(host), Some(program), Some(at), Some(stored)) => {
                Some((NodeDescription::new(host, program, at), stored))
            }
            _ => None,
        };
        Ok(Self::new(status, described))
    }
}

/// Records what a session's node says of itself. `now` is the engine's expression for the milliseconds since 1970.
pub fn describe(session: SessionId, description: &NodeDescription, now: &'static str) -> Statement {
    let NodeDescription { host, program, at, .. } = description;
    let update =
        format!("UPDATE sessions SET host = $1, program = $2, described_at = $3, store_time = {now} WHERE id = $4");
    sql(update).bind(host).bind(program).bind(at).bind(&session)
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

/// Asks every session without an acknowledgement of the revision to acknowledge it.
pub fn ask(revision: Revision) -> Statement {
    let ask = "UPDATE sessions SET asked = $1
               WHERE (acknowledged IS NULL OR acknowledged < $1) AND (asked IS NULL OR asked < $1)";
    sql(ask).bind(&revision)
}

/// Reads a nil operation if the change log has no operation there.
impl FromRow for Position {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(Position { revision: row.take()?, operation: row.take::<Option<_>>()?.unwrap_or_default() })
    }
}

table! {
    LOST_CHANGES = "lost_changes" key 2 { revision: Number, operation: Text, accepted: Flag }
}

/// Records a lost change. An existing record stays unchanged.
pub fn report_lost(change: Position) -> Statement {
    let insert = "INSERT INTO lost_changes (revision, operation) VALUES ($1, $2)
                  ON CONFLICT (revision, operation) DO NOTHING";
    sql(insert).bind(&change.revision).bind(&change.operation)
}

/// Reads every recorded lost change, in order.
pub fn lost_changes() -> Statement {
    sql(text!("SELECT {} FROM lost_changes ORDER BY revision, operation", LOST_CHANGES.column_list()))
}

impl FromRow for LostChange {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(LostChange::new(Position::read(row)?, row.take()?))
    }
}

/// The condition that selects active secrets. An engine may keep the counts of a revoked secret for a while.
const OF_ACTIVE_SECRETS: Option<&str> = Some("locator IN (SELECT locator FROM secrets)");

table! {
    ALL_LAST_USES = "last_uses" key 1 { locator: Text, last_used_at: Number }
}

pub(crate) const LAST_USES: CopiedTable = CopiedTable { only: OF_ACTIVE_SECRETS, ..ALL_LAST_USES };

table! {
    UsageBucket in "uses" key 2 ( locator, span, uses )
}

pub(crate) const USES: CopiedTable = CopiedTable { only: OF_ACTIVE_SECRETS, ..<UsageBucket as Stored>::TABLE };

/// Reads the uses of an organization's secrets for [`add_uses_of`]: a row for each secret, and one for each span of the
/// secrets of `key`.
pub fn usage_with_spans(organization: OrganizationId, key: AccessKeyId, now: Timestamp) -> Statement {
    let list = "SELECT l.locator, l.last_used_at, s.access_key,
                       CASE WHEN s.access_key = $1 THEN u.span END AS counted, CAST(sum(u.uses) AS BIGINT)
                FROM secrets s JOIN last_uses l ON l.locator = s.locator
                LEFT JOIN uses u ON u.locator = l.locator AND u.span >= CASE WHEN s.access_key = $1 THEN $2 ELSE $3 END
                WHERE s.organization = $4
                GROUP BY l.locator, l.last_used_at, s.access_key, counted
                ORDER BY l.locator, counted";
    let (day, hour) = (SecretUsage::oldest_kept(now), SecretUsage::hour_before(now));
    sql(list).bind(&key).bind(&day).bind(&hour).bind(&organization)
}

/// Adds a row of [`usage_with_spans`] to the uses of the earlier rows.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if a column holds an invalid value.
pub fn add_uses_of(
    (usage, spans): &mut (Vec<SecretUsage>, Vec<UsageBucket>),
    key: AccessKeyId,
    now: Timestamp,
    row: &mut Reader<'_>,
) -> Result<(), StoreError> {
    let (locator, last_used_at, is_of_key) = (row.take()?, row.take()?, row.take::<AccessKeyId>()? == key);
    let (span, uses) = (row.take::<Option<i64>>()?, row.take::<Option<u64>>()?.unwrap_or_default());
    if usage.last().is_none_or(|known| known.locator != locator) {
        usage.push(SecretUsage::new(locator, last_used_at, 0));
    }
    if let Some(known) = usage.last_mut()
        && (!is_of_key || span.is_some_and(|span| span >= SecretUsage::hour_before(now)))
    {
        known.uses_last_hour += uses;
    }
    if let Some(span) = span {
        spans.push(UsageBucket::new(locator, span, uses));
    }
    Ok(())
}

/// Reads the counts of uses of an organization's secrets, over the last hour.
pub fn usage(organization: OrganizationId, now: Timestamp) -> Statement {
    let list = "SELECT l.locator, l.last_used_at,
                       coalesce((SELECT CAST(sum(u.uses) AS BIGINT) FROM uses u
                                 WHERE u.locator = l.locator AND u.span >= $1), 0)
                FROM secrets s JOIN last_uses l ON l.locator = s.locator
                WHERE s.organization = $2 ORDER BY l.locator";
    sql(list).bind(&SecretUsage::hour_before(now)).bind(&organization)
}

rows! { SecretUsage(locator, last_used_at, uses_last_hour) }

/// Reads the counts of uses of an organization's secrets in each span, in the engine's order.
pub fn recent_uses(organization: OrganizationId, now: Timestamp) -> Statement {
    let list = "SELECT u.locator, u.span, CAST(u.uses AS BIGINT) FROM secrets s JOIN uses u ON u.locator = s.locator
                WHERE s.organization = $1 AND u.span >= $2";
    sql(list).bind(&organization).bind(&SecretUsage::oldest_kept(now))
}
