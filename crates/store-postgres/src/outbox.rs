use async_trait::async_trait;
use doorward_store::{Outbox, Shipment, SinkState, StoreError};
use doorward_types::{Name, SessionId, Timestamp};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::audit::{self, COLUMNS};
use crate::row::{self, number, text};

#[async_trait]
impl Outbox for PostgresStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        let (position, limit) = (row::big(position), i64::from(limit));
        let sql = format!("{COLUMNS} WHERE position > $1 ORDER BY position LIMIT $2");
        let found = self.query(&sql, &[number(&position), number(&limit)]).await?;
        let shipment = |found: &Row| Ok(Shipment { position: row::count(found, 12)?, event: audit::link(found) });
        found.iter().map(shipment).collect()
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        let sql = "SELECT s.name, s.position, s.holder, s.beat,
                          (SELECT coalesce(max(position), 0) FROM audit_events),
                          (SELECT e.time FROM audit_events e WHERE e.position > s.position
                           ORDER BY e.position LIMIT 1)
                   FROM sinks s ORDER BY s.name";
        let sink = |found: &Row| {
            let (position, newest) = (row::count(found, 1)?, row::count(found, 4)?);
            Ok(SinkState {
                name: row::parsed(found, 0)?,
                position,
                holder: row::parsed_option(found, 2)?,
                beat: row::count(found, 3)?,
                behind: newest.saturating_sub(position),
                behind_since: row::get::<Option<i64>>(found, 5)?.map(Timestamp::from_millis),
            })
        };
        self.query(sql, &[]).await?.iter().map(sink).collect()
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        let (name, holder) = (name.as_str(), holder.to_string());
        let taken = match beat.map(row::big) {
            Some(beat) => {
                let take = "UPDATE sinks SET holder = $1, beat = beat + 1 WHERE name = $2 AND beat = $3";
                self.execute(take, &[text(&holder), text(&name), number(&beat)]).await?
            }
            None => {
                let make = "INSERT INTO sinks (holder, name, position, beat) VALUES ($1, $2, 0, 1)
                            ON CONFLICT (name) DO NOTHING";
                self.execute(make, &[text(&holder), text(&name)]).await?
            }
        };
        Ok(taken == 1)
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        let (name, holder, position) = (name.as_str(), holder.to_string(), row::big(position));
        let advance = "UPDATE sinks SET position = $3, beat = beat + 1 WHERE name = $1 AND holder = $2";
        Ok(self.execute(advance, &[text(&name), text(&holder), number(&position)]).await? == 1)
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        let (name, holder) = (name.as_str(), holder.to_string());
        let release = "UPDATE sinks SET holder = NULL, beat = beat + 1 WHERE name = $1 AND holder = $2";
        self.execute(release, &[text(&name), text(&holder)]).await.map(drop)
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        let name = name.as_str();
        Ok(self.execute("DELETE FROM sinks WHERE name = $1", &[text(&name)]).await? == 1)
    }
}
