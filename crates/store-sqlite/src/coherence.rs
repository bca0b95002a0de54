//! The feed of changes and the registry of nodes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::{
    ActiveSecret, ChangeFeed, ChangeTarget, NodeDescription, NodeRecord, NodeRegistry, Observation, OperationId,
    OriginEntry, OriginsChange, Position, Revision, SecretChange, Session, SessionStatus, Sourced, StoreError,
    StoreIdentity,
};
use doorward_store_sql::coherence::{self as rows, NODE, STATUS};
use doorward_store_sql::table::columns;
use doorward_store_sql::{Statement, keys, sql, text};
use doorward_types::{Locator, SessionId};
use rusqlite::Connection;

use crate::error::unavailable;
use crate::queue::Urgency;
use crate::reader::{LastPoll, Reader};
use crate::{SqliteStore, identity, row};

/// The milliseconds since 1970, by this machine's clock.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        self.sourced(identity::of).await
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        self.write_protocol(vec![rows::claim_prefix(prefix)]).await
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        self.sourced(position).await
    }

    async fn active_secrets(
        &self,
        after: Option<&ActiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<ActiveSecret>>, StoreError> {
        let page = text!(
            "{} WHERE (s.organization, s.environment, s.access_key, s.state) > ($1, $2, $3, $4)
             ORDER BY s.organization, s.environment, s.access_key, s.state LIMIT $5",
            select_active()
        );
        let page = keys::bind_active_page(sql(page), after, limit);
        self.sourced(move |connection| row::list(connection, &page)).await
    }

    async fn active_secret(&self, locator: Locator) -> Result<Sourced<Option<ActiveSecret>>, StoreError> {
        self.sourced(move |connection| active_secret(connection, locator)).await
    }

    async fn all_allowed_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        let page = text!(
            "SELECT {} FROM allowed_origins WHERE (organization, id) > ($1, $2) ORDER BY organization, id LIMIT $3",
            columns::<OriginEntry>("")
        );
        let page = keys::bind_origin_page(sql(page), after, limit);
        self.sourced(move |connection| row::list(connection, &page)).await
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        self.polls.run(move |reader| poll(reader, session, since)).await
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.write_protocol(vec![rows::report_lost(change)]).await
    }

    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        let newest = sql("SELECT max(revision) FROM operations WHERE subject = $1").text(subject);
        self.sourced(move |connection| Ok(row::value(connection, &newest)?.flatten())).await
    }

    fn poll_interval(&self) -> Duration {
        // A poll costs microseconds. A change from another process takes effect at the next poll.
        Duration::from_millis(10)
    }
}

#[async_trait]
impl NodeRegistry for SqliteStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        self.write_protocol(vec![rows::register(&session), rows::raise_longest_lease(session.lease)]).await
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        self.write_at(Urgency::Control, move |connection| acknowledge(connection, session, position)).await
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        self.write_protocol(vec![rows::ask(revision)]).await
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        let list = sql(text!("SELECT {STATUS} FROM sessions n ORDER BY n.id"));
        self.sourced(move |connection| row::list(connection, &list)).await
    }

    async fn describe(&self, session: SessionId, description: &NodeDescription) -> Result<(), StoreError> {
        self.write_protocol(vec![rows::describe(session, description, NOW)]).await
    }

    async fn nodes(&self) -> Result<Sourced<Vec<NodeRecord>>, StoreError> {
        let list = sql(text!("SELECT {NODE} FROM sessions n ORDER BY n.id"));
        self.sourced(move |connection| row::list(connection, &list)).await
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let retire = |session| sql("UPDATE sessions SET retired = TRUE WHERE id = $1").bind(session);
        self.write_protocol(sessions.iter().map(retire).collect()).await
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let remove = |session| sql("DELETE FROM sessions WHERE id = $1").bind(session);
        self.write_protocol(sessions.iter().map(remove).collect()).await
    }

    fn control(&self) -> Option<Arc<dyn NodeRegistry>> {
        Some(Arc::new(self.apart()))
    }
}

impl SqliteStore {
    /// Runs writes of the protocol, before all other writes. A statement may touch no row.
    async fn write_protocol(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.write_at(Urgency::Control, move |connection| row::write_all(connection, &statements)).await
    }
}

/// Reads the facts of a poll.
fn poll(reader: &mut Reader, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
    reader.prove()?;
    let data_version = data_version(&reader.connection)?;
    if let Some(last) = &reader.last_poll
        && (last.data_version, last.session, last.since) == (data_version, session, since)
    {
        return Ok(last.found.clone());
    }
    let found = reader.read(|transaction| {
        let found = observe(transaction, session, since)?;
        identity::sourced(transaction, found)
    })?;
    reader.last_poll = Some(LastPoll { data_version, session, since, found: found.clone() });
    Ok(found)
}

/// Reads `data_version`. Call it outside a transaction: inside, the version would not show commits of other processes.
fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)))
        .map_err(unavailable)
}

fn observe(connection: &Connection, session: SessionId, since: Position) -> Result<Observation, StoreError> {
    let touched = sql("SELECT touched, max(node IS NOT $1) FROM changes WHERE revision > $2 GROUP BY touched");
    let touched = touched.bind(&session).bind(&since.revision);
    let all: Vec<(_, bool)> = row::list(connection, &touched)?;
    let touched_by_others = all.iter().any(|(_, by_others)| *by_others);
    let (mut changes, mut origins) = (Vec::new(), Vec::new());
    for (touched, _) in all {
        match touched {
            ChangeTarget::Origins(organization) => {
                let entries = row::list(connection, &keys::origins(organization))?;
                origins.push(OriginsChange { organization, entries });
            }
            ChangeTarget::Secret(locator) => {
                changes.push(SecretChange { locator, live: active_secret(connection, locator)? })
            }
        }
    }
    Ok(Observation {
        session: row::find(connection, &sql(text!("SELECT {STATUS} FROM sessions n WHERE n.id = $1")).bind(&session))?,
        position: position(connection)?,
        operation_there: operation_at(connection, since.revision)?,
        is_noted: is_noted(connection, since)?,
        open_loss: open_loss(connection)?,
        touched_by_others,
        changes,
        origins,
    })
}

pub(crate) fn position(connection: &Connection) -> Result<Position, StoreError> {
    let revision = row::value(connection, &sql("SELECT value FROM revision WHERE id = 1"))?;
    let revision = revision.ok_or(StoreError::UnfinishedCopy)?;
    Ok(Position { revision, operation: operation_at(connection, revision)? })
}

/// Returns the operation of a change, if the log still has it.
fn operation_at(connection: &Connection, revision: Revision) -> Result<OperationId, StoreError> {
    let find = sql("SELECT operation FROM changes WHERE revision = $1 LIMIT 1").bind(&revision);
    row::value(connection, &find).map(Option::unwrap_or_default)
}

/// Returns a lost change that no operator has accepted.
fn open_loss(connection: &Connection) -> Result<Option<Position>, StoreError> {
    let find = sql("SELECT revision, operation FROM lost_changes WHERE NOT accepted LIMIT 1");
    row::find(connection, &find)
}

/// Returns true if this change is recorded as lost.
fn is_noted(connection: &Connection, change: Position) -> Result<bool, StoreError> {
    let find = sql("SELECT 1 FROM lost_changes WHERE revision = $1 AND operation = $2");
    row::exists(connection, &find.bind(&change.revision).bind(&change.operation))
}

fn acknowledge(connection: &Connection, session: SessionId, applied: Position) -> Result<(), StoreError> {
    let revision = applied.revision;
    if !applied.is_in(position(connection)?.revision, operation_at(connection, revision)?) {
        return Ok(());
    }
    let raise = sql("UPDATE sessions SET acknowledged = $1 WHERE id = $2 AND coalesce(acknowledged < $1, TRUE)");
    // A session that is gone or has already acknowledged needs no row.
    row::write_some(connection, &raise.bind(&revision).bind(&session)).map(drop)
}

fn active_secret(connection: &Connection, locator: Locator) -> Result<Option<ActiveSecret>, StoreError> {
    let find = sql(text!("{} WHERE s.locator = $1", select_active())).bind(&locator);
    row::find(connection, &find)
}

fn select_active() -> String {
    format!(
        "SELECT {} FROM secrets s
         JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment AND k.id = s.access_key
         JOIN organizations o ON o.id = s.organization",
        keys::active_columns()
    )
}
