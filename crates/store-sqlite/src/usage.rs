use async_trait::async_trait;
use doorward_store::{SecretUsage, SpanUses, StoreError, UsageLog};
use doorward_types::{Locator, OrganizationId, Timestamp};
use rusqlite::params;

use crate::error::{of_read, unavailable};
use crate::{SqliteStore, row};

/// The most secrets in one write, so that a change waits for some milliseconds at most.
const CHUNK: usize = 1_000;

const USED: &str = "INSERT INTO last_uses (locator, last_used_at) SELECT locator, ?2 FROM secrets WHERE locator = ?1
                    ON CONFLICT (locator) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)";
const ADD: &str = "INSERT INTO uses (locator, span, uses) VALUES (?1, ?2, ?3)
                   ON CONFLICT (locator, span) DO UPDATE SET uses = uses + excluded.uses";

/// Forgets more than one write adds, and no more than takes milliseconds.
const FORGET: &str = "DELETE FROM uses WHERE (locator, span) IN (
                          SELECT locator, span FROM uses WHERE span < ?1 LIMIT ?2)";

#[async_trait]
impl UsageLog for SqliteStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        for chunk in uses.chunks(CHUNK) {
            let chunk = chunk.to_vec();
            self.write(move |connection| {
                for (locator, count) in chunk {
                    let is_known = row::write_some(connection, USED, params![locator.as_str(), at.as_millis()])? == 1;
                    if is_known {
                        row::write(connection, ADD, params![locator.as_str(), SecretUsage::span(at), count])?;
                    }
                }
                row::write_some(connection, FORGET, params![SecretUsage::oldest_kept(at), 2 * CHUNK]).map(drop)
            })
            .await?;
        }
        Ok(())
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        self.scan(move |connection| {
            let mut list = connection
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
        self.scan(move |connection| {
            let mut list = connection
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
