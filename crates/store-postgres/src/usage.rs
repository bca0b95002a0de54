use async_trait::async_trait;
use doorward_store::{SecretUsage, SpanUses, StoreError, UsageLog};
use doorward_types::{Locator, OrganizationId, Timestamp};
use tokio_postgres::Row;

use crate::statement::sql;
use crate::transaction::Decision;
use crate::{PostgresStore, row};

#[async_trait]
impl UsageLog for PostgresStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        // In one order for all nodes, so that two of them seldom wait for each other crosswise.
        let mut uses = uses.to_vec();
        uses.sort_unstable();
        let (locators, counts): (Vec<_>, Vec<_>) =
            uses.into_iter().map(|(locator, count)| (locator, i64::from(count))).unzip();
        let last = "INSERT INTO last_uses (locator, last_used_at)
                    SELECT s.locator, $2 FROM secrets s WHERE s.locator = ANY($1) ORDER BY s.locator
                    ON CONFLICT (locator) DO UPDATE
                    SET last_used_at = greatest(last_uses.last_used_at, excluded.last_used_at)";
        let add = "INSERT INTO uses (locator, span, uses)
                   SELECT u.locator, $2, u.uses FROM unnest($1, $3) AS u (locator, uses)
                   JOIN secrets s ON s.locator = u.locator ORDER BY u.locator
                   ON CONFLICT (locator, span) DO UPDATE SET uses = uses.uses + excluded.uses";
        // Of the secrets that died lately. Of any other, a row may stay behind, and no one will ever see it.
        let forget = "DELETE FROM last_uses WHERE locator IN
                      (SELECT c.touched FROM revision r JOIN changes c ON c.revision > r.value - 200
                       WHERE NOT EXISTS (SELECT 1 FROM secrets s WHERE s.locator = c.touched))";
        let writes = || {
            vec![
                sql(last).texts(&locators).number(at.as_millis()),
                sql(add).texts(&locators).number(SecretUsage::span(at)).numbers(counts.clone()),
                sql("DELETE FROM uses WHERE span < $1").number(SecretUsage::oldest_kept(at)),
                sql(forget),
            ]
        };
        self.pool.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        let list = "SELECT l.locator, l.last_used_at,
                          coalesce((SELECT CAST(sum(u.uses) AS BIGINT) FROM uses u
                                    WHERE u.locator = l.locator AND u.span >= $2), 0)
                   FROM secrets s JOIN last_uses l ON l.locator = s.locator
                   WHERE s.organization = $1 ORDER BY l.locator";
        let usage = |found: &Row| {
            Ok(SecretUsage {
                locator: row::parsed(found, 0)?,
                last_used_at: row::timestamp(found, 1)?,
                uses_last_hour: row::count(found, 2)?,
            })
        };
        let list = sql(list).text(organization).number(SecretUsage::hour_before(now));
        self.query(list).await?.iter().map(usage).collect()
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError> {
        let list = "SELECT u.locator, u.span, CAST(u.uses AS BIGINT)
                   FROM secrets s JOIN uses u ON u.locator = s.locator
                   WHERE s.organization = $1 AND u.span >= $2 ORDER BY u.locator COLLATE \"C\", u.span";
        let uses = |found: &Row| {
            Ok(SpanUses { locator: row::parsed(found, 0)?, span: row::get(found, 1)?, uses: row::count(found, 2)? })
        };
        let list = sql(list).text(organization).number(SecretUsage::oldest_kept(now));
        self.query(list).await?.iter().map(uses).collect()
    }
}
