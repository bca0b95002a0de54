use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::{
    CHANGE_LOG_LENGTH, Coherence, LiveSecret, Observation, OperationId, OriginEntry, OriginsChange, Position,
    Provenance, Revision, SecretChange, Session, SessionStatus, Sourced, StoreError, StoreIdentity, Touched,
};
use doorward_types::{Locator, SessionId};
use tokio_postgres::Row;

use crate::row::{self, AFTER_PROVENANCE, PROVENANCE};
use crate::statement::sql;
use crate::transaction::{Decision, lock};
use crate::{PostgresStore, failover, origins};

#[async_trait]
impl Coherence for PostgresStore {
    fn control(&self) -> Option<Arc<dyn Coherence>> {
        Some(Arc::new(self.apart()))
    }

    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        let sql = sql(format!("SELECT {PROVENANCE}, {} FROM store i WHERE i.id = 1", row::IDENTITY));
        let (provenance, found) = self.protocol.sourced(sql).await?;
        let found = found.first().ok_or(StoreError::Unfinished)?;
        Ok(Sourced::new(provenance, row::identity(found, AFTER_PROVENANCE)?))
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        let claim = "UPDATE store SET prefix = $1 WHERE id = 1 AND prefix IS NULL";
        self.protocol.execute(sql(claim).text(prefix)).await.map(drop)
    }

    async fn register(&self, session: Session) -> Result<(), StoreError> {
        let lease = i64::try_from(session.lease.as_millis()).unwrap_or(i64::MAX);
        let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, FALSE)";
        let insert = || sql(insert).text(session.id).number(lease);
        let is_known = sql("SELECT 1 FROM store WHERE longest_lease_ms >= $1").number(lease);
        let is_known = !self.protocol.query(is_known).await?.is_empty();
        // A change that is under way does not know of a longer lease: it ends first, and this node reads what it wrote.
        let longer = || vec![lock(), insert(), failover::longest_lease(lease)];
        let writes = || if is_known { vec![insert()] } else { longer() };
        self.protocol.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }

    async fn live_secrets(
        &self,
        after: Option<&LiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<LiveSecret>>, StoreError> {
        let after = after.map(|live| {
            let (key, secret) = (&live.key, &live.secret);
            [key.organization.to_string(), key.environment.to_string(), key.id.to_string(), secret.state.to_string()]
        });
        let columns = format!("{}, {}, o.name", row::ACCESS_KEY, row::SECRET);
        let place = "s.organization, s.environment, s.access_key, s.state";
        let page = sql(page_sql(
            place,
            &format!(
                "{columns} FROM secrets s
                 JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                   AND k.id = s.access_key
                 JOIN organizations o ON o.id = s.organization
                 WHERE ({place}) > ($1, $2, $3, $4) ORDER BY {place} LIMIT $5"
            ),
        ));
        let page = after.unwrap_or_default().iter().fold(page, |page, part| page.text(part)).number(i64::from(limit));
        read_page(self.protocol.sourced(page).await?, row::live_secret)
    }

    async fn live_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        let after = after.map(|entry| [entry.organization.to_string(), entry.id.to_string()]);
        let [organization, id] = after.unwrap_or_default();
        let (place, columns) = ("a.organization, a.id", origins::COLUMNS);
        let page = format!("{columns} FROM allowed_origins a WHERE ({place}) > ($1, $2) ORDER BY {place} LIMIT $3");
        let page = sql(page_sql(place, &page)).text(organization).text(id).number(i64::from(limit));
        read_page(self.protocol.sourced(page).await?, origins::entry)
    }

    async fn live_secret(&self, locator: Locator) -> Result<Sourced<Option<LiveSecret>>, StoreError> {
        let columns = format!("{}, {}, o.name", row::ACCESS_KEY, row::SECRET);
        let find = sql(format!(
            "SELECT {PROVENANCE}, {columns} FROM store i
             LEFT JOIN secrets s ON s.locator = $1
             LEFT JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                    AND k.id = s.access_key
             LEFT JOIN organizations o ON o.id = s.organization
             WHERE i.id = 1"
        ));
        let (provenance, found) = self.protocol.sourced(find.text(locator)).await?;
        let found = found.first().ok_or(StoreError::Unfinished)?;
        Ok(Sourced::new(provenance, live(found, AFTER_PROVENANCE)?))
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        let newest = format!(
            "SELECT {PROVENANCE}, r.value, (SELECT min(operation) FROM changes WHERE revision = r.value)
             FROM store i JOIN revision r ON r.id = 1 WHERE i.id = 1"
        );
        let (provenance, found) = self.protocol.sourced(sql(newest)).await?;
        let found = found.first().ok_or(StoreError::Unfinished)?;
        Ok(Sourced::new(provenance, position(found, AFTER_PROVENANCE)?))
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        let poll = sql(poll_sql()).text(session).count(since.revision.0).text(since.operation);
        let (provenance, found) = self.polls.sourced(poll.number(CHANGE_LOG_LENGTH as i64)).await?;
        Ok(Sourced::new(provenance, read_poll(session, &found)?))
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        let update = "UPDATE sessions SET acknowledged = $2
                      WHERE id = $1 AND (acknowledged IS NULL OR acknowledged < $2)
                        AND $2 <= (SELECT value FROM revision WHERE id = 1)
                        AND coalesce((SELECT min(operation) FROM changes WHERE revision = $2), $4) = $3";
        let Position { revision, operation } = position;
        let update = sql(update).text(session).count(revision.0).text(operation).text(OperationId::default());
        self.protocol.execute(update).await.map(drop)
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        let insert = "INSERT INTO lost_changes (revision, operation) VALUES ($1, $2)
                      ON CONFLICT (revision, operation) DO NOTHING";
        let note = || vec![sql(insert).count(change.revision.0).text(change.operation)];
        self.protocol.write(&[], |_| Ok(Decision::write(note(), ()))).await
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        let ask = "UPDATE sessions SET asked = $1
                   WHERE (acknowledged IS NULL OR acknowledged < $1) AND (asked IS NULL OR asked < $1)";
        self.protocol.execute(sql(ask).count(revision.0)).await.map(drop)
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        let all = sql(format!(
            "SELECT {PROVENANCE}, n.lease_ms, n.acknowledged, n.asked, n.retired, n.id FROM store i
             LEFT JOIN sessions n ON TRUE WHERE i.id = 1 ORDER BY n.id"
        ));
        let (provenance, found) = self.protocol.sourced(all).await?;
        let status = |found| {
            let id = row::parsed_option(found, AFTER_PROVENANCE + 4).transpose()?;
            Some(id.and_then(|id| status(id, found, AFTER_PROVENANCE)))
        };
        Ok(Sourced::new(provenance, found.iter().filter_map(status).collect::<Result<_, _>>()?))
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.protocol
            .execute(sql("UPDATE sessions SET retired = TRUE WHERE id = ANY($1)").texts(sessions))
            .await
            .map(drop)
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.protocol.execute(sql("DELETE FROM sessions WHERE id = ANY($1)").texts(sessions)).await.map(drop)
    }

    fn poll_interval(&self) -> Duration {
        // If no hint comes, a change takes effect within this time.
        Duration::from_millis(20)
    }

    async fn hint(&self) {
        self.hints.next().await;
    }
}

/// The statement that reads a page with its provenance. An empty page is one row, which has a provenance and no place.
fn page_sql(place: &str, columns_and_rows: &str) -> String {
    format!(
        "SELECT {PROVENANCE}, p.* FROM store i
         LEFT JOIN (SELECT row_number() OVER (ORDER BY {place}) AS place, {columns_and_rows}) p ON TRUE
         WHERE i.id = 1 ORDER BY p.place"
    )
}

/// Reads the answer of [`page_sql`].
fn read_page<T>(
    (provenance, found): (Provenance, Vec<Row>),
    read: impl Fn(&Row, usize) -> Result<T, StoreError>,
) -> Result<Sourced<Vec<T>>, StoreError> {
    let mut page = Vec::with_capacity(found.len());
    for found in &found {
        if row::get::<Option<i64>>(found, AFTER_PROVENANCE)?.is_some() {
            page.push(read(found, AFTER_PROVENANCE + 1)?);
        }
    }
    Ok(Sourced::new(provenance, page))
}

/// One statement, and so one snapshot of one server: what the server is, where the history has come to and what it holds at
/// the revision that was asked for, what is known to be lost, the session, and what everything that was touched is now.
///
/// No lock: a statement that had to wait would see the new revision beside the old rows.
fn poll_sql() -> String {
    format!(
        "SELECT {PROVENANCE}, r.value, (SELECT min(operation) FROM changes WHERE revision = r.value),
                (SELECT min(operation) FROM changes WHERE revision = $2), x.accepted, l.revision, l.operation,
                n.lease_ms, n.acknowledged, n.asked, n.retired, c.touched, c.all_mine, {}, {}, o.name, {}
         FROM revision r
         JOIN store i ON i.id = 1
         LEFT JOIN sessions n ON n.id = $1
         LEFT JOIN (SELECT revision, operation FROM lost_changes WHERE NOT accepted
                    ORDER BY revision, operation LIMIT 1) l ON TRUE
         LEFT JOIN lost_changes x ON x.revision = $2 AND x.operation = $3
         LEFT JOIN (SELECT touched, min(CASE WHEN node = $1 THEN 1 ELSE 0 END) AS all_mine FROM changes
                    WHERE revision > $2 AND $2 + $4 >= (SELECT value FROM revision WHERE id = 1)
                    GROUP BY touched) c ON TRUE
         LEFT JOIN secrets s ON s.locator = c.touched
         LEFT JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                AND k.id = s.access_key
         LEFT JOIN organizations o ON o.id = s.organization
         LEFT JOIN allowed_origins a ON a.organization = c.touched
         WHERE r.id = 1",
        row::ACCESS_KEY,
        row::SECRET,
        origins::COLUMNS
    )
}

fn read_poll(session: SessionId, found: &[Row]) -> Result<Observation, StoreError> {
    const AT: usize = AFTER_PROVENANCE;
    let first = found.first().ok_or(StoreError::Unfinished)?;
    let is_there = row::get::<Option<bool>>(first, AT + 9)?.is_some();
    let is_lossy = row::get::<Option<i64>>(first, AT + 4)?.is_some();
    let mut observation = Observation {
        session: is_there.then(|| status(session, first, AT + 6)).transpose()?,
        position: position(first, AT)?,
        operation_there: operation(first, AT + 2)?,
        is_noted: row::get::<Option<bool>>(first, AT + 3)?.is_some(),
        open_loss: is_lossy.then(|| position(first, AT + 4)).transpose()?,
        touched_by_others: false,
        changes: vec![],
        origins: vec![],
    };
    let mut origins: BTreeMap<_, Vec<OriginEntry>> = BTreeMap::new();
    for found in found {
        let Some(touched) = row::parsed_option(found, AT + 10)? else { continue };
        observation.touched_by_others |= row::get::<i32>(found, AT + 11)? == 0;
        match touched {
            // A row for each entry, or one row without.
            Touched::Origins(organization) => {
                let entries = origins.entry(organization).or_default();
                if row::get::<Option<&str>>(found, AT + 24)?.is_some() {
                    entries.push(origins::entry(found, AT + 24)?);
                }
            }
            Touched::Secret(locator) => {
                observation.changes.push(SecretChange { locator, live: live(found, AT + 12)? });
            }
        }
    }
    for (organization, mut entries) in origins {
        entries.sort_by_key(|entry| entry.id);
        observation.origins.push(OriginsChange { organization, entries });
    }
    Ok(observation)
}

/// Reads a secret, if there is one.
fn live(found: &Row, at: usize) -> Result<Option<LiveSecret>, StoreError> {
    let lives = row::get::<Option<&str>>(found, at)?.is_some();
    lives.then(|| row::live_secret(found, at)).transpose()
}

/// Reads four columns of a session: lease_ms, acknowledged, asked, retired.
fn status(id: SessionId, found: &Row, at: usize) -> Result<SessionStatus, StoreError> {
    let revision = |column| {
        let revision: Option<i64> = row::get(found, column)?;
        Ok::<_, StoreError>(revision.and_then(|revision| u64::try_from(revision).ok()).map(Revision))
    };
    let (acknowledged, asked, retired) = (revision(at + 1)?, revision(at + 2)?, row::get(found, at + 3)?);
    let session = Session { id, lease: Duration::from_millis(row::count(found, at)?) };
    Ok(SessionStatus { session, acknowledged, asked, retired })
}

fn position(found: &Row, at: usize) -> Result<Position, StoreError> {
    Ok(Position { revision: Revision(row::count(found, at)?), operation: operation(found, at + 1)? })
}

fn operation(row: &Row, column: usize) -> Result<OperationId, StoreError> {
    row::parsed_option(row, column).map(Option::unwrap_or_default)
}
