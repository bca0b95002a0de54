use async_trait::async_trait;
use doorward_store::{SecretUsage, StoreError, UsageBucket, UsageLog};
use doorward_store_sql::{coherence, sql};
use doorward_types::{AccessKeyId, Locator, OrganizationId, Timestamp};

use crate::{PostgresStore, row};

#[async_trait]
impl UsageLog for PostgresStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        // Nodes write in the same order, so that two nodes seldom deadlock.
        let mut uses = uses.to_vec();
        uses.sort_unstable();
        let (locators, counts): (Vec<_>, Vec<_>) = uses.into_iter().unzip();
        let last = "INSERT INTO last_uses (locator, last_used_at)
                    SELECT s.locator, $2 FROM secrets s WHERE s.locator = ANY($1) ORDER BY s.locator
                    ON CONFLICT (locator) DO UPDATE
                    SET last_used_at = greatest(last_uses.last_used_at, excluded.last_used_at)";
        let add = "INSERT INTO uses (locator, span, uses)
                   SELECT u.locator, $2, u.uses FROM unnest($1, $3) AS u (locator, uses)
                   JOIN secrets s ON s.locator = u.locator ORDER BY u.locator
                   ON CONFLICT (locator, span) DO UPDATE SET uses = uses.uses + excluded.uses";
        // Forget the uses of recently revoked secrets. A row of an older revoked secret may stay, and is never read.
        let forget = "DELETE FROM last_uses WHERE locator IN
                      (SELECT c.touched FROM revision r JOIN changes c ON c.revision > r.value - 200
                       WHERE NOT EXISTS (SELECT 1 FROM secrets s WHERE s.locator = c.touched))";
        self.write_all(vec![
            sql(last).all(&locators).bind(&at),
            sql(add).all(&locators).bind(&SecretUsage::span(at)).all(&counts),
            sql("DELETE FROM uses WHERE span < $1").bind(&SecretUsage::oldest_kept(at)),
            sql(forget),
        ])
        .await
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        self.list(coherence::usage(organization, now)).await
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<UsageBucket>, StoreError> {
        let mut uses = self.list(coherence::recent_uses(organization, now)).await?;
        uses.sort_unstable();
        Ok(uses)
    }

    async fn usage_with_spans(
        &self,
        organization: OrganizationId,
        key: AccessKeyId,
        now: Timestamp,
    ) -> Result<(Vec<SecretUsage>, Vec<UsageBucket>), StoreError> {
        let mut found = Default::default();
        let list = coherence::usage_with_spans(organization, key, now);
        row::all_by(&self.query(list).await?, |row| coherence::add_uses_of(&mut found, key, now, row))?;
        Ok(found)
    }
}
