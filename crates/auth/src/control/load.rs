//! Loading all secrets and origins, page by page. Meanwhile the change log is followed, so that even a long load
//! succeeds.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_origin::AllowList;
use doorward_store::{
    ActiveSecret, Knowledge, LONGEST_LEASE, OriginEntry, OriginsChange, Poll, SecretChange, StoreError,
};
use doorward_types::{Locator, OrganizationId};
use tokio::sync::Notify;

use super::{Control, Progress, within};
use crate::index::Draft;

/// The number of secrets in one page: a few megabytes.
const SECRETS_PER_PAGE: u32 = 10_000;

/// The pause between two reads of the change log during a load: too short for more changes than the log keeps.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of locators in one log line.
const MAX_LISTED: usize = 100;

/// The time limit for a page.
const LOAD_TIMEOUT: Duration = LONGEST_LEASE;

/// The newest state of everything that changed during a load.
#[derive(Default)]
struct Meanwhile {
    secrets: HashMap<Locator, SecretChange>,
    origins: HashMap<OrganizationId, OriginsChange>,
}

impl Control {
    /// Loads everything. The lease must have ended: then this node verifies nothing until the next poll, so it may
    /// acknowledge changes before it has applied them.
    pub(super) async fn load(&self, progress: &mut Progress) -> Result<(), StoreError> {
        progress.is_loaded = false;
        // Read the identity first, so that the first poll detects a restore meanwhile.
        let identity = within(LOAD_TIMEOUT, self.store.identity()).await?.proved(self.store_id())?;
        let position = within(LOAD_TIMEOUT, self.store.position()).await?.proved(self.store_id())?;
        progress.knowledge = Knowledge { store: identity.id, incarnation: identity.incarnation, position };
        let (mut meanwhile, finished) = (Meanwhile::default(), Notify::new());
        let (loaded, followed) = {
            let (mut pages, mut follow) =
                (pin!(self.read_pages()), pin!(self.follow(progress, &mut meanwhile, &finished)));
            tokio::select! {
                biased;
                loaded = &mut pages => {
                    // A running registration must end, else its session would be left behind.
                    finished.notify_one();
                    (loaded, follow.await)
                }
                followed = &mut follow => (Err(StoreError::Unavailable("the load was cancelled".into())), followed),
            }
        };
        followed?;
        let (draft, origins) = loaded?;
        self.node.replace_with(draft, origins);
        // Changes are states and not steps, so applying a change that a page already had does no harm.
        self.node.apply(meanwhile.secrets.into_values(), meanwhile.origins.into_values());
        progress.is_loaded = true;
        Ok(())
    }

    async fn read_pages(&self) -> Result<(Draft, HashMap<OrganizationId, Arc<AllowList>>), StoreError> {
        let mut draft = self.node.index.draft();
        let mut page = self.secrets_after(None).await?;
        while let Some(last) = page.last().cloned() {
            // Meanwhile, the store reads the next page.
            let add = async { page.into_iter().for_each(|live| draft.insert(live)) };
            let (next, ()) = tokio::join!(self.secrets_after(Some(&last)), add);
            page = next?;
        }
        let mut lists: HashMap<OrganizationId, Vec<_>> = HashMap::new();
        let mut page = self.origins_after(None).await?;
        while let Some(last) = page.last().cloned() {
            for entry in page {
                lists.entry(entry.organization).or_default().push(entry.origin);
            }
            page = self.origins_after(Some(&last)).await?;
        }
        // Trim in small steps, so that acknowledgements are sent in between.
        while draft.trim() {
            tokio::task::yield_now().await;
        }
        let lists = lists.into_iter().map(|(of, list)| (of, Arc::new(list.into_iter().collect()))).collect();
        Ok((draft, lists))
    }

    /// Returns a page of secrets. Fails if the page does not come from the primary of this node's store.
    async fn secrets_after(&self, last: Option<&ActiveSecret>) -> Result<Vec<ActiveSecret>, StoreError> {
        within(LOAD_TIMEOUT, self.store.active_secrets(last, SECRETS_PER_PAGE)).await?.proved(self.store_id())
    }

    /// Returns a page of allowed origins. Fails if the page does not come from the primary of this node's store.
    async fn origins_after(&self, last: Option<&OriginEntry>) -> Result<Vec<OriginEntry>, StoreError> {
        within(LOAD_TIMEOUT, self.store.all_allowed_origins(last, SECRETS_PER_PAGE)).await?.proved(self.store_id())
    }

    /// Follows the change log until the load has finished.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the log can no longer be followed.
    async fn follow(
        &self,
        progress: &mut Progress,
        meanwhile: &mut Meanwhile,
        finished: &Notify,
    ) -> Result<(), StoreError> {
        loop {
            tokio::select! {
                biased;
                () = finished.notified() => return Ok(()),
                () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
            }
            match self.observe(progress).await {
                Ok(Poll::UpToDate { position, changes, origins, acknowledgement_wanted }) => {
                    progress.knowledge.position = position;
                    progress.acknowledgement_due |= acknowledgement_wanted;
                    meanwhile.secrets.extend(changes.into_iter().map(|change| (change.locator, change)));
                    meanwhile.origins.extend(origins.into_iter().map(|change| (change.organization, change)));
                    self.announce(progress, position);
                }
                // The first poll after the load reports it again.
                Ok(Poll::Diverged { .. }) => {}
                Ok(_) => return Err(StoreError::Unavailable("the store was restored during a load".into())),
                // A failed poll is retried from the same position.
                Err(error) => tracing::debug!(%error, "a poll failed during a load"),
            }
        }
    }

    /// Logs the secrets that are active in the store although this node knows that they were revoked. An operator must
    /// regenerate them before any node serves again.
    pub(super) async fn log_resurrected(&self) -> Result<(), StoreError> {
        let mut revived = Vec::new();
        let mut page = self.secrets_after(None).await?;
        while let Some(last) = page.last() {
            let unknown = |locator: &Locator| self.node.index.identity(locator).is_none();
            revived.extend(page.iter().map(|live| live.secret.locator).filter(unknown));
            page = self.secrets_after(Some(last)).await?;
        }
        let (count, locators) = (revived.len(), revived.get(..MAX_LISTED).unwrap_or(&revived));
        tracing::error!(
            count,
            ?locators,
            "revoked in this node's memory, active in the store: regenerate or delete these keys"
        );
        Ok(())
    }
}
