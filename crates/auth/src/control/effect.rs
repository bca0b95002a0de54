//! The writer's side of the promise: a change is in effect once no node can miss it.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{
    Change, ChangeContext, LONGEST_LEASE, NodeRegistry, Revision, SessionStatus, Sourced, StoreError, StoreId,
};
use doorward_types::{ClockReading, SessionId};

use super::{Control, Hearing, within};
use crate::node::describe;
use crate::{Core, LeaseConfig, Nodes, Receipt};

/// The pause between a writer's two reads of acknowledgements: too short for a person to notice.
const ACK_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The time limit for one read of the sessions, and for the retirement of silent nodes. Afterwards the writer continues
/// without the result.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// Commits a change, and returns once it is in effect on every node: within W of the commit
/// ([`LeaseConfig::writer_wait`] of the longest lease), whatever the nodes and the store do. The retirement of silent
/// nodes may take another [`STATUS_TIMEOUT`].
///
/// Calls `on_commit` before the wait. Fails only if the commit failed or was not reached.
pub(crate) async fn commit(
    core: &Core,
    control: Option<&Arc<Control>>,
    change: Change,
    context: ChangeContext,
    on_commit: impl FnOnce(),
) -> Result<Receipt, StoreError> {
    let context = match control {
        Some(control) => ChangeContext { node: Some(control.session()), store: Some(control.store_id()), ..context },
        None => context,
    };
    let committed = core.store.change(change, context).await?;
    let since = core.clock.reading();
    on_commit();
    let mut wait = Wait::new(core, control, committed.store, committed.revision, since);
    let nodes = wait.until(LeaseConfig::writer_wait(committed.longest_lease)).await;
    let receipt = Receipt::assertion(committed.revision, core.clock.reading().shortest_since(since), nodes);
    core.observer.took_effect(&receipt);
    Ok(receipt)
}

/// Waits until an earlier change of any process is in effect: at most W from the call. Asks every node that has not
/// acknowledged the change.
///
/// Every call asks the nodes, because an earlier answer may belong to a history that a restore has ended.
///
/// # Errors
///
/// Fails if the store's identity cannot be read.
pub(crate) async fn settle(core: &Core, control: Option<&Arc<Control>>, revision: Revision) -> Result<(), StoreError> {
    // A node that registers after this moment reads the change.
    let since = core.clock.reading();
    let identity = within(LONGEST_LEASE, core.store.identity()).await?;
    let identity = of_this_store(control, identity)?;
    let mut wait = Wait::new(core, control, identity.id, revision, since);
    let ask = async {
        let asked = within(STATUS_TIMEOUT, wait.store.ask(revision)).await;
        if let Err(error) = asked {
            tracing::warn!(
                error = describe(&error),
                "could not ask the nodes for acknowledgements: waiting for the end of their leases instead"
            );
        }
        wait.until(LeaseConfig::writer_wait(identity.longest_lease)).await
    };
    ask.await;
    Ok(())
}

/// Returns the value if it comes from the primary. If this process has a node, the store must be the node's.
///
/// # Errors
///
/// [`StoreError::Doubtful`] if the value may come from elsewhere.
pub(crate) fn of_this_store<T>(control: Option<&Arc<Control>>, found: Sourced<T>) -> Result<T, StoreError> {
    match control {
        Some(control) => found.proved(control.store_id()),
        None => found.proved_of_any_store().map(|(_, value)| value),
    }
}

/// The sessions that a writer has read.
struct Looks {
    /// The sessions of the first read. Any other session registered later, and so reads the change.
    first: Vec<SessionStatus>,
    /// The sessions of the first read without an acknowledgement so far.
    silent: Vec<SessionStatus>,
}

/// A wait for one revision.
struct Wait<'a> {
    core: &'a Core,
    /// The store. If this process has a node, over the connections of its control plane.
    store: Arc<dyn NodeRegistry>,
    /// The id of the change's store.
    id: StoreId,
    revision: Revision,
    /// A moment after the commit. Every lease from before the commit started before it.
    since: ClockReading,
    /// The progress of this process's node since the commit. It is read directly, so it needs no acknowledgement in the
    /// store.
    here: Option<Hearing>,
}

impl<'a> Wait<'a> {
    fn new(
        core: &'a Core,
        control: Option<&Arc<Control>>,
        id: StoreId,
        revision: Revision,
        since: ClockReading,
    ) -> Self {
        let store = match control {
            Some(control) => control.store.clone(),
            None => core.store.clone(),
        };
        Self { core, store, id, revision, since, here: control.map(|control| control.hear()) }
    }

    /// Waits until each node that may have the old state has acknowledged the new state, or until its lease from before
    /// the commit has ended. The wait ends at the latest after `longest`. Nodes that register later read the new state,
    /// so no wait is needed for them.
    async fn until(&mut self, longest: Duration) -> Nodes {
        let mut looks = None;
        let mut here = self.here.take();
        tokio::select! {
            biased;
            () = self.ask_all(&mut here, &mut looks) => {}
            () = self.pass(longest) => {}
        }
        match looks {
            Some(Looks { first, silent }) => self.retire_silent(&first, &silent).await,
            None => {
                tracing::warn!(
                    "could not read the nodes' states: waited for the end of every lease from before the change instead"
                );
                Nodes { acknowledged: 0, expired: 0 }
            }
        }
    }

    /// Reads the sessions until each has acknowledged, or its own lease has ended.
    async fn ask_all(&self, here: &mut Option<Hearing>, looks: &mut Option<Looks>) {
        loop {
            let answer =
                within(STATUS_TIMEOUT, self.store.sessions()).await.and_then(|sessions| sessions.proved(self.id));
            if let Ok(sessions) = answer {
                let looks = looks.get_or_insert_with(|| Looks { first: sessions.clone(), silent: vec![] });
                let here = here.as_mut().and_then(|here| here.session_at(self.revision));
                looks.silent = self.silent(here, &looks.first, &sessions);
                let waited = self.waited();
                if looks.silent.iter().all(|status| waited >= LeaseConfig::writer_wait(status.session.lease)) {
                    return;
                }
            }
            self.heard_or_paused(here.as_mut()).await;
        }
    }

    /// Returns the sessions of the first read that may still serve the old state. A removed session was removed by its
    /// owner, or by a process that has waited for its lease. The session `here` has acknowledged directly.
    fn silent(&self, here: Option<SessionId>, first: &[SessionStatus], now: &[SessionStatus]) -> Vec<SessionStatus> {
        let has_said_so = |status: &&SessionStatus| {
            let latest = now.iter().find(|latest| latest.session.id == status.session.id);
            latest.is_none_or(|latest| {
                Some(latest.session.id) == here
                    || (!latest.retired && latest.acknowledged.is_some_and(|said| said >= self.revision))
            })
        };
        first.iter().filter(|status| !has_said_so(status)).copied().collect()
    }

    /// Waits for progress of this process's node, or for a short pause.
    async fn heard_or_paused(&self, here: Option<&mut Hearing>) {
        let pause = tokio::time::sleep(ACK_POLL_INTERVAL);
        let Some(here) = here else { return pause.await };
        if here.session_at(self.revision).is_some() {
            return pause.await;
        }
        tokio::select! {
            biased;
            () = pause => {}
            () = here.changed() => {}
        }
    }

    /// Sleeps until `longest` has passed since the commit, by the clock of the leases.
    async fn pass(&self, longest: Duration) {
        while let Some(left) = longest.checked_sub(self.waited()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    fn waited(&self) -> Duration {
        self.core.clock.reading().shortest_since(self.since)
    }

    /// Retires the silent sessions, which their next poll reports. Removes the sessions that were already retired at
    /// the first read: after this wait, their leases have ended.
    async fn retire_silent(&self, first: &[SessionStatus], silent: &[SessionStatus]) -> Nodes {
        let (gone, late): (Vec<_>, Vec<_>) = silent.iter().partition(|status| status.retired);
        let ids = |of: Vec<&SessionStatus>| of.into_iter().map(|status| status.session.id).collect::<Vec<SessionId>>();
        let (gone, late) = (ids(gone), ids(late));
        let told = async {
            if !late.is_empty() {
                tracing::warn!(nodes = ?late, "these nodes kept silent: they serve nothing until they have registered again");
                self.store.retire(&late).await?;
            }
            if gone.is_empty() { Ok(()) } else { self.store.remove(&gone).await }
        };
        if let Err(error) = within(STATUS_TIMEOUT, told).await {
            tracing::warn!(
                error = describe(&error),
                "could not retire the silent nodes: the next change waits for them again"
            );
        }
        Nodes { acknowledged: count(first) - count(silent), expired: count(silent) }
    }
}

fn count(statuses: &[SessionStatus]) -> u32 {
    u32::try_from(statuses.len()).unwrap_or(u32::MAX)
}
