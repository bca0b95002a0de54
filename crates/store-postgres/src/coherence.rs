use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use doorward_store::{
    CHANGE_LOG_LENGTH, Coherence, LiveSecret, OperationId, OriginEntry, OriginsChange, Poll, Position, Revision,
    SecretChange, Session, SessionStatus, StoreError, Touched,
};
use doorward_types::{Locator, SessionId};
use tokio_postgres::Row;

use crate::error::{of_statement, unavailable};
use crate::row::{self, number, text, texts};
use crate::{PostgresStore, connect, origins};

/// How long a poll may take before its connection is given up: well within a lease.
const POLL: Duration = Duration::from_secs(1);

#[async_trait]
impl Coherence for PostgresStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        let lease = i64::try_from(session.lease.as_millis()).unwrap_or(i64::MAX);
        let insert = "INSERT INTO sessions (id, lease_ms, retired) VALUES ($1, $2, FALSE)";
        self.execute(insert, &[text(&session.id.to_string()), number(&lease)]).await.map(drop)
    }

    async fn live_secrets(&self, after: Option<&LiveSecret>, limit: u32) -> Result<Vec<LiveSecret>, StoreError> {
        let after = after.map(|live| {
            let (key, secret) = (&live.key, &live.secret);
            [key.organization.to_string(), key.environment.to_string(), key.id.to_string(), secret.state.to_string()]
        });
        let [organization, environment, key, state] = after.unwrap_or_default();
        let sql = live_secrets_where(
            "(s.organization, s.environment, s.access_key, s.state) > ($1, $2, $3, $4)
             ORDER BY s.organization, s.environment, s.access_key, s.state LIMIT $5",
        );
        let limit = i64::from(limit);
        let params = [text(&organization), text(&environment), text(&key), text(&state), number(&limit)];
        self.query(&sql, &params).await?.iter().map(row::live_secret).collect()
    }

    async fn live_origins(&self, after: Option<&OriginEntry>, limit: u32) -> Result<Vec<OriginEntry>, StoreError> {
        let after = after.map(|entry| [entry.organization.to_string(), entry.id.to_string()]);
        let ([organization, id], limit) = (after.unwrap_or_default(), i64::from(limit));
        let sql = format!(
            "SELECT {} FROM allowed_origins a WHERE (a.organization, a.id) > ($1, $2) ORDER BY a.organization, a.id LIMIT $3",
            origins::COLUMNS
        );
        let found = self.query(&sql, &[text(&organization), text(&id), number(&limit)]).await?;
        found.iter().map(|found| origins::entry(found, 0)).collect()
    }

    async fn live_secret(&self, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
        let found = self.query(&live_secrets_where("s.locator = $1"), &[text(&locator.as_str())]).await?;
        found.first().map(row::live_secret).transpose()
    }

    async fn position(&self) -> Result<Position, StoreError> {
        let sql = "SELECT r.value, (SELECT min(operation) FROM changes WHERE revision = r.value)
                   FROM revision r WHERE r.id = 1";
        let found = self.query(sql, &[]).await?;
        let newest = found.first().ok_or(StoreError::Unfinished)?;
        Ok(Position { revision: Revision(row::count(newest, 0)?), operation: operation(newest, 1)? })
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Poll, StoreError> {
        let (session, revision) = (session.to_string(), row::big(since.revision.0));
        let operation = since.operation.to_string();
        let work = async {
            let client = self.polls.get().await.map_err(connect::failure)?;
            client
                .query_typed(&poll_sql(), &[text(&session), number(&revision), text(&operation)])
                .await
                .map_err(of_statement)
        };
        let silent = |_| Err(unavailable("the database does not answer a poll"));
        let found = tokio::time::timeout(POLL, work).await.unwrap_or_else(silent)?;
        read_poll(&found, since)
    }

    async fn acknowledge(&self, session: SessionId, revision: Revision) -> Result<(), StoreError> {
        let update = "UPDATE sessions SET acknowledged = $2
                      WHERE id = $1 AND (acknowledged IS NULL OR acknowledged < $2)";
        self.execute(update, &[text(&session.to_string()), number(&row::big(revision.0))]).await.map(drop)
    }

    async fn sessions(&self) -> Result<Vec<SessionStatus>, StoreError> {
        let status = |found: &Row| {
            let lease = Duration::from_millis(row::count(found, 1)?);
            let acknowledged: Option<i64> = row::get(found, 2)?;
            Ok(SessionStatus {
                session: Session { id: row::parsed(found, 0)?, lease },
                acknowledged: acknowledged.and_then(|revision| u64::try_from(revision).ok()).map(Revision),
                retired: row::get(found, 3)?,
            })
        };
        let sql = "SELECT id, lease_ms, acknowledged, retired FROM sessions ORDER BY id";
        self.query(sql, &[]).await?.iter().map(status).collect()
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let ids: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        self.execute("UPDATE sessions SET retired = TRUE WHERE id = ANY($1)", &[texts(&ids)]).await.map(drop)
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let ids: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        self.execute("DELETE FROM sessions WHERE id = ANY($1)", &[texts(&ids)]).await.map(drop)
    }

    fn poll_interval(&self) -> Duration {
        // Where no hint comes, a change takes effect within this time.
        Duration::from_millis(20)
    }

    async fn hint(&self) {
        self.hints.next().await;
    }
}

fn live_secrets_where(condition: &str) -> String {
    format!(
        "SELECT {}, {}, o.name FROM secrets s
         JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment AND k.id = s.access_key
         JOIN organizations o ON o.id = s.organization
         WHERE {condition}",
        row::ACCESS_KEY,
        row::SECRET
    )
}

/// One statement, and so one snapshot: what every touched secret is now, where the history has come to and what it holds
/// at the revision that was asked for, what is known to be lost, and the session.
///
/// No lock: one that had to wait would see the new revision beside the old rows.
fn poll_sql() -> String {
    format!(
        "SELECT {}, {}, o.name, r.value, n.retired, c.touched, c.all_mine,
                (SELECT min(operation) FROM changes WHERE revision = r.value),
                (SELECT min(operation) FROM changes WHERE revision = $2), l.revision, l.operation, x.accepted, {}
         FROM revision r
         LEFT JOIN sessions n ON n.id = $1
         LEFT JOIN (SELECT revision, operation FROM lost_changes WHERE NOT accepted LIMIT 1) l ON TRUE
         LEFT JOIN lost_changes x ON x.revision = $2 AND x.operation = $3
         LEFT JOIN (SELECT touched, min(CASE WHEN node = $1 THEN 1 ELSE 0 END) AS all_mine
                    FROM changes WHERE revision > $2 GROUP BY touched) c ON TRUE
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

fn operation(row: &Row, column: usize) -> Result<OperationId, StoreError> {
    row::parsed_option(row, column).map(Option::unwrap_or_default)
}

fn read_poll(found: &[Row], since: Position) -> Result<Poll, StoreError> {
    let first = found.first().ok_or(StoreError::Unfinished)?;
    if row::get::<Option<bool>>(first, 13)? != Some(false) {
        return Ok(Poll::Retired);
    }
    let position = Position { revision: Revision(row::count(first, 12)?), operation: operation(first, 16)? };
    let behind = since.revision.0 + (CHANGE_LOG_LENGTH as u64) < position.revision.0;
    let lost = !behind && (since.revision > position.revision || since.operation != operation(first, 17)?);
    if lost && row::get::<Option<bool>>(first, 20)?.is_none() {
        return Ok(Poll::Lost(since));
    }
    if let Some(open) = row::get::<Option<i64>>(first, 18)? {
        let revision = Revision(u64::try_from(open).unwrap_or(0));
        return Ok(Poll::Lost(Position { revision, operation: operation(first, 19)? }));
    }
    if behind || lost {
        return Ok(Poll::Behind);
    }
    let (mut changes, mut origins, mut acknowledgement_wanted) = (Vec::new(), BTreeMap::new(), false);
    for found in found {
        let Some(touched) = row::parsed_option(found, 14)? else { continue };
        acknowledgement_wanted |= row::get::<i32>(found, 15)? == 0;
        match touched {
            // A row for each entry, or one row without.
            Touched::Origins(organization) => {
                let entries: &mut Vec<_> = origins.entry(organization).or_default();
                if row::get::<Option<&str>>(found, 21)?.is_some() {
                    entries.push(origins::entry(found, 21)?);
                }
            }
            Touched::Secret(locator) => {
                let lives = row::get::<Option<&str>>(found, 6)?.is_some();
                changes.push(SecretChange { locator, live: lives.then(|| row::live_secret(found)).transpose()? });
            }
        }
    }
    let of_organization = |(organization, mut entries): (_, Vec<OriginEntry>)| {
        entries.sort_by_key(|entry| entry.id);
        OriginsChange { organization, entries }
    };
    let origins = origins.into_iter().map(of_organization).collect();
    Ok(Poll::Current { position, changes, origins, acknowledgement_wanted })
}
