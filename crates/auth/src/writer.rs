//! The writer's side of the coherence protocol: the one path that every change to keys goes through.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{Change, ChangeContext, LONGEST_LEASE, Revision, SessionStatus, StoreError};
use doorward_types::{Reading, SessionId};

use crate::node::{Node, describe};
use crate::{Core, Nodes, Receipt, Timing};

/// How often a writer looks for acknowledgements: well below what a person notices.
const LOOK: Duration = Duration::from_millis(2);

/// Commits a change, and returns once no node can miss it.
///
/// Every error comes from before the commit, or from the commit itself: after it, a store that fails only means waiting
/// for the longest lease.
pub(crate) async fn commit(
    core: &Core,
    node: Option<&Arc<Node>>,
    change: Change,
    context: ChangeContext,
) -> Result<Receipt, StoreError> {
    let context = match node {
        Some(node) => ChangeContext { node: Some(node.session().await), ..context },
        None => context,
    };
    let revision = core.store.change(change, context).await?;
    let committed = core.clock.reading();
    let nodes = wait(core, node, revision, committed).await;
    Ok(Receipt { revision, waited: core.clock.reading().shortest_since(committed), nodes })
}

/// Waits until each node that may know the old state has said that it knows the new one, or until its lease from before
/// the commit must have run out. Nodes that register later read later, and need not be waited for.
async fn wait(core: &Core, node: Option<&Arc<Node>>, revision: Revision, committed: Reading) -> Nodes {
    let mut here = None;
    let mut awaited: Option<(Vec<SessionStatus>, Reading)> = None;
    loop {
        // The node in this process is told directly, so that its word needs no commit of its own.
        let tell = async {
            match (node, here) {
                (Some(node), None) => node.refresh().await.ok().filter(|(_, reached)| *reached >= revision),
                _ => None,
            }
        };
        let (told, sessions) = tokio::join!(tell, core.store.sessions());
        here = here.or(told.map(|(session, _)| session));
        let longest = match sessions {
            Ok(sessions) => {
                let (first, looked) = awaited.get_or_insert_with(|| (sessions.clone(), core.clock.reading()));
                let still = silent(first, &sessions, here, revision);
                let waited = core.clock.reading().shortest_since(*looked);
                let longest = still.iter().map(|status| Timing::writer_wait(status.session.lease)).max();
                if longest.is_none_or(|longest| waited >= longest) {
                    give_up_on(core, &still).await;
                    return Nodes { acknowledged: count(first) - count(&still), expired: count(&still) };
                }
                longest.unwrap_or_default().saturating_sub(waited)
            }
            Err(error) => {
                // Whoever they are, no lease of theirs lasts longer than this.
                let waited = core.clock.reading().shortest_since(committed);
                let longest = Timing::writer_wait(LONGEST_LEASE);
                if waited >= longest {
                    tracing::warn!(error = describe(&error), "no node could be asked; every lease has run out instead");
                    return Nodes { acknowledged: 0, expired: awaited.map_or(0, |(first, _)| count(&first)) };
                }
                longest - waited
            }
        };
        tokio::time::sleep(LOOK.min(longest)).await;
    }
}

/// Those of the first that are still there and have not said that they have it.
fn silent(
    first: &[SessionStatus],
    now: &[SessionStatus],
    here: Option<SessionId>,
    revision: Revision,
) -> Vec<SessionStatus> {
    let has_said_so = |status: &&SessionStatus| {
        let latest = now.iter().find(|latest| latest.session.id == status.session.id);
        latest.is_none_or(|latest| {
            Some(latest.session.id) == here
                || (!latest.retired && latest.acknowledged.is_some_and(|acknowledged| acknowledged >= revision))
        })
    };
    first.iter().filter(|status| !has_said_so(status)).copied().collect()
}

/// Retires the silent, so that they find out at their next poll; removes those that were retired at the first look, since
/// no lease of theirs can be left after so long a wait.
async fn give_up_on(core: &Core, silent: &[SessionStatus]) {
    let (gone, late): (Vec<_>, Vec<_>) = silent.iter().partition(|status| status.retired);
    let ids = |statuses: Vec<&SessionStatus>| statuses.into_iter().map(|status| status.session.id).collect::<Vec<_>>();
    let (gone, late) = (ids(gone), ids(late));
    if !late.is_empty() {
        tracing::warn!(nodes = ?late, "these nodes kept silent; they serve nothing until they have registered anew");
        if let Err(error) = core.store.retire(&late).await {
            tracing::warn!(error = describe(&error), "the next change waits for them again");
        }
    }
    if !gone.is_empty()
        && let Err(error) = core.store.remove(&gone).await
    {
        tracing::warn!(error = describe(&error), "the next change waits for dead nodes again");
    }
}

fn count(statuses: &[SessionStatus]) -> u32 {
    u32::try_from(statuses.len()).unwrap_or(u32::MAX)
}
