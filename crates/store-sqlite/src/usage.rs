use async_trait::async_trait;
use doorward_store::{SecretUsage, SpanUses, StoreError, UsageLog};
use doorward_types::{Locator, OrganizationId, Timestamp};
use rusqlite::params;

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, row};

#[async_trait]
impl UsageLog for SqliteStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = uses.to_vec();
        self.write(move |transaction| {
            let mut last = transaction
                .prepare_cached(
                    "INSERT INTO last_uses (locator, last_used_at) SELECT locator, ?2 FROM secrets WHERE locator = ?1
                     ON CONFLICT (locator) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)",
                )
                .map_err(unavailable)?;
            let mut add = transaction
                .prepare_cached(
                    "INSERT INTO uses (locator, span, uses) VALUES (?1, ?2, ?3)
                     ON CONFLICT (locator, span) DO UPDATE SET uses = uses + excluded.uses",
                )
                .map_err(unavailable)?;
            for (locator, count) in uses {
                let known = last.execute(params![locator.as_str(), at.as_millis()]).map_err(of_write)?;
                if known == 1 {
                    add.execute(params![locator.as_str(), SecretUsage::span(at), count]).map_err(of_write)?;
                }
            }
            transaction
                .prepare_cached("DELETE FROM uses WHERE span < ?1")
                .and_then(|mut forget| forget.execute([SecretUsage::oldest_kept(at)]))
                .map_err(unavailable)?;
            Ok(())
        })
        .await
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT l.locator, l.last_used_at,
                            coalesce((SELECT sum(u.uses) FROM uses u WHERE u.locator = l.locator AND u.span >= ?2), 0)
                     FROM secrets s JOIN last_uses l ON l.locator = s.locator
                     WHERE s.organization = ?1 ORDER BY l.locator",
                )
                .map_err(unavailable)?;
            let usage = |row: &rusqlite::Row<'_>| {
                Ok(SecretUsage {
                    locator: row::parsed(row, 0)?,
                    last_used_at: row::timestamp(row, 1)?,
                    uses_last_hour: row.get(2)?,
                })
            };
            list.query_map(params![organization.to_string(), SecretUsage::hour_before(now)], usage)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError> {
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT u.locator, u.span, u.uses FROM secrets s JOIN uses u ON u.locator = s.locator
                     WHERE s.organization = ?1 AND u.span >= ?2 ORDER BY u.locator, u.span",
                )
                .map_err(unavailable)?;
            let uses = |row: &rusqlite::Row<'_>| {
                Ok(SpanUses { locator: row::parsed(row, 0)?, span: row.get(1)?, uses: row.get(2)? })
            };
            list.query_map(params![organization.to_string(), SecretUsage::oldest_kept(now)], uses)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }
}
