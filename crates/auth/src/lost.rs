use doorward_audit::{Action, Detail};
use doorward_store::{LostChange, StoreError};

use crate::operators::installation_event;
use crate::{Ask, Core, IssueError};

/// Changes that the store confirmed and then lost: no node serves until an operator has answered for them.
#[derive(Clone, Debug)]
pub struct LossDesk {
    core: Core,
}

impl LossDesk {
    /// The desk over this core.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { core: core.clone() }
    }

    /// Every change that a node found missing, the ones that were answered for included.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn list(&self) -> Result<Vec<LostChange>, IssueError> {
        self.core.store.lost_changes().await.map_err(IssueError::Store)
    }

    /// Answers for all of them: nodes load everything anew and serve what the store now holds. How many there were.
    ///
    /// # Errors
    ///
    /// [`IssueError::NothingLost`] where nothing is open.
    pub async fn accept(&self, ask: &Ask) -> Result<usize, IssueError> {
        let open: Vec<_> = self.list().await?.into_iter().filter(|lost| !lost.accepted).collect();
        let subject = open.iter().map(|lost| lost.change.revision.to_string()).collect::<Vec<_>>().join(",");
        let event =
            installation_event(&self.core, Action::LostChangeAccepted, subject, Detail::default(), &ask.attribution);
        match self.core.store.accept_lost(event).await {
            Ok(()) => Ok(open.len()),
            Err(StoreError::Missing) => Err(IssueError::NothingLost),
            Err(error) => Err(IssueError::Store(error)),
        }
    }
}
