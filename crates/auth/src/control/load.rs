//! Loading everything: page by page, while the change log is followed, so that a load ends however long it takes.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_origin::AllowList;
use doorward_store::{
    Knowledge, LONGEST_LEASE, LiveSecret, OriginEntry, OriginsChange, Poll, SecretChange, StoreError,
};
use doorward_types::{Locator, OrganizationId};
use tokio::sync::Notify;

use super::{Control, Progress, within};
use crate::index::Draft;

/// The number of secrets that are read at a time: a few megabytes.
const PAGE: u32 = 10_000;

/// The pause between two reads of the change log meanwhile: short enough that it cannot outgrow its length in between.
const FOLLOW: Duration = Duration::from_millis(250);

/// The most locators that one line of the log names.
const NAMED: usize = 100;

/// The time that a page may take.
const PATIENCE: Duration = LONGEST_LEASE;

/// The state of everything that changed during a load, as the newest poll has it.
#[derive(Default)]
struct Meanwhile {
    secrets: HashMap<Locator, SecretChange>,
    origins: HashMap<OrganizationId, OriginsChange>,
}

impl Control {
    /// Loads everything. The lease must have ended: until the next poll, this node verifies nothing, so that it may
    /// acknowledge what it only follows.
    pub(super) async fn load(&self, progress: &mut Progress) -> Result<(), StoreError> {
        progress.is_loaded = false;
        // The identity first: a restore in between shows at the first poll.
        let identity = within(PATIENCE, self.store.identity()).await?.proved(self.store_id())?;
        let position = within(PATIENCE, self.store.position()).await?.proved(self.store_id())?;
        progress.knowledge = Knowledge { store: identity.id, incarnation: identity.incarnation, position };
        let (mut meanwhile, finished) = (Meanwhile::default(), Notify::new());
        let (loaded, followed) = {
            let (mut pages, mut follow) =
                (pin!(self.read_pages()), pin!(self.follow(progress, &mut meanwhile, &finished)));
            tokio::select! {
                biased;
                loaded = &mut pages => {
                    // A registration that is under way must end: its session would be left behind.
                    finished.notify_one();
                    (loaded, follow.await)
                }
                followed = &mut follow => (Err(StoreError::Unavailable("the load was given up".into())), followed),
            }
        };
        followed?;
        let (draft, origins) = loaded?;
        self.node.become_like(draft, origins);
        // States and not steps: what a page had already does no harm.
        self.node.apply(meanwhile.secrets.into_values(), meanwhile.origins.into_values());
        progress.is_loaded = true;
        Ok(())
    }

    async fn read_pages(&self) -> Result<(Draft, HashMap<OrganizationId, Arc<AllowList>>), StoreError> {
        let mut draft = self.node.index().draft();
        let mut page = self.secrets_after(None).await?;
        while let Some(last) = page.last().cloned() {
            // The store reads the next page meanwhile.
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
        // A piece at a time: acknowledgements go out in between.
        while draft.trim() {
            tokio::task::yield_now().await;
        }
        let lists = lists.into_iter().map(|(of, list)| (of, Arc::new(list.into_iter().collect()))).collect();
        Ok((draft, lists))
    }

    /// Returns a page of secrets: the newest state of this node's store, and not of a standby that one page was led to.
    async fn secrets_after(&self, last: Option<&LiveSecret>) -> Result<Vec<LiveSecret>, StoreError> {
        within(PATIENCE, self.store.live_secrets(last, PAGE)).await?.proved(self.store_id())
    }

    /// Returns a page of allowed origins, likewise.
    async fn origins_after(&self, last: Option<&OriginEntry>) -> Result<Vec<OriginEntry>, StoreError> {
        within(PATIENCE, self.store.live_origins(last, PAGE)).await?.proved(self.store_id())
    }

    /// Follows the change log until the load has finished.
    ///
    /// # Errors
    ///
    /// [`StoreError`], if the log can no longer be followed.
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
                () = tokio::time::sleep(FOLLOW) => {}
            }
            match self.observe(progress).await {
                Ok(Poll::Current { position, changes, origins, acknowledgement_wanted }) => {
                    progress.knowledge.position = position;
                    progress.acknowledgement_due |= acknowledgement_wanted;
                    meanwhile.secrets.extend(changes.into_iter().map(|change| (change.locator, change)));
                    meanwhile.origins.extend(origins.into_iter().map(|change| (change.organization, change)));
                    self.announce(progress, position);
                }
                // The first poll after the load says so again.
                Ok(Poll::Lost { .. }) => {}
                Ok(_) => return Err(StoreError::Unavailable("the store was restored during a load".into())),
                // A poll that fails is tried again: the position stands.
                Err(error) => tracing::debug!(%error, "a poll failed during a load"),
            }
        }
    }

    /// Logs which secrets the store holds to be alive though this node knew them to be dead: an operator has to regenerate
    /// them before any node serves again.
    pub(super) async fn tell_what_lives_again(&self) -> Result<(), StoreError> {
        let mut revived = Vec::new();
        let mut page = self.secrets_after(None).await?;
        while let Some(last) = page.last() {
            let unknown = |locator: &Locator| self.node.index().identity(locator).is_none();
            revived.extend(page.iter().map(|live| live.secret.locator).filter(unknown));
            page = self.secrets_after(Some(last)).await?;
        }
        let (count, locators) = (revived.len(), revived.get(..NAMED).unwrap_or(&revived));
        tracing::error!(
            count,
            ?locators,
            "dead in this node's memory, alive in the store: regenerate or delete these keys"
        );
        Ok(())
    }
}
