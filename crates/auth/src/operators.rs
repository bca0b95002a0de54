use std::sync::Arc;

use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_key::{FreshOperatorToken, KeyError, PresentedOperatorToken, ShownOnce};
use doorward_store::{Conflict, Operator, ProviderAccess, ProviderIdentity, SignIns, StoreError};
use doorward_types::{Name, OperatorId, altered};

use crate::core::INSTALLATION;
use crate::{ChangeRequest, Core, ManageError, OperatorPrincipal, Visit, Visitor};

/// Operators and their tokens. Every use of a token reads the store, so a removed operator is refused at once.
#[derive(Clone, Debug)]
pub struct Operators {
    pub(crate) core: Core,
    pub(crate) store: Arc<dyn SignIns>,
}

/// A new operator.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddedOperator {
    /// The operator.
    pub operator: Operator,
    /// The operator's token: the only copy.
    pub value: ShownOnce,
}

/// The reason why a token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorTokenError {
    /// The text is not an operator token.
    #[error(transparent)]
    Malformed(#[from] KeyError),
    /// The store failed. The token may be valid or not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No operator has this token.
    #[error("unknown or revoked operator token")]
    Unknown,
}

impl Operators {
    /// Returns the operators in this store.
    #[must_use]
    pub fn new(core: &Core, store: Arc<dyn SignIns>) -> Self {
        Self { core: core.clone(), store }
    }

    /// Verifies an operator's token.
    ///
    /// # Errors
    ///
    /// [`OperatorTokenError`] if the token is refused, or the store fails.
    pub async fn authenticate(&self, token: &[u8]) -> Result<OperatorPrincipal, OperatorTokenError> {
        let presented = PresentedOperatorToken::parse(token)?;
        match self.store.operator_by_locator(presented.locator()).await? {
            Some(operator) if operator.digest == presented.digest() => Ok(OperatorPrincipal::of_operator(&operator)),
            _ => Err(OperatorTokenError::Unknown),
        }
    }

    /// Adds an operator.
    ///
    /// # Errors
    ///
    /// [`ManageError::NameTaken`] if another operator has this name. [`ManageError::NameReserved`] if the name is
    /// reserved for Doorward.
    pub async fn add(&self, name: Name, request: &ChangeRequest) -> Result<AddedOperator, ManageError> {
        self.add_with(name, ProviderAccess::Local, request).await
    }

    /// Adds an operator for the sign-in by an identity provider. The first identity with this name is bound to the
    /// operator.
    ///
    /// # Errors
    ///
    /// Fails like [`Operators::add`].
    pub async fn add_by_provider(&self, name: Name, request: &ChangeRequest) -> Result<AddedOperator, ManageError> {
        self.add_with(name, ProviderAccess::Expected, request).await
    }

    async fn add_with(
        &self,
        name: Name,
        provider: ProviderAccess,
        request: &ChangeRequest,
    ) -> Result<AddedOperator, ManageError> {
        request.operator().check_installation()?;
        if is_our_own(&name) {
            return Err(ManageError::NameReserved);
        }
        let fresh = FreshOperatorToken::generate(&*self.core.random)?;
        let operator = Operator::new(
            OperatorId::new(self.core.id_seed()?),
            name,
            fresh.locator(),
            fresh.digest(),
            self.core.clock.now(),
            provider,
        );
        let event = self.event(Action::OperatorCreated, &operator, &request.attribution);
        match self.store.add_operator(operator.clone(), event).await {
            Ok(()) => Ok(AddedOperator { operator, value: fresh.into_value() }),
            Err(StoreError::Conflict(Conflict::Duplicate)) => Err(ManageError::NameTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an operator. The operator's token is refused from then on.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOperator`] if there is no such operator.
    pub async fn remove(&self, operator: &Operator, request: &ChangeRequest) -> Result<(), ManageError> {
        request.operator().check_installation()?;
        let event = self.event(Action::OperatorDeleted, operator, &request.attribution);
        match self.store.remove_operator(operator.id, event).await {
            Err(StoreError::NotFound) => Err(ManageError::NoSuchOperator),
            other => Ok(other?),
        }
    }

    /// Returns all operators, oldest first.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn list(&self, operator: &OperatorPrincipal) -> Result<Vec<Operator>, ManageError> {
        operator.check_installation()?;
        Ok(self.store.operators().await?)
    }

    /// Returns the operator with this name or id.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn find(&self, operator: &OperatorPrincipal, text: &str) -> Result<Option<Operator>, ManageError> {
        operator.check_installation()?;
        self.first(|known| known.name.as_str() == text || known.id.to_string() == text).await
    }

    pub(crate) async fn first(&self, is_it: impl Fn(&Operator) -> bool) -> Result<Option<Operator>, ManageError> {
        let all = self.store.operators().await?;
        Ok(all.into_iter().find(is_it))
    }

    /// Returns the operator with a provider identity.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, ManageError> {
        Ok(self.store.operator_by_identity(identity).await?)
    }

    /// Binds the operator with this name to a provider identity, and returns the operator. Returns `None` if no
    /// operator of this name waits for an identity. A local operator never waits for one. The event names issuer and
    /// subject.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn bind(
        &self,
        name: &str,
        identity: &ProviderIdentity,
        visit: Visit,
    ) -> Result<Option<Operator>, ManageError> {
        let is_it = |known: &Operator| known.name.as_str() == name && known.provider == ProviderAccess::Expected;
        let Some(operator) = self.first(is_it).await? else { return Ok(None) };
        let mut event = self.event(Action::OperatorBound, &operator, &visit.by(&operator));
        event.detail.identity = Some(format!("{} {}", identity.issuer, identity.subject));
        match self.store.bind_operator(operator.id, identity, event).await {
            Ok(()) => {
                let (operator_id, issuer) = (&operator.id, &identity.issuer);
                tracing::info!(%operator_id, issuer, "an operator is bound to an identity from now on");
                Ok(Some(altered!(operator, provider: ProviderAccess::Bound(identity.clone()))))
            }
            // Another request was faster.
            Err(StoreError::NotFound | StoreError::Conflict(Conflict::Duplicate)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns an event about an operator.
    pub(crate) fn event(&self, action: Action, operator: &Operator, by: &Attribution) -> EventDraft {
        let detail = Detail::default().with_name(operator.name.clone());
        self.core.event(action, operator.id.to_string(), INSTALLATION, by, detail)
    }
}

/// Returns true if, in an audit log, this name looks like a key, a visitor or one of Doorward's programs, such as
/// `cli:ada@host` or `doorward-server`.
fn is_our_own(name: &Name) -> bool {
    let name = looks(name.as_str());
    ["cli:", "doorward", Visitor::NAMESPACE, "key_", "server"].iter().any(|own| name.starts_with(&looks(own)))
        || name == looks("cli")
}

/// Returns the same text for names that look alike: replaces letters of other scripts by the letters that they resemble
/// (UTS #39, section 4), and removes invisible characters.
fn looks(text: &str) -> String {
    unicode_security::skeleton(&text.to_lowercase()).filter(char::is_ascii_graphic).collect()
}
