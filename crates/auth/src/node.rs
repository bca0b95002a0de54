//! A node's in-memory state, for verifications.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use doorward_origin::AllowList;
use doorward_store::{OriginsChange, Refusals, SecretChange, StoreError, StoreId};
use doorward_types::{Foreign, Locator, MonoInstant, OrganizationId, Timestamp};

use crate::Core;
use crate::control::Lease;
use crate::index::{Draft, Index};
use crate::revoked::{MAX_REMEMBERED, RevokedKeys};

/// The interval between two writes of counted uses to the store. A crash loses the uses of up to one interval.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// The number of uses in one write. An engine writes that many in one transaction, so all of them arrive or none.
const CHUNK: usize = 1_000;

/// A node's in-memory state and its lease. Only the [control plane](crate::control) writes it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) core: Core,
    /// The id of the store that this node started on.
    pub(crate) store: StoreId,
    pub(crate) index: Index,
    pub(crate) revoked: RevokedKeys,
    origins: RwLock<HashMap<OrganizationId, Arc<AllowList>>>,
    pub(crate) lease: Lease,
    /// True if the store had every confirmed change at the last poll.
    store_is_intact: AtomicBool,
    /// The moment before the last successful poll, in nanoseconds of [`Clock::tick`](doorward_types::Clock::tick).
    polled_at: AtomicU64,
    /// The time in milliseconds since which the uses in memory were counted.
    counted_since: AtomicI64,
}

impl Node {
    /// Returns a node with an empty state. `seed` must be secret and random.
    pub(crate) fn new(core: Core, store: StoreId, seed: u64) -> Self {
        let (now, polled_at) = (core.clock.now().as_millis(), core.clock.tick().as_nanos());
        Self {
            core,
            store,
            index: Index::new(seed),
            revoked: RevokedKeys::default(),
            origins: RwLock::default(),
            lease: Lease::default(),
            store_is_intact: AtomicBool::new(true),
            polled_at: AtomicU64::new(polled_at),
            counted_since: AtomicI64::new(now),
        }
    }

    /// Returns the current tick if it is before `lease_end`. Reads the clock, so a verification calls it *after* its
    /// lookup.
    pub(crate) fn now_within(&self, lease_end: MonoInstant) -> Option<MonoInstant> {
        let now = self.core.clock.tick();
        (now < lease_end).then_some(now)
    }

    /// Returns the remaining time of the lease, or `None` if it has ended.
    pub(crate) fn lease_left(&self) -> Option<Duration> {
        let end = self.lease.ends_at();
        self.now_within(end).map(|now| end.since(now))
    }

    /// Returns true if the store has every confirmed change, as far as this node knows. If not, even a read of the
    /// store does not prove that a key is valid.
    pub(crate) fn store_is_intact(&self) -> bool {
        self.store_is_intact.load(Ordering::Acquire)
    }

    pub(crate) fn set_store_is_intact(&self, is_intact: bool) {
        self.store_is_intact.store(is_intact, Ordering::Release);
    }

    /// Returns the time since the last successful poll, or since the start.
    pub(crate) fn poll_age(&self) -> Duration {
        self.core.clock.tick().since(MonoInstant::from_nanos(self.polled_at.load(Ordering::Relaxed)))
    }

    pub(crate) fn set_polled_at(&self, asked: MonoInstant) {
        self.polled_at.store(asked.as_nanos(), Ordering::Relaxed);
    }

    /// Tells the observer of a failure of the store.
    pub(crate) fn store_failed(&self, error: &StoreError) {
        if let Some(kind) = error.failure() {
            self.core.observer.store_failed(kind);
        }
    }

    /// Publishes the new state of changed secrets and lists.
    pub(crate) fn apply(
        &self,
        secrets: impl IntoIterator<Item = SecretChange>,
        lists: impl IntoIterator<Item = OriginsChange>,
    ) {
        for change in secrets {
            match change.live {
                Some(live) => self.index.insert(live),
                None => self.revoke(&change.locator),
            }
        }
        for OriginsChange { organization, entries } in lists {
            let list = entries.into_iter().map(|entry| entry.origin).collect();
            self.with_origins(|origins| origins.insert(organization, Arc::new(list)));
        }
    }

    /// Replaces the whole state.
    pub(crate) fn replace_with(&self, secrets: Draft, lists: HashMap<OrganizationId, Arc<AllowList>>) {
        self.index.replace_with(secrets);
        self.with_origins(|known| *known = lists);
    }

    /// Returns an organization's allowed origins.
    #[cfg(feature = "origins")]
    pub(crate) fn allow_list(&self, organization: OrganizationId) -> Arc<AllowList> {
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        origins.get(&organization).cloned().unwrap_or_default()
    }

    fn with_origins<T>(&self, write: impl FnOnce(&mut HashMap<OrganizationId, Arc<AllowList>>) -> T) -> T {
        write(&mut self.origins.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn revoke(&self, locator: &Locator) {
        if let Some(identity) = self.index.identity(locator) {
            self.revoked.remember(&identity.live, self.core.clock.now());
        }
        self.index.remove(locator);
    }

    /// Writes the uses in memory to the store, a thousand at a time. Uses that cannot be written are counted again,
    /// even if the caller goes away meanwhile. If the store keeps no uses, they are dropped.
    async fn flush_uses(&self) {
        self.counted_since.store(self.core.clock.now().as_millis(), Ordering::Relaxed);
        let mut taken = Taken { index: &self.index, uses: self.index.drain_counts() };
        while !taken.uses.is_empty() {
            let chunk = taken.uses.split_off(taken.uses.len().saturating_sub(CHUNK));
            let mut chunk = Taken { index: &self.index, uses: chunk };
            if let Some(log) = self.core.store.usage_log()
                && let Err(error) = log.add_uses(&chunk.uses, self.core.clock.now()).await
            {
                self.store_failed(&error);
                tracing::warn!(
                    error = describe(&error),
                    "could not write the uses of the last seconds: they are kept for the next attempt"
                );
                return;
            }
            chunk.uses.clear();
        }
    }

    /// Writes the uses and the refused calls in memory to the store.
    pub(crate) async fn flush_counts(&self) {
        self.flush_uses().await;
        self.flush_refusals().await;
    }

    /// Writes the refused calls in memory to the store. Calls that cannot be written are counted again, even if the caller goes
    /// away meanwhile.
    async fn flush_refusals(&self) {
        let Some(store) = self.core.store.retired_secrets() else { return };
        let mut taken = TakenRefusals { revoked: &self.revoked, refusals: self.revoked.take_refusals() };
        if taken.refusals.is_empty() {
            return;
        }
        match store.add_refusals(&taken.refusals).await {
            Ok(()) => taken.refusals.clear(),
            Err(error) => self.store_failed(&error),
        }
    }

    /// Remembers the secrets that were revoked before this node ran.
    async fn remember_retired(&self) {
        let Some(store) = self.core.store.retired_secrets() else { return };
        match store.newest_retired(MAX_REMEMBERED).await {
            // The newest come first, and the oldest are forgotten first.
            Ok(retired) => retired.iter().rev().for_each(|retired| self.revoked.remember_retired(retired)),
            Err(error) => tracing::warn!(
                error = describe(&error),
                "could not read the revoked secrets: calls with them are refused, and count as calls with unknown keys"
            ),
        }
    }

    /// Returns a time before all uses in memory. It does not change between two flushes.
    pub(crate) fn counted_since(&self) -> Timestamp {
        Timestamp::from_millis(self.counted_since.load(Ordering::Relaxed))
    }

    /// Flushes repeatedly, separate from the polls, which must not be delayed.
    pub(crate) async fn run_usage_flush(self: Arc<Self>) {
        self.remember_retired().await;
        loop {
            tokio::time::sleep(FLUSH_INTERVAL).await;
            self.flush_counts().await;
            // After a load, free the old table.
            while self.index.free_replaced() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Uses that are being written. Dropping this value counts the unwritten uses again.
struct Taken<'a> {
    index: &'a Index,
    uses: Vec<(Locator, u32)>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.index.restore_counts(&self.uses);
    }
}

/// Refused calls that are being written. Dropping this value counts the unwritten calls again.
struct TakenRefusals<'a> {
    revoked: &'a RevokedKeys,
    refusals: Vec<Refusals>,
}

impl Drop for TakenRefusals<'_> {
    fn drop(&mut self) {
        self.revoked.restore_refusals(&self.refusals);
    }
}

/// Returns an error with its causes, for the operator's log. A cause may be another program's text.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {}", Foreign::new(cause)))
}
