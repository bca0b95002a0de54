use async_trait::async_trait;
use doorward_store::{Outbox, Shipment, SinkState, StoreError};
use doorward_types::{Name, SessionId, Timestamp};
use tokio_postgres::Row;

use crate::audit::{self, COLUMNS};
use crate::statement::sql;
use crate::{PostgresStore, row};

#[async_trait]
impl Outbox for PostgresStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        let list = sql(format!("{COLUMNS} WHERE position > $1 ORDER BY position LIMIT $2"));
        let found = self.query(list.count(position).number(i64::from(limit))).await?;
        let shipment = |found: &Row| Ok(Shipment { position: row::count(found, 12)?, event: audit::link(found) });
        found.iter().map(shipment).collect()
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        let all = "SELECT s.name, s.position, s.holder, s.beat,
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
        self.query(sql(all)).await?.iter().map(sink).collect()
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        let statement = match beat {
            Some(beat) => {
                let take = "UPDATE sinks SET holder = $1, beat = beat + 1 WHERE name = $2 AND beat = $3";
                sql(take).text(holder).text(name).count(beat)
            }
            None => {
                let make = "INSERT INTO sinks (holder, name, position, beat) VALUES ($1, $2, 0, 1)
                            ON CONFLICT (name) DO NOTHING";
                sql(make).text(holder).text(name)
            }
        };
        Ok(self.execute(statement).await? == 1)
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        let advance = "UPDATE sinks SET position = $3, beat = beat + 1 WHERE name = $1 AND holder = $2";
        Ok(self.execute(sql(advance).text(name).text(holder).count(position)).await? == 1)
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        let release = "UPDATE sinks SET holder = NULL, beat = beat + 1 WHERE name = $1 AND holder = $2";
        self.execute(sql(release).text(name).text(holder)).await.map(drop)
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        Ok(self.execute(sql("DELETE FROM sinks WHERE name = $1").text(name)).await? == 1)
    }
}
