//! The review after a restore. The store has lost the revocations after the backup, and external events name them.
//!
//! The events need not be trusted. A [`Comparison`] reads only their removals of secrets, operators, passkeys and allowed
//! origins, and what closed or suspended organizations, and the review removes these again. A person who can forge events can cause removals, but nothing else: no
//! event restores a removed record.

mod comparison;
mod findings;
mod foreign;
mod stretch;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use doorward_audit::{Action, Detail, EventDraft, Reason};
use doorward_key::ShownOnce;
use doorward_store::{LostChange, ManagementEngine, OriginEntry, Secret, StoreError};
use doorward_types::Incarnation;

pub use self::comparison::Comparison;
pub use self::findings::{
    Findings, Gone, GoneOperator, GoneOrganization, GoneOrigin, GoneSecret, Remedy, RevivedKey, RevivedOperator,
    RevivedOrganization, RevivedOrigin, RevivedPasskey, RevokedSecret, Uncertainty,
};
use crate::core::INSTALLATION;
use crate::{
    ChangeRequest, Core, ERASURE_DELAY, Issuer, LostChanges, ManageError, OperatorPrincipal, Operators, Receipt,
    StagedKey,
};

/// The maximum number of restores that are accepted although the store does not know them. So a forged file cannot use
/// up the numbers.
pub const MAX_RESTORES: u64 = 1_000;

/// The review of a store that was restored from a backup.
#[derive(Clone, Debug)]
pub struct RestoreReview {
    store: Arc<dyn ManagementEngine>,
    issuer: Issuer,
    operators: Operators,
    operator: OperatorPrincipal,
}

/// The result of beginning a new incarnation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Restored {
    /// The new incarnation.
    pub incarnation: Incarnation,
    /// The number of ended sessions and sign-in links of operators. Some may have ended already after the backup.
    pub ended_sessions: u64,
}

/// A key whose secrets were revoked again.
#[derive(Debug)]
#[non_exhaustive]
pub struct KilledKey {
    /// The new current secret. `None` if the key was deleted, or if only a staged secret was revoked.
    pub secret: Option<Secret>,
    /// The only copy of the new secret's value. `None` if no secret was minted.
    pub value: Option<ShownOnce>,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

impl RestoreReview {
    /// Returns the review of this store, for an operator.
    #[must_use]
    pub fn new(core: &Core, store: Arc<dyn ManagementEngine>, operator: OperatorPrincipal) -> Self {
        let issuer = Issuer::new(core).with_reason(Reason::StoreRestored);
        Self { issuer, operators: Operators::new(core, store.clone()), operator, store }
    }

    /// Begins the store's next incarnation, so that no new event shares its id with a lost event. Also ends the
    /// sessions and links of all operators. Lost changes stay open until [`RestoreReview::answer_for`].
    ///
    /// `last` is the newest incarnation in external events ([`Findings::incarnation`]): a backup that is restored twice
    /// does not know its first restore. It is accepted up to [`MAX_RESTORES`] above the store's own.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn restored(&self, last: Incarnation, request: &ChangeRequest) -> Result<Restored, ManageError> {
        request.operator().check_installation()?;
        let store = &self.store;
        let (_, identity) = store.identity().await?.proved_of_any_store()?;
        let event = self.event(Action::StoreRestored, identity.id.to_string(), Detail::default(), request);
        let last = last.min(Incarnation(identity.incarnation.0.saturating_add(MAX_RESTORES)));
        let incarnation = store.begin_incarnation(last, event).await?;
        let mut ended_sessions = 0;
        for operator in store.operators().await? {
            ended_sessions += self.operators.sign_out_everywhere(&operator, request).await?;
        }
        Ok(Restored { incarnation, ended_sessions })
    }

    /// Returns the lost changes that no operator has accepted. Read them before a comparison, so that the comparison
    /// covers them.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn losses(&self) -> Result<Vec<LostChange>, ManageError> {
        self.operator.check_installation()?;
        LostChanges::new(&self.issuer.core, self.store.clone()).open().await
    }

    /// Accepts the loss of these changes, so that nodes serve again. This is the last step, after all secrets were
    /// revoked again. Losses that a node reported later stay open.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn answer_for(&self, losses: &[LostChange], request: &ChangeRequest) -> Result<(), ManageError> {
        match LostChanges::new(&self.issuer.core, self.store.clone()).accept_these(losses, request).await {
            Err(ManageError::NothingLost) => Ok(()),
            other => other,
        }
    }

    /// Begins a comparison of external events with the store.
    #[must_use]
    pub fn compare(&self) -> Comparison {
        Comparison::new(self.store.clone(), self.operator.clone())
    }

    /// Revokes the secrets of a key again. Returns when no node accepts them.
    ///
    /// # Errors
    ///
    /// [`ManageError::ChangedMeanwhile`] if the key's secrets have changed since the comparison.
    pub async fn kill(&self, revived: &RevivedKey, request: &ChangeRequest) -> Result<KilledKey, ManageError> {
        let RevivedKey { key, seen, remedy, .. } = revived;
        let request = request.clone().with_idempotency_key(None).with_expected_secrets(seen.clone());
        let none = |receipt| KilledKey { secret: None, value: None, receipt };
        match remedy {
            Remedy::Delete => self.issuer.delete(key.organization, key.id, &request).await.map(none),
            Remedy::Unstage => self.issuer.unstage(key.organization, &request).await.map(none),
            Remedy::Promote | Remedy::Regenerate => {
                let staged = if *remedy == Remedy::Promote { StagedKey::Promote } else { StagedKey::Discard };
                let made = self.issuer.regenerate(key.organization, staged, &request).await?;
                Ok(KilledKey { secret: Some(made.secret), value: made.value.into_fresh(), receipt: made.receipt })
            }
        }
    }

    /// Removes an operator again.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOperator`] if the operator is gone.
    pub async fn remove_operator(&self, revived: &RevivedOperator, request: &ChangeRequest) -> Result<(), ManageError> {
        request.operator().check_installation()?;
        let operator = &revived.operator;
        let detail = Detail::default().with_name(operator.name.clone());
        let event = self.event(Action::OperatorDeleted, operator.id.to_string(), detail, request);
        match self.store.remove_operator(operator.id, event).await {
            Err(StoreError::NotFound) => Err(ManageError::NoSuchOperator),
            other => Ok(other?),
        }
    }

    /// Removes a passkey again.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchPasskey`] if the passkey is gone.
    pub async fn drop_passkey(&self, revived: &RevivedPasskey, request: &ChangeRequest) -> Result<(), ManageError> {
        request.operator().check_installation()?;
        let RevivedPasskey { passkey, operator, .. } = revived;
        let detail = Detail::default()
            .with_name(operator.name.clone())
            .with_note(passkey.name.clone())
            .with_identity(passkey.id.clone());
        let event = self.event(Action::OperatorPasskeyRemoved, operator.id.to_string(), detail, request);
        let passkeys = self.store.passkeys().ok_or(ManageError::PasskeysNotKept)?;
        match passkeys.remove_passkey(operator.id, &passkey.id, event).await? {
            true => Ok(()),
            false => Err(ManageError::NoSuchPasskey),
        }
    }

    /// Removes an origin from the list again. Returns when no node allows a callback to go there.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrigin`] if the origin is no longer on the list.
    pub async fn disallow(&self, revived: &RevivedOrigin, request: &ChangeRequest) -> Result<Receipt, ManageError> {
        let OriginEntry { organization, id, .. } = revived.entry;
        let request = request.clone().with_idempotency_key(None);
        self.issuer.disallow_origin(organization, id, &request).await
    }

    /// Closes or suspends an organization again. Returns when no node accepts its keys. The data of a closed organization
    /// is erased after [`ERASURE_DELAY`].
    ///
    /// # Errors
    ///
    /// [`ManageError::OrganizationClosed`] or [`ManageError::StateUnchanged`] if that has happened since the comparison.
    pub async fn end_organization(
        &self,
        revived: &RevivedOrganization,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        let (id, request) = (revived.organization.id, request.clone().with_idempotency_key(None));
        let updated = match revived.was_closed {
            true => self.issuer.close(id, ERASURE_DELAY, &request).await,
            false => self.issuer.suspend(id, None, &request).await,
        };
        updated.map(|updated| updated.receipt)
    }

    fn event(&self, action: Action, subject: String, detail: Detail, request: &ChangeRequest) -> EventDraft {
        let detail = detail.with_reason(self.issuer.reason);
        self.issuer.core.event(action, subject, INSTALLATION, &request.attribution, detail)
    }
}
