use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_key::{FreshOperatorToken, KeyFault, PresentedOperatorToken, ShownOnce};
use doorward_store::{Conflict, Operator, ProviderAccess, ProviderIdentity, StoreError};
use doorward_types::{Environment, Name, OperatorId, OrganizationId};

use crate::{ChangeRequest, Core, IssueError, OperatorPrincipal, Visit};

/// Operators of the management side, and their tokens. Each is looked up in the store at every use, so that a removed
/// one is out at once.
#[derive(Clone, Debug)]
pub struct OperatorDesk {
    core: Core,
}

/// A new operator.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddedOperator {
    /// The operator.
    pub operator: Operator,
    /// Its token: the only copy.
    pub value: ShownOnce,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorRefusal {
    /// The text is no operator's token.
    #[error(transparent)]
    Malformed(#[from] KeyFault),
    /// The store failed, so that nothing can be said of the token.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such operator, or no longer.
    #[error("the operator's token is not known, or no longer")]
    Unknown,
}

impl OperatorDesk {
    /// The desk over this core.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { core: core.clone() }
    }

    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    /// Proves that a token is an operator's.
    ///
    /// # Errors
    ///
    /// [`OperatorRefusal`].
    pub async fn authenticate(&self, token: &[u8]) -> Result<OperatorPrincipal, OperatorRefusal> {
        let presented = PresentedOperatorToken::parse(token)?;
        match self.core.store.operator_by_locator(presented.locator()).await? {
            Some(operator) if operator.digest == presented.digest() => Ok(OperatorPrincipal::of_operator(&operator)),
            _ => Err(OperatorRefusal::Unknown),
        }
    }

    /// Adds an operator.
    ///
    /// # Errors
    ///
    /// [`IssueError::NameTaken`] if there is one of this name, [`IssueError::NameReserved`] if the name is one of Doorward's own.
    pub async fn add(&self, name: Name, request: &ChangeRequest) -> Result<AddedOperator, IssueError> {
        self.add_with(name, ProviderAccess::Local, request).await
    }

    /// Adds an operator whom an identity provider can sign in: the first one whom it calls by this name.
    ///
    /// # Errors
    ///
    /// As [`OperatorDesk::add`].
    pub async fn add_by_provider(&self, name: Name, request: &ChangeRequest) -> Result<AddedOperator, IssueError> {
        self.add_with(name, ProviderAccess::Expected, request).await
    }

    async fn add_with(
        &self,
        name: Name,
        provider: ProviderAccess,
        request: &ChangeRequest,
    ) -> Result<AddedOperator, IssueError> {
        if is_our_own(&name) {
            return Err(IssueError::NameReserved);
        }
        let fresh = FreshOperatorToken::generate(&*self.core.random)?;
        let operator = Operator {
            id: OperatorId::new(self.core.id_seed()?),
            name,
            locator: fresh.locator(),
            digest: fresh.digest(),
            created_at: self.core.clock.now(),
            provider,
        };
        let event = self.event(Action::OperatorCreated, &operator, &request.attribution);
        match self.core.store.add_operator(operator.clone(), event).await {
            Ok(()) => Ok(AddedOperator { operator, value: fresh.into_value() }),
            Err(StoreError::Conflict(Conflict::Duplicate)) => Err(IssueError::NameTaken),
            Err(error) => Err(IssueError::Store(error)),
        }
    }

    /// Removes an operator, whose token is refused from then on.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOperator`] where there is none.
    pub async fn remove(&self, operator: &Operator, request: &ChangeRequest) -> Result<(), IssueError> {
        let event = self.event(Action::OperatorDeleted, operator, &request.attribution);
        match self.core.store.remove_operator(operator.id, event).await {
            Err(StoreError::Missing) => Err(IssueError::NoSuchOperator),
            other => other.map_err(IssueError::Store),
        }
    }

    /// All operators, oldest first.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn list(&self, _: &OperatorPrincipal) -> Result<Vec<Operator>, IssueError> {
        self.core.store.operators().await.map_err(IssueError::Store)
    }

    /// The operator with this name or id.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn find(&self, _: &OperatorPrincipal, text: &str) -> Result<Option<Operator>, IssueError> {
        self.first(|known| known.name.as_str() == text || known.id.to_string() == text).await
    }

    async fn first(&self, is_it: impl Fn(&Operator) -> bool) -> Result<Option<Operator>, IssueError> {
        let all = self.core.store.operators().await.map_err(IssueError::Store)?;
        Ok(all.into_iter().find(is_it))
    }

    /// Returns the operator that is bound to an identity.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, IssueError> {
        self.core.store.operator_by_identity(identity).await.map_err(IssueError::Store)
    }

    /// Binds the operator with this name to an identity, and returns the operator; none if no operator of this name waits for
    /// an identity. A local operator never does. The event names issuer and subject.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn bind(
        &self,
        name: &str,
        identity: &ProviderIdentity,
        visit: Visit,
    ) -> Result<Option<Operator>, IssueError> {
        let is_it = |known: &Operator| known.name.as_str() == name && known.provider == ProviderAccess::Expected;
        let Some(operator) = self.first(is_it).await? else { return Ok(None) };
        let mut event = self.event(Action::OperatorBound, &operator, &visit.by(&operator));
        event.detail.identity = Some(format!("{} {}", identity.issuer, identity.subject));
        match self.core.store.bind_operator(operator.id, identity, event).await {
            Ok(()) => {
                let (operator_id, issuer) = (&operator.id, &identity.issuer);
                tracing::info!(%operator_id, issuer, "an operator is bound to an identity from now on");
                Ok(Some(Operator { provider: ProviderAccess::Bound(identity.clone()), ..operator }))
            }
            // Someone else was quicker.
            Err(StoreError::Missing | StoreError::Conflict(Conflict::Duplicate)) => Ok(None),
            Err(error) => Err(IssueError::Store(error)),
        }
    }

    /// Returns an event about an operator.
    pub(crate) fn event(&self, action: Action, operator: &Operator, by: &Attribution) -> EventDraft {
        let detail = Detail { name: Some(operator.name.clone()), ..Detail::default() };
        installation_event(&self.core, action, operator.id.to_string(), detail, by)
    }
}

/// Returns whether somebody who reads an audit log could take this name for one of Doorward's own programs, `cli:ada@host` or
/// `doorward-server`, or for a key.
fn is_our_own(name: &Name) -> bool {
    let name = looks(name.as_str());
    ["cli:", "doorward", "key_", "server"].iter().any(|own| name.starts_with(&looks(own))) || name == looks("cli")
}

/// Returns the same text for names that look alike: letters of other scripts become those that they resemble (UTS #39, section
/// 4), and what nobody sees is left out.
fn looks(text: &str) -> String {
    unicode_security::skeleton(&text.to_lowercase()).filter(char::is_ascii_graphic).collect()
}

/// Tells of what belongs to the installation and to no organization.
pub(crate) fn installation_event(
    core: &Core,
    action: Action,
    subject: String,
    detail: Detail,
    by: &Attribution,
) -> EventDraft {
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    EventDraft { detail, ..EventDraft::new(by, core.clock.now(), action, subject, log) }
}
