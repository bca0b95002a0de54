use async_trait::async_trait;
use doorward_store::{SecretUsage, SpanUses, StoreError, UsageLog};
use doorward_types::{Locator, OrganizationId, Timestamp};

use crate::connect::in_time;
use crate::error::of_statement;
use crate::row::{self, number, numbers, text, texts};
use crate::{PostgresStore, transaction};

#[async_trait]
impl UsageLog for PostgresStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        // In one order for all nodes, so that two of them seldom wait for each other crosswise.
        let mut uses = uses.to_vec();
        uses.sort_unstable();
        let (locators, counts): (Vec<String>, Vec<i64>) =
            uses.iter().map(|(locator, count)| (locator.to_string(), i64::from(*count))).unzip();
        let (at, span, forgotten) = (at.as_millis(), SecretUsage::span(at), SecretUsage::oldest_kept(at));
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            let last = "INSERT INTO last_uses (locator, last_used_at)
                        SELECT s.locator, $2 FROM secrets s WHERE s.locator = ANY($1) ORDER BY s.locator
                        ON CONFLICT (locator) DO UPDATE
                        SET last_used_at = greatest(last_uses.last_used_at, excluded.last_used_at)";
            transaction.execute_typed(last, &[texts(&locators), number(&at)]).await.map_err(of_statement)?;
            let add = "INSERT INTO uses (locator, span, uses)
                       SELECT u.locator, $2, u.uses FROM unnest($1, $3) AS u (locator, uses)
                       JOIN secrets s ON s.locator = u.locator ORDER BY u.locator
                       ON CONFLICT (locator, span) DO UPDATE SET uses = uses.uses + excluded.uses";
            let params = [texts(&locators), number(&span), numbers(&counts)];
            transaction.execute_typed(add, &params).await.map_err(of_statement)?;
            let forget = "DELETE FROM uses WHERE span < $1";
            transaction.execute_typed(forget, &[number(&forgotten)]).await.map_err(of_statement)?;
            // Of the secrets that died lately. Of any other, a row may stay behind, and no one will ever see it.
            let forget = "DELETE FROM last_uses WHERE locator IN
                          (SELECT c.touched FROM revision r JOIN changes c ON c.revision > r.value - 200
                           WHERE NOT EXISTS (SELECT 1 FROM secrets s WHERE s.locator = c.touched))";
            transaction.execute_typed(forget, &[]).await.map_err(of_statement)?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        let (organization, hour) = (organization.to_string(), SecretUsage::hour_before(now));
        let sql = "SELECT l.locator, l.last_used_at,
                          coalesce((SELECT CAST(sum(u.uses) AS BIGINT) FROM uses u
                                    WHERE u.locator = l.locator AND u.span >= $2), 0)
                   FROM secrets s JOIN last_uses l ON l.locator = s.locator
                   WHERE s.organization = $1 ORDER BY l.locator";
        let usage = |found: &tokio_postgres::Row| {
            Ok(SecretUsage {
                locator: row::parsed(found, 0)?,
                last_used_at: row::timestamp(found, 1)?,
                uses_last_hour: row::count(found, 2)?,
            })
        };
        self.query(sql, &[text(&organization), number(&hour)]).await?.iter().map(usage).collect()
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError> {
        let (organization, oldest) = (organization.to_string(), SecretUsage::oldest_kept(now));
        let sql = "SELECT u.locator, u.span, CAST(u.uses AS BIGINT)
                   FROM secrets s JOIN uses u ON u.locator = s.locator
                   WHERE s.organization = $1 AND u.span >= $2 ORDER BY u.locator COLLATE \"C\", u.span";
        let uses = |found: &tokio_postgres::Row| {
            Ok(SpanUses { locator: row::parsed(found, 0)?, span: row::get(found, 1)?, uses: row::count(found, 2)? })
        };
        self.query(sql, &[text(&organization), number(&oldest)]).await?.iter().map(uses).collect()
    }
}
