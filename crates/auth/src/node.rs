//! The knowledge that one node holds in memory: the side of it that verifications read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use doorward_origin::AllowList;
use doorward_store::{OriginsChange, SecretChange, StoreId};
use doorward_types::{Foreign, Locator, OrganizationId, Tick, Timestamp};

use crate::Core;
use crate::control::Lease;
use crate::dead::Dead;
use crate::index::{Draft, Index};

/// How often uses that were counted in memory are written to the store: what a crash may lose of them.
const FLUSH: Duration = Duration::from_secs(5);

/// The number of uses that are written at a time: an engine takes so many in one transaction, so that all of them arrive or none.
const CHUNK: usize = 1_000;

/// The knowledge of a node, and the lease on it. The [control plane](crate::control) is the only one to write.
#[derive(Debug)]
pub(crate) struct Node {
    core: Core,
    store: StoreId,
    index: Index,
    dead: Dead,
    origins: RwLock<HashMap<OrganizationId, Arc<AllowList>>>,
    lease: Lease,
    /// Whether the store was last seen to have all that it ever confirmed.
    store_is_whole: AtomicBool,
    /// The time, in milliseconds, since which uses have been counted in memory.
    counted_since: AtomicI64,
}

impl Node {
    /// A node that knows nothing yet. `seed` is secret and random.
    pub(crate) fn new(core: Core, store: StoreId, seed: u64) -> Self {
        let now = core.clock.now().as_millis();
        Self {
            core,
            store,
            index: Index::new(seed),
            dead: Dead::default(),
            origins: RwLock::default(),
            lease: Lease::default(),
            store_is_whole: AtomicBool::new(true),
            counted_since: AtomicI64::new(now),
        }
    }

    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    /// The store that this node started on.
    pub(crate) const fn store_id(&self) -> StoreId {
        self.store
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) const fn dead(&self) -> &Dead {
        &self.dead
    }

    pub(crate) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns the current tick if the lease that ends then is still valid. A verification asks *after* its lookup, since
    /// this reads the clock.
    pub(crate) fn now_within(&self, lease_end: Tick) -> Option<Tick> {
        let now = self.core.clock.tick();
        (now < lease_end).then_some(now)
    }

    /// Returns how long the lease is still valid; none if it has ended.
    pub(crate) fn lease_left(&self) -> Option<Duration> {
        let end = self.lease.ends_at();
        self.now_within(end).map(|now| end.since(now))
    }

    /// Whether the store has all that it ever confirmed, as far as this node knows. Without it, not even a read at the store
    /// says who may come in.
    pub(crate) fn store_is_whole(&self) -> bool {
        self.store_is_whole.load(Ordering::Acquire)
    }

    pub(crate) fn set_store_is_whole(&self, whole: bool) {
        self.store_is_whole.store(whole, Ordering::Release);
    }

    /// Publishes what is true of the secrets and lists that were touched.
    pub(crate) fn apply(
        &self,
        secrets: impl IntoIterator<Item = SecretChange>,
        lists: impl IntoIterator<Item = OriginsChange>,
    ) {
        for change in secrets {
            match change.live {
                Some(live) => self.index.insert(live),
                None => self.bury(&change.locator),
            }
        }
        for OriginsChange { organization, entries } in lists {
            let list = entries.into_iter().map(|entry| entry.origin).collect();
            self.with_origins(|origins| origins.insert(organization, Arc::new(list)));
        }
    }

    /// Forgets everything, and knows this instead.
    pub(crate) fn become_like(&self, secrets: Draft, lists: HashMap<OrganizationId, Arc<AllowList>>) {
        self.index.become_like(secrets);
        self.with_origins(|known| *known = lists);
    }

    /// Returns the origins that callbacks of an organization may go to.
    pub(crate) fn allow_list(&self, organization: OrganizationId) -> Arc<AllowList> {
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        origins.get(&organization).cloned().unwrap_or_default()
    }

    fn with_origins<T>(&self, write: impl FnOnce(&mut HashMap<OrganizationId, Arc<AllowList>>) -> T) -> T {
        write(&mut self.origins.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn bury(&self, locator: &Locator) {
        if let Some(identity) = self.index.identity(locator) {
            self.dead.remember(identity.live.clone(), self.core.clock.now());
        }
        self.index.remove(locator);
    }

    /// Writes the uses that were counted in memory to the store, some thousands at a time. Uses that cannot be written now
    /// are counted again, also if the caller goes away meanwhile.
    pub(crate) async fn flush_uses(&self) {
        self.counted_since.store(self.core.clock.now().as_millis(), Ordering::Relaxed);
        let mut taken = Taken { index: &self.index, uses: self.index.take_uses() };
        while !taken.uses.is_empty() {
            let chunk = taken.uses.split_off(taken.uses.len().saturating_sub(CHUNK));
            let mut chunk = Taken { index: &self.index, uses: chunk };
            if let Err(error) = self.core.store.add_uses(&chunk.uses, self.core.clock.now()).await {
                tracing::warn!(error = describe(&error), "uses of the last seconds could not be written, and are kept");
                return;
            }
            chunk.uses.clear();
        }
    }

    /// Returns a time before every use that is counted in memory. It stands still between two flushes.
    pub(crate) fn counted_since(&self) -> Timestamp {
        Timestamp::from_millis(self.counted_since.load(Ordering::Relaxed))
    }

    /// Flushes again and again, apart from the polls, which nothing may delay.
    pub(crate) async fn keep_count(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FLUSH).await;
            self.flush_uses().await;
            // After a load, the table from before it.
            while self.index.free_replaced() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Uses on their way to the store. Those that have not arrived go back.
struct Taken<'a> {
    index: &'a Index,
    uses: Vec<(Locator, u32)>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.index.give_back(&self.uses);
    }
}

/// Returns an error with its causes, for the operator's log. A cause is another program's text.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {}", Foreign::new(cause)))
}
