use doorward_audit::{Action, Detail};
use doorward_store::{LostChange, StoreError};

use crate::operators::installation_event;
use crate::{ChangeRequest, Core, IssueError, OperatorPrincipal};

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
    pub async fn list(&self, _: &OperatorPrincipal) -> Result<Vec<LostChange>, IssueError> {
        self.all().await
    }

    async fn all(&self) -> Result<Vec<LostChange>, IssueError> {
        self.core.store.lost_changes().await.map_err(IssueError::Store)
    }

    /// Answers for every change that is open now: nodes load everything and serve what the store now holds. Returns how many
    /// changes there were.
    ///
    /// # Errors
    ///
    /// [`IssueError::NothingLost`] if nothing is open.
    pub async fn accept(&self, request: &ChangeRequest) -> Result<usize, IssueError> {
        let open = self.open().await?;
        self.accept_these(&open, request).await?;
        Ok(open.len())
    }

    /// Returns the changes that nobody has answered for.
    pub(crate) async fn open(&self) -> Result<Vec<LostChange>, IssueError> {
        Ok(self.all().await?.into_iter().filter(|lost| !lost.accepted).collect())
    }

    /// Answers for these changes, and for no other that a node notes meanwhile.
    pub(crate) async fn accept_these(&self, open: &[LostChange], request: &ChangeRequest) -> Result<(), IssueError> {
        let subject = open.iter().map(|lost| lost.change.revision.to_string()).collect::<Vec<_>>().join(",");
        let event = installation_event(
            &self.core,
            Action::LostChangeAccepted,
            subject,
            Detail::default(),
            &request.attribution,
        );
        let seen: Vec<_> = open.iter().map(|lost| lost.change).collect();
        match self.core.store.accept_lost(&seen, event).await {
            Ok(()) => Ok(()),
            Err(StoreError::Missing) => Err(IssueError::NothingLost),
            Err(error) => Err(IssueError::Store(error)),
        }
    }
}
