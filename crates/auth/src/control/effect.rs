//! The writer's side of the promise: a change is in effect once no node can miss it.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{
    Change, ChangeContext, Coherence, LONGEST_LEASE, Revision, SessionStatus, Sourced, StoreError, StoreId,
};
use doorward_types::{Reading, SessionId};

use super::{Control, Hearing, within};
use crate::node::describe;
use crate::{Core, Nodes, Receipt, Timing};

/// The pause between two looks of a writer for acknowledgements: well below what a person notices.
const LOOK: Duration = Duration::from_millis(2);

/// The time that one look, and the retirement of silent nodes, may take before the writer goes on without.
const PATIENCE: Duration = Duration::from_millis(500);

/// Commits a change, and returns once no node can miss it: within W of the commit, [`Timing::writer_wait`] of the longest
/// lease, whatever the nodes and the store do. (Telling the silent nodes may take another [`PATIENCE`].)
///
/// Every error comes from before the commit, or from the commit itself.
pub(crate) async fn commit(
    core: &Core,
    control: Option<&Arc<Control>>,
    change: Change,
    context: ChangeContext,
) -> Result<Receipt, StoreError> {
    let context = match control {
        Some(control) => ChangeContext { node: Some(control.session()), store: Some(control.store_id()), ..context },
        None => context,
    };
    let committed = core.store.change(change, context).await?;
    let since = core.clock.reading();
    let mut wait = Wait::new(core, control, committed.store, committed.revision, since);
    let nodes = wait.until(Timing::writer_wait(committed.longest_lease)).await;
    Ok(Receipt::assertion(committed.revision, core.clock.reading().shortest_since(since), nodes))
}

/// Returns once a change that was committed before is in effect, by whatever process: within W of the call. Nodes that
/// have not said so yet are asked to.
///
/// Every call asks the nodes: what this process remembers of an earlier answer may be of a history that a restore has ended.
///
/// # Errors
///
/// As the store, if it cannot be asked who it is.
pub(crate) async fn settle(core: &Core, control: Option<&Arc<Control>>, revision: Revision) -> Result<(), StoreError> {
    // A node that registers from here on reads the change.
    let since = core.clock.reading();
    let identity = within(LONGEST_LEASE, core.store.identity()).await?;
    let identity = of_this_store(control, identity)?;
    let mut wait = Wait::new(core, control, identity.id, revision, since);
    let ask = async {
        let asked = within(PATIENCE, wait.store.ask(revision)).await;
        if let Err(error) = asked {
            tracing::warn!(error = describe(&error), "nodes could not be asked for word: their leases run out instead");
        }
        wait.until(Timing::writer_wait(identity.longest_lease)).await
    };
    ask.await;
    Ok(())
}

/// Returns the value if it comes from the primary: of the node's store, if this process has a node.
///
/// # Errors
///
/// [`StoreError::Doubtful`], if it may come from elsewhere.
pub(crate) fn of_this_store<T>(control: Option<&Arc<Control>>, found: Sourced<T>) -> Result<T, StoreError> {
    match control {
        Some(control) => found.proved(control.store_id()),
        None => found.proved_of_any_store().map(|(_, value)| value),
    }
}

/// The sessions that a writer found.
struct Looks {
    /// The sessions of its first look: any other registered later, and read later.
    first: Vec<SessionStatus>,
    /// The sessions of the first look that have kept silent so far.
    silent: Vec<SessionStatus>,
}

/// One wait for one revision.
struct Wait<'a> {
    core: &'a Core,
    /// The store, over the control plane's connections if this process has a node.
    store: Arc<dyn Coherence>,
    /// The store that has the change.
    id: StoreId,
    revision: Revision,
    /// A moment after the commit: a lease from before it started before this.
    since: Reading,
    /// The progress of the node in this process since the commit. It is told directly, so that its word needs no commit.
    here: Option<Hearing>,
}

impl<'a> Wait<'a> {
    fn new(core: &'a Core, control: Option<&Arc<Control>>, id: StoreId, revision: Revision, since: Reading) -> Self {
        let store = match control {
            Some(control) => Arc::clone(control.store()),
            None => Arc::clone(&core.store) as Arc<dyn Coherence>,
        };
        Self { core, store, id, revision, since, here: control.map(|control| control.hear()) }
    }

    /// Waits until each node that may know the old state has said that it knows the new one, or until its lease from before
    /// the commit must have run out: at the latest when `longest` has passed. Nodes that register later read later, and need
    /// not be waited for.
    async fn until(&mut self, longest: Duration) -> Nodes {
        let mut looks = None;
        let mut here = self.here.take();
        tokio::select! {
            biased;
            () = self.ask_all(&mut here, &mut looks) => {}
            () = self.pass(longest) => {}
        }
        match looks {
            Some(Looks { first, silent }) => self.give_up_on(&first, &silent).await,
            None => {
                tracing::warn!("the nodes could not be asked; every lease from before the change has run out instead");
                Nodes { acknowledged: 0, expired: 0 }
            }
        }
    }

    /// Looks at the sessions until each has said so, or its own lease must have run out.
    async fn ask_all(&self, here: &mut Option<Hearing>, looks: &mut Option<Looks>) {
        loop {
            let answer = within(PATIENCE, self.store.sessions()).await.and_then(|sessions| sessions.proved(self.id));
            if let Ok(sessions) = answer {
                let looks = looks.get_or_insert_with(|| Looks { first: sessions.clone(), silent: vec![] });
                let here = here.as_mut().and_then(|here| here.session_at(self.revision));
                looks.silent = self.silent(here, &looks.first, &sessions);
                let waited = self.waited();
                if looks.silent.iter().all(|status| waited >= Timing::writer_wait(status.session.lease)) {
                    return;
                }
            }
            self.heard_or_paused(here.as_mut()).await;
        }
    }

    /// The sessions of the first look that may still serve what they knew before the change. A session that is gone was removed by
    /// its owner, or by a process that outwaited it. The session `here` has told this process directly.
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

    /// Waits for the node in this process to come on, or for a moment.
    async fn heard_or_paused(&self, here: Option<&mut Hearing>) {
        let pause = tokio::time::sleep(LOOK);
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

    /// Sleeps until so much time has passed since the commit, by the clock that leases are counted on.
    async fn pass(&self, longest: Duration) {
        while let Some(left) = longest.checked_sub(self.waited()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    fn waited(&self) -> Duration {
        self.core.clock.reading().shortest_since(self.since)
    }

    /// Retires the silent, so that they find out at their next poll; removes those that were retired at the first look,
    /// since no lease of theirs can be left after so long a wait.
    async fn give_up_on(&self, first: &[SessionStatus], silent: &[SessionStatus]) -> Nodes {
        let (gone, late): (Vec<_>, Vec<_>) = silent.iter().partition(|status| status.retired);
        let ids = |of: Vec<&SessionStatus>| of.into_iter().map(|status| status.session.id).collect::<Vec<SessionId>>();
        let (gone, late) = (ids(gone), ids(late));
        let told = async {
            if !late.is_empty() {
                tracing::warn!(nodes = ?late, "these nodes kept silent; they serve nothing until they have registered again");
                self.store.retire(&late).await?;
            }
            if gone.is_empty() { Ok(()) } else { self.store.remove(&gone).await }
        };
        if let Err(error) = within(PATIENCE, told).await {
            tracing::warn!(error = describe(&error), "the next change waits for the silent nodes again");
        }
        Nodes { acknowledged: count(first) - count(silent), expired: count(silent) }
    }
}

fn count(statuses: &[SessionStatus]) -> u32 {
    u32::try_from(statuses.len()).unwrap_or(u32::MAX)
}
