//! Operators' passkeys. The exchange with the browser is the page's own: here are the records, and the right to change them.

use std::time::Duration;

use doorward_audit::{Action, EventDraft};
use doorward_key::Digest;
use doorward_store::{Conflict, Operator, Passkey, Passkeys, StoreError};
use doorward_types::{Name, OperatorId};

use crate::{ChangeRequest, ManageError, OperatorPrincipal, Operators};

impl Operators {
    /// Returns whether the store keeps passkeys.
    #[must_use]
    pub fn keeps_passkeys(&self) -> bool {
        self.store.passkeys().is_some()
    }

    /// Returns the operator that this principal is. A program that opens the store itself is none.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOperator`] if the principal is no operator of the store.
    pub async fn by_principal(&self, operator: &OperatorPrincipal) -> Result<Operator, ManageError> {
        operator.check_installation()?;
        self.first(|known| operator.is_operator(known.id)).await?.ok_or(ManageError::NoSuchOperator)
    }

    /// Adds a passkey to the operator who asks. `id` and `credential` are of a device that the caller has checked.
    ///
    /// # Errors
    ///
    /// [`ManageError::PasskeyTaken`] if the passkey was added before.
    pub async fn add_passkey(
        &self,
        id: String,
        name: Name,
        credential: Vec<u8>,
        request: &ChangeRequest,
    ) -> Result<Passkey, ManageError> {
        let operator = self.by_principal(request.operator()).await?;
        let passkey = Passkey::new(id, operator.id, name, credential, self.core.clock.now());
        let event = self.passkey_event(Action::OperatorPasskeyAdded, &operator, &passkey, request);
        match self.kept()?.add_passkey(passkey.clone(), event).await {
            Ok(()) => Ok(passkey),
            Err(StoreError::Conflict(Conflict::Duplicate)) => Err(ManageError::PasskeyTaken),
            Err(StoreError::NotFound) => Err(ManageError::NoSuchOperator),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the passkeys of an operator, oldest first.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] for a visitor.
    pub async fn passkeys(&self, by: &OperatorPrincipal, of: OperatorId) -> Result<Vec<Passkey>, ManageError> {
        by.check_installation()?;
        Ok(self.kept()?.passkeys_of(of).await?)
    }

    /// Removes a passkey of the operator who asks, and returns it. Nobody signs in by it from then on. Sessions go on.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchPasskey`] if the operator has no such passkey.
    pub async fn remove_passkey(&self, id: &str, request: &ChangeRequest) -> Result<Passkey, ManageError> {
        let operator = self.by_principal(request.operator()).await?;
        let found = self.kept()?.passkey(id).await?.filter(|(found, _)| found.operator == operator.id);
        let (passkey, _) = found.ok_or(ManageError::NoSuchPasskey)?;
        let event = self.passkey_event(Action::OperatorPasskeyRemoved, &operator, &passkey, request);
        match self.kept()?.remove_passkey(operator.id, id, event).await? {
            true => Ok(passkey),
            false => Err(ManageError::NoSuchPasskey),
        }
    }

    /// Returns the passkey with this id and its operator. It proves nothing yet: the caller checks the device's signature.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn passkey(&self, id: &str) -> Result<Option<(Passkey, Operator)>, ManageError> {
        Ok(self.kept()?.passkey(id).await?)
    }

    /// Records a checked use of a passkey, with the new count of its signatures in `credential`. Returns false if the passkey
    /// is gone, or was used at the same moment: nobody may sign in then.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn use_passkey(&self, seen: &Passkey, credential: Vec<u8>) -> Result<bool, ManageError> {
        Ok(self.kept()?.use_passkey(seen, credential, self.core.clock.now()).await?)
    }

    /// Records that a challenge was answered. Returns false if it was answered before, on any node. `lifetime` is the time
    /// for which a challenge can be answered.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn spend_challenge(&self, challenge: Digest, lifetime: Duration) -> Result<bool, ManageError> {
        let now = self.core.clock.now();
        // Twice the time: the clocks of the nodes may differ.
        Ok(self.kept()?.spend_challenge(challenge, now, now + 2 * lifetime).await?)
    }

    fn kept(&self) -> Result<&dyn Passkeys, ManageError> {
        self.store.passkeys().ok_or(ManageError::PasskeysNotKept)
    }

    /// Returns an event about an operator's passkey, with the passkey's name and id.
    fn passkey_event(
        &self,
        action: Action,
        operator: &Operator,
        passkey: &Passkey,
        request: &ChangeRequest,
    ) -> EventDraft {
        let mut event = self.event(action, operator, &request.attribution);
        event.detail.note = Some(passkey.name.clone());
        event.detail.identity = Some(passkey.id.clone());
        event
    }
}
