use std::sync::Arc;

use doorward_audit::{Action, Detail};
use doorward_store::{LostChange, LostChangeStore, StoreError};

use crate::core::INSTALLATION;
use crate::{ChangeRequest, Core, ManageError, OperatorPrincipal};

/// Changes that the store confirmed and then lost. No node serves until an operator has accepted the loss.
#[derive(Clone, Debug)]
pub struct LostChanges {
    core: Core,
    store: Arc<dyn LostChangeStore>,
}

impl LostChanges {
    /// Returns the lost changes of this store.
    #[must_use]
    pub fn new(core: &Core, store: Arc<dyn LostChangeStore>) -> Self {
        Self { core: core.clone(), store }
    }

    /// Returns every lost change, including accepted losses.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`].
    pub async fn list(&self, operator: &OperatorPrincipal) -> Result<Vec<LostChange>, ManageError> {
        operator.check_installation()?;
        self.all().await
    }

    async fn all(&self) -> Result<Vec<LostChange>, ManageError> {
        Ok(self.store.lost_changes().await?)
    }

    /// Accepts the loss of every open change. Nodes then load everything again and serve the store's state. Returns the
    /// number of accepted changes.
    ///
    /// # Errors
    ///
    /// [`ManageError::NothingLost`] if no lost change is open.
    pub async fn accept(&self, request: &ChangeRequest) -> Result<usize, ManageError> {
        request.operator().check_installation()?;
        let open = self.open().await?;
        self.accept_these(&open, request).await?;
        Ok(open.len())
    }

    /// Returns the lost changes that no operator has accepted.
    pub(crate) async fn open(&self) -> Result<Vec<LostChange>, ManageError> {
        Ok(self.all().await?.into_iter().filter(|lost| !lost.accepted).collect())
    }

    /// Accepts the loss of these changes, but not of changes that a node reports meanwhile.
    pub(crate) async fn accept_these(&self, open: &[LostChange], request: &ChangeRequest) -> Result<(), ManageError> {
        request.operator().check_installation()?;
        let subject = open.iter().map(|lost| lost.change.revision.to_string()).collect::<Vec<_>>().join(",");
        let by = &request.attribution;
        let event = self.core.event(Action::LostChangeAccepted, subject, INSTALLATION, by, Detail::default());
        let seen: Vec<_> = open.iter().map(|lost| lost.change).collect();
        match self.store.accept_lost(&seen, event).await {
            Ok(()) => Ok(()),
            Err(StoreError::NotFound) => Err(ManageError::NothingLost),
            Err(error) => Err(error.into()),
        }
    }
}
