use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::{
    ActiveSecret, CHANGE_LOG_LENGTH, ChangeFeed, ChangeTarget, NodeDescription, NodeRecord, NodeRegistry, Observation,
    OperationId, OriginEntry, OriginsChange, Position, Provenance, Revision, SecretChange, Session, SessionStatus,
    Sourced, StoreError, StoreIdentity,
};
use doorward_store_sql::coherence::{self as rows, IDENTITY, NODE, STATUS};
use doorward_store_sql::keys::{self, ACTIVE_COLUMNS};
use doorward_store_sql::table::columns;
use doorward_store_sql::{FromRow, Reader, Statement, sql, text};
use doorward_types::{Locator, SessionId, Timestamp};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::row::{self, AFTER_PROVENANCE, PROVENANCE};
use crate::transaction::{Decision, lock};

/// The milliseconds since 1970, by the database's clock.
const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        let find = text!("SELECT {PROVENANCE}, {IDENTITY} FROM store i WHERE i.id = 1");
        let (provenance, found) = self.protocol.sourced(sql(find)).await?;
        Ok(Sourced::new(provenance, row::behind(&found)?))
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        self.protocol.execute(rows::claim_prefix(prefix)).await.map(drop)
    }

    async fn active_secrets(
        &self,
        after: Option<&ActiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<ActiveSecret>>, StoreError> {
        const PLACE: &str = "s.organization, s.environment, s.access_key, s.state";
        let page = text!(
            "{}",
            page_sql(
                PLACE,
                &format!(
                    "{} FROM secrets s
                     JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                       AND k.id = s.access_key
                     JOIN organizations o ON o.id = s.organization
                     WHERE ({PLACE}) > ($1, $2, $3, $4) ORDER BY {PLACE} LIMIT $5",
                    keys::active_columns()
                ),
            )
        );
        let page = keys::bind_active_page(sql(page), after, limit);
        read_page(self.protocol.sourced(page).await?)
    }

    async fn all_allowed_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        const PLACE: &str = "a.organization, a.id";
        let page = text!(
            "{}",
            page_sql(
                PLACE,
                &format!(
                    "{} FROM allowed_origins a WHERE ({PLACE}) > ($1, $2) ORDER BY {PLACE} LIMIT $3",
                    columns::<OriginEntry>("a")
                ),
            )
        );
        let page = keys::bind_origin_page(sql(page), after, limit);
        read_page(self.protocol.sourced(page).await?)
    }

    async fn active_secret(&self, locator: Locator) -> Result<Sourced<Option<ActiveSecret>>, StoreError> {
        let find = text!(
            "SELECT {PROVENANCE}, {} FROM store i
             LEFT JOIN secrets s ON s.locator = $1
             LEFT JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                    AND k.id = s.access_key
             LEFT JOIN organizations o ON o.id = s.organization
             WHERE i.id = 1",
            keys::active_columns()
        );
        let (provenance, found) = self.protocol.sourced(sql(find).bind(&locator)).await?;
        Ok(Sourced::new(provenance, row::behind(&found)?))
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        let newest = text!(
            "SELECT {PROVENANCE}, r.value, (SELECT min(operation) FROM changes WHERE revision = r.value)
             FROM store i JOIN revision r ON r.id = 1 WHERE i.id = 1"
        );
        let (provenance, found) = self.protocol.sourced(sql(newest)).await?;
        Ok(Sourced::new(provenance, row::behind(&found)?))
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        let poll = sql(text!("{}", poll_sql())).bind(&session).bind(&since.revision).bind(&since.operation);
        let (provenance, found) = self.polls.sourced(poll.bind(&(CHANGE_LOG_LENGTH as i64))).await?;
        Ok(Sourced::new(provenance, read_poll(&found)?))
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.protocol.write(&[], |_| Ok(Decision::write(vec![rows::report_lost(change)], ()))).await
    }

    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        let find = text!(
            "SELECT {PROVENANCE}, (SELECT max(revision) FROM operations WHERE subject = $1) FROM store i WHERE i.id = 1"
        );
        let (provenance, found) = self.protocol.sourced(sql(find).text(subject)).await?;
        let (newest,) = row::behind(&found)?;
        Ok(Sourced::new(provenance, newest))
    }

    fn poll_interval(&self) -> Duration {
        // Without a hint, a node sees a change within this time.
        Duration::from_millis(20)
    }

    async fn change_notified(&self) {
        self.hints.next().await;
    }
}

#[async_trait]
impl NodeRegistry for PostgresStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        let insert = || rows::register(&session);
        let is_known = sql("SELECT 1 FROM store WHERE longest_lease_ms >= $1").bind(&session.lease);
        let is_known = !self.protocol.query(is_known).await?.is_empty();
        // A change in progress does not know of a longer lease. The lock waits for its end, and this node then reads
        // its rows.
        let longer = || vec![lock(), insert(), rows::raise_longest_lease(session.lease)];
        let writes = || if is_known { vec![insert()] } else { longer() };
        self.protocol.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        let update = "UPDATE sessions SET acknowledged = $2
                      WHERE id = $1 AND (acknowledged IS NULL OR acknowledged < $2)
                        AND $2 <= (SELECT value FROM revision WHERE id = 1)
                        AND coalesce((SELECT min(operation) FROM changes WHERE revision = $2), $4) = $3";
        let Position { revision, operation } = position;
        let update = sql(update).bind(&session).bind(&revision).bind(&operation).bind(&OperationId::default());
        self.protocol.execute(update).await.map(drop)
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        self.protocol.execute(rows::ask(revision)).await.map(drop)
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        self.listed(sql(text!(
            "SELECT {PROVENANCE}, {STATUS} FROM store i LEFT JOIN sessions n ON TRUE WHERE i.id = 1 ORDER BY n.id"
        )))
        .await
    }

    async fn describe(&self, session: SessionId, description: &NodeDescription) -> Result<(), StoreError> {
        self.protocol.execute(rows::describe(session, description, NOW)).await.map(drop)
    }

    async fn nodes(&self) -> Result<Sourced<Vec<NodeRecord>>, StoreError> {
        self.listed(sql(text!(
            "SELECT {PROVENANCE}, {NODE} FROM store i LEFT JOIN sessions n ON TRUE WHERE i.id = 1 ORDER BY n.id"
        )))
        .await
    }

    async fn store_time(&self) -> Result<Option<Timestamp>, StoreError> {
        row::value(&self.protocol.query(sql(text!("SELECT {NOW}"))).await?)
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.protocol
            .execute(sql("UPDATE sessions SET retired = TRUE WHERE id = ANY($1)").all(sessions))
            .await
            .map(drop)
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.protocol.execute(sql("DELETE FROM sessions WHERE id = ANY($1)").all(sessions)).await.map(drop)
    }

    fn control(&self) -> Option<Arc<dyn NodeRegistry>> {
        Some(Arc::new(self.apart()))
    }
}

impl PostgresStore {
    /// Reads rows beside the store's own record. Without rows, the record stands alone.
    async fn listed<T: FromRow>(&self, all: Statement) -> Result<Sourced<Vec<T>>, StoreError> {
        let (provenance, found) = self.protocol.sourced(all).await?;
        let all = found.iter().map(|found| row::read(found, AFTER_PROVENANCE, FromRow::read));
        Ok(Sourced::new(provenance, all.filter_map(Result::transpose).collect::<Result<_, _>>()?))
    }
}

/// Returns the statement that reads a page with its provenance. An empty page is one row with a provenance and a NULL
/// place.
fn page_sql(place: &str, columns_and_rows: &str) -> String {
    format!(
        "SELECT {PROVENANCE}, p.* FROM store i
         LEFT JOIN (SELECT row_number() OVER (ORDER BY {place}) AS place, {columns_and_rows}) p ON TRUE
         WHERE i.id = 1 ORDER BY p.place"
    )
}

/// Reads the rows of [`page_sql`].
fn read_page<T: FromRow>((provenance, found): (Provenance, Vec<Row>)) -> Result<Sourced<Vec<T>>, StoreError> {
    let mut page = Vec::with_capacity(found.len());
    for found in &found {
        let read = |row: &mut Reader<'_>| row.take::<Option<i64>>()?.map(|_| T::read(row)).transpose();
        page.extend(row::read(found, AFTER_PROVENANCE, read)?);
    }
    Ok(Sourced::new(provenance, page))
}

/// Returns the statement of a poll. One statement reads one snapshot of one server: the provenance, the newest
/// position, the operation at the revision of `since`, the lost changes, the session, and the new state of each changed
/// entity.
///
/// It takes no lock: after waiting for a lock, a statement would see the new revision beside the old rows.
fn poll_sql() -> String {
    format!(
        "SELECT {PROVENANCE}, r.value, (SELECT min(operation) FROM changes WHERE revision = r.value),
                (SELECT min(operation) FROM changes WHERE revision = $2), x.accepted, l.revision, l.operation,
                {STATUS}, c.touched, c.by_others, {}, {}
         FROM revision r
         JOIN store i ON i.id = 1
         LEFT JOIN sessions n ON n.id = $1
         LEFT JOIN (SELECT revision, operation FROM lost_changes WHERE NOT accepted
                    ORDER BY revision, operation LIMIT 1) l ON TRUE
         LEFT JOIN lost_changes x ON x.revision = $2 AND x.operation = $3
         LEFT JOIN (SELECT touched, CAST(max(CASE WHEN node = $1 THEN 0 ELSE 1 END) AS BIGINT) AS by_others FROM changes
                    WHERE revision > $2 AND $2 + $4 >= (SELECT value FROM revision WHERE id = 1)
                    GROUP BY touched) c ON TRUE
         LEFT JOIN secrets s ON s.locator = c.touched
         LEFT JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment
                                AND k.id = s.access_key
         LEFT JOIN organizations o ON o.id = s.organization
         LEFT JOIN allowed_origins a ON a.organization = c.touched
         WHERE r.id = 1",
        keys::active_columns(),
        columns::<OriginEntry>("a")
    )
}

fn read_poll(found: &[Row]) -> Result<Observation, StoreError> {
    // The first column of each part of a row.
    const POSITION: usize = AFTER_PROVENANCE;
    const OPEN_LOSS: usize = POSITION + 4;
    const SESSION: usize = OPEN_LOSS + 2;
    const TOUCHED: usize = SESSION + 5;
    const LIVE: usize = TOUCHED + 2;
    const ORIGIN: usize = LIVE + ACTIVE_COLUMNS;
    let first = found.first().ok_or(StoreError::UnfinishedCopy)?;
    let position = row::read(first, POSITION, |row| {
        let (position, operation_there) = (Position::read(row)?, row.take::<Option<_>>()?.unwrap_or_default());
        Ok((position, operation_there, row.take::<Option<bool>>()?.is_some()))
    });
    let (position, operation_there, is_noted) = position?;
    let mut observation = Observation {
        session: row::read(first, SESSION, FromRow::read)?,
        position,
        operation_there,
        is_noted,
        open_loss: row::read(first, OPEN_LOSS, FromRow::read)?,
        touched_by_others: false,
        changes: vec![],
        origins: vec![],
    };
    let mut origins: BTreeMap<_, Vec<OriginEntry>> = BTreeMap::new();
    for found in found {
        let Some((touched, by_others)) = row::read(found, TOUCHED, Option::<(_, i64)>::read)? else { continue };
        observation.touched_by_others |= by_others == 1;
        match touched {
            // One row for each entry of the list, or one row without an entry.
            ChangeTarget::Origins(organization) => {
                let entry: Option<OriginEntry> = row::read(found, ORIGIN, FromRow::read)?;
                origins.entry(organization).or_default().extend(entry);
            }
            ChangeTarget::Secret(locator) => {
                observation.changes.push(SecretChange { locator, live: row::read(found, LIVE, FromRow::read)? });
            }
        }
    }
    for (organization, mut entries) in origins {
        entries.sort_by_key(|entry| entry.id);
        observation.origins.push(OriginsChange { organization, entries });
    }
    Ok(observation)
}
