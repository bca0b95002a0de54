use std::time::Duration;

use doorward_store::{LONGEST_LEASE, NodeRegistry};
use doorward_types::SessionId;

use super::deadline::within;
use crate::{Core, LeaseConfig};

/// Removes the sessions of dead nodes, after it has seen them retired for the longest time of a lease. Writers then no
/// longer wait for them.
#[derive(Debug)]
pub(super) struct Janitor {
    retired: Vec<SessionId>,
}

impl Janitor {
    pub(super) const fn new() -> Self {
        Self { retired: Vec::new() }
    }

    pub(super) async fn keep_sweeping(mut self, core: &Core, store: &dyn NodeRegistry) {
        let pause = LeaseConfig::writer_wait(LONGEST_LEASE);
        let mut looked = core.clock.reading();
        loop {
            self.sweep(store).await;
            // Use the clock of the leases, not only the runtime's.
            while core.clock.reading().shortest_since(looked) < pause {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            looked = core.clock.reading();
        }
    }

    async fn sweep(&mut self, store: &dyn NodeRegistry) {
        let Ok(sessions) = within(LONGEST_LEASE, store.sessions()).await else { return };
        let Ok((_, sessions)) = sessions.proved_of_any_store() else { return };
        let retired = |id: &SessionId| sessions.iter().any(|status| status.session.id == *id && status.retired);
        self.retired.retain(retired);
        if !self.retired.is_empty() && within(LONGEST_LEASE, store.remove(&self.retired)).await.is_ok() {
            self.retired.clear();
        }
        self.retired = sessions.iter().filter(|status| status.retired).map(|status| status.session.id).collect();
    }
}
