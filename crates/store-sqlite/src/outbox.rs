use async_trait::async_trait;
use doorward_store::{Outbox, Shipment, SinkState, StoreError};
use doorward_types::{Name, SessionId, Timestamp};
use rusqlite::{Row, params};

use crate::audit::{self, COLUMNS};
use crate::error::{of_read, unavailable};
use crate::{SqliteStore, row};

#[async_trait]
impl Outbox for SqliteStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        self.scan(move |connection| {
            let mut list = connection
                .prepare_cached(&format!("{COLUMNS} WHERE position > ?1 ORDER BY position LIMIT ?2"))
                .map_err(unavailable)?;
            let shipment = |row: &Row<'_>| Ok(Shipment { position: row.get(12)?, event: audit::link(row) });
            list.query_map(params![position, limit], shipment).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        self.read(|connection| {
            let mut list = connection
                .prepare_cached(
                    "SELECT s.name, s.position, s.holder, s.beat,
                            (SELECT coalesce(max(position), 0) FROM audit_events),
                            (SELECT e.time FROM audit_events e WHERE e.position > s.position
                             ORDER BY e.position LIMIT 1)
                     FROM sinks s ORDER BY s.name",
                )
                .map_err(unavailable)?;
            let sink = |row: &Row<'_>| {
                let (position, newest): (u64, u64) = (row.get(1)?, row.get(4)?);
                Ok(SinkState {
                    name: row::parsed(row, 0)?,
                    position,
                    holder: row::parsed_option(row, 2)?,
                    beat: row.get(3)?,
                    behind: newest.saturating_sub(position),
                    behind_since: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
                })
            };
            list.query_map([], sink).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        let (name, holder) = (name.clone(), holder.to_string());
        self.write(move |connection| {
            let taken = match beat {
                Some(beat) => connection.execute(
                    "UPDATE sinks SET holder = ?1, beat = beat + 1 WHERE name = ?2 AND beat = ?3",
                    params![holder, name.as_str(), beat],
                ),
                None => connection.execute(
                    "INSERT INTO sinks (holder, name, position, beat) VALUES (?1, ?2, 0, 1) ON CONFLICT DO NOTHING",
                    params![holder, name.as_str()],
                ),
            };
            Ok(taken.map_err(unavailable)? == 1)
        })
        .await
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        let (name, holder) = (name.clone(), holder.to_string());
        self.write(move |connection| {
            let advance = "UPDATE sinks SET position = ?3, beat = beat + 1 WHERE name = ?1 AND holder = ?2";
            let held = connection.execute(advance, params![name.as_str(), holder, position]).map_err(unavailable)?;
            Ok(held == 1)
        })
        .await
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        let (name, holder) = (name.clone(), holder.to_string());
        self.write(move |connection| {
            let release = "UPDATE sinks SET holder = NULL, beat = beat + 1 WHERE name = ?1 AND holder = ?2";
            connection.execute(release, params![name.as_str(), holder]).map(drop).map_err(unavailable)
        })
        .await
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        let name = name.clone();
        self.write(move |connection| {
            let forget = "DELETE FROM sinks WHERE name = ?1";
            Ok(connection.execute(forget, [name.as_str()]).map_err(unavailable)? == 1)
        })
        .await
    }
}
