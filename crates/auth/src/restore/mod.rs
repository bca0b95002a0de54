//! After a restore: the store has forgotten which secrets died since the backup, and events from elsewhere tell.
//!
//! The events need no trust. A [`Comparison`] takes from them only which secrets, operators and allowed origins were
//! removed, and the desk removes those again. Whoever can write the events can have these removed, and nothing else: no
//! event brings anything back to life.

mod comparison;
mod findings;
mod foreign;
mod stretch;
#[cfg(test)]
mod tests;

use doorward_audit::{Action, Detail, EventDraft, Reason};
use doorward_key::ShownOnce;
use doorward_store::{LostChange, OriginEntry, Secret, StoreError};
use doorward_types::Incarnation;

pub use self::comparison::Comparison;
pub use self::findings::{
    DeadSecret, Findings, Gone, GoneOperator, GoneOrganization, GoneOrigin, GoneSecret, Remedy, RevivedKey,
    RevivedOperator, RevivedOrigin, Uncertainty,
};
use crate::operators::installation_event;
use crate::{ChangeRequest, Core, IssueError, Issuer, LossDesk, OperatorDesk, OperatorPrincipal, Receipt, StagedKey};

/// The most restores that are believed although the store does not know of them: a file that was forged cannot use the numbers up.
pub const MOST_RESTORES: u64 = 1_000;

/// Deals with a store that was restored from a backup.
#[derive(Clone, Debug)]
pub struct RestoreDesk {
    issuer: Issuer,
    operators: OperatorDesk,
    operator: OperatorPrincipal,
}

/// The begin of an incarnation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Restored {
    /// The incarnation that began.
    pub incarnation: Incarnation,
    /// The number of sessions and sign-in links of operators that were ended. They may have ended since the backup.
    pub ended_sessions: u64,
}

/// A key whose dead secrets are dead again.
#[derive(Debug)]
#[non_exhaustive]
pub struct KilledKey {
    /// The secret that is current now; none if the key is deleted, or if only a staged secret was killed.
    pub secret: Option<Secret>,
    /// The new secret's value, the only copy; none if no secret was minted.
    pub value: Option<ShownOnce>,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

impl RestoreDesk {
    /// Returns the desk over this core, for someone who may manage every organization.
    #[must_use]
    pub fn new(core: &Core, operator: OperatorPrincipal) -> Self {
        let issuer = Issuer::new(core).with_reason(Reason::StoreRestored);
        Self { issuer, operators: OperatorDesk::new(core), operator }
    }

    /// Begins the store's next incarnation, so that no event from now on shares its id with an event that was lost. Also
    /// ends the sessions and links of all operators. Lost changes stay open until [`RestoreDesk::answer_for`].
    ///
    /// `last` is the newest incarnation that is known from elsewhere ([`Findings::incarnation`]): a backup that is restored
    /// twice does not know of the first time. It is believed up to [`MOST_RESTORES`] beyond the store's own.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn restored(&self, last: Incarnation, request: &ChangeRequest) -> Result<Restored, IssueError> {
        let store = &self.core().store;
        let begin = async {
            let (_, identity) = store.identity().await?.proved_of_any_store()?;
            let event = self.event(Action::StoreRestored, identity.id.to_string(), Detail::default(), request);
            let last = last.min(Incarnation(identity.incarnation.0.saturating_add(MOST_RESTORES)));
            let incarnation = store.begin_incarnation(last, event).await?;
            let mut ended_sessions = 0;
            for operator in store.operators().await? {
                ended_sessions += self.operators.sign_out_everywhere(&operator, request).await?;
            }
            Ok(Restored { incarnation, ended_sessions })
        };
        begin.await.map_err(IssueError::Store)
    }

    /// Returns the lost changes that nobody has answered for: to be read before a comparison, which then knows of them.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn losses(&self) -> Result<Vec<LostChange>, IssueError> {
        LossDesk::new(self.core()).open().await
    }

    /// Answers for these lost changes, so that nodes serve again: the last step, when all that died is dead again. A change that
    /// a node found missing since then stays open.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn answer_for(&self, losses: &[LostChange], request: &ChangeRequest) -> Result<(), IssueError> {
        match LossDesk::new(self.core()).accept_these(losses, request).await {
            Err(IssueError::NothingLost) => Ok(()),
            other => other,
        }
    }

    /// Begins to compare events from elsewhere with the store.
    #[must_use]
    pub fn compare(&self) -> Comparison {
        Comparison::new(self.core().clone(), self.operator.clone())
    }

    /// Kills the dead secrets of a key again. Returns when no node accepts them.
    ///
    /// # Errors
    ///
    /// [`IssueError::ChangedMeanwhile`], if the key has other secrets than when it was compared.
    pub async fn kill(&self, revived: &RevivedKey, request: &ChangeRequest) -> Result<KilledKey, IssueError> {
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
    /// [`IssueError::NoSuchOperator`], if the operator is gone.
    pub async fn remove_operator(&self, revived: &RevivedOperator, request: &ChangeRequest) -> Result<(), IssueError> {
        let operator = &revived.operator;
        let detail = Detail { name: Some(operator.name.clone()), ..Detail::default() };
        let event = self.event(Action::OperatorDeleted, operator.id.to_string(), detail, request);
        match self.core().store.remove_operator(operator.id, event).await {
            Err(StoreError::Missing) => Err(IssueError::NoSuchOperator),
            other => other.map_err(IssueError::Store),
        }
    }

    /// Takes an origin off the list again. Returns when no node lets a callback go there.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrigin`], if the origin is no longer on the list.
    pub async fn disallow(&self, revived: &RevivedOrigin, request: &ChangeRequest) -> Result<Receipt, IssueError> {
        let OriginEntry { organization, id, .. } = revived.entry;
        let request = request.clone().with_idempotency_key(None);
        self.issuer.disallow_origin(organization, id, &request).await
    }

    const fn core(&self) -> &Core {
        &self.issuer.core
    }

    fn event(&self, action: Action, subject: String, detail: Detail, request: &ChangeRequest) -> EventDraft {
        let detail = Detail { reason: self.issuer.reason(), ..detail };
        installation_event(self.core(), action, subject, detail, &request.attribution)
    }
}
