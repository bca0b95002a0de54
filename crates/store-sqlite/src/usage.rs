use async_trait::async_trait;
use doorward_store::{SecretUsage, StoreError, UsageBucket, UsageLog};
use doorward_store_sql::coherence;
use doorward_types::{AccessKeyId, Locator, OrganizationId, Timestamp};
use rusqlite::{Connection, params};

use crate::error::of_write;
use crate::{SqliteStore, row};

/// The maximum number of secrets in one write, so that a change waits for a few milliseconds only.
const CHUNK: usize = 1_000;

const USED: &str = "INSERT INTO last_uses (locator, last_used_at) SELECT locator, ?2 FROM secrets WHERE locator = ?1
                    ON CONFLICT (locator) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)";
const ADD: &str = "INSERT INTO uses (locator, span, uses) VALUES (?1, ?2, ?3)
                   ON CONFLICT (locator, span) DO UPDATE SET uses = uses + excluded.uses";

/// Deletes expired counts: more rows than one write adds, and few enough to take only milliseconds.
const FORGET: &str = "DELETE FROM uses WHERE (locator, span) IN (
                          SELECT locator, span FROM uses WHERE span < ?1 LIMIT ?2)";

/// Adds the uses of some secrets. All uses share the prepared statements.
fn add(connection: &Connection, uses: &[(Locator, u32)], at: Timestamp) -> rusqlite::Result<()> {
    let (mut used, mut add) = (connection.prepare_cached(USED)?, connection.prepare_cached(ADD)?);
    for (locator, count) in uses {
        let is_known = used.execute(params![locator.as_str(), at.as_millis()])? == 1;
        if is_known {
            add.execute(params![locator.as_str(), SecretUsage::span(at), count])?;
        }
    }
    connection.prepare_cached(FORGET)?.execute(params![SecretUsage::oldest_kept(at), 2 * CHUNK]).map(drop)
}

#[async_trait]
impl UsageLog for SqliteStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        for chunk in uses.chunks(CHUNK) {
            let chunk = chunk.to_vec();
            self.write(move |connection| add(connection, &chunk, at).map_err(of_write)).await?;
        }
        Ok(())
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        self.scan_all(coherence::usage(organization, now)).await
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<UsageBucket>, StoreError> {
        let mut uses = self.scan_all(coherence::recent_uses(organization, now)).await?;
        uses.sort_unstable();
        Ok(uses)
    }

    async fn usage_with_spans(
        &self,
        organization: OrganizationId,
        key: AccessKeyId,
        now: Timestamp,
    ) -> Result<(Vec<SecretUsage>, Vec<UsageBucket>), StoreError> {
        let list = coherence::usage_with_spans(organization, key, now);
        self.scan(move |connection| {
            let mut found = Default::default();
            row::list_by(connection, &list, |row| coherence::add_uses_of(&mut found, key, now, row))?;
            Ok(found)
        })
        .await
    }
}
