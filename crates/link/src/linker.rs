use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{Core, OriginRefusal, Verifier};
use doorward_client::{Client, RootsError};
use doorward_key::{OpaqueToken, RandomError};
use doorward_store::{
    Connector, ConnectorName, LinkSession, LinkSessions, Page, Scope, SealError, SealingKey, StoreError, Table,
};
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::code_grant::pkce_verifier;
use crate::{CodeGrant, ConnectorFault, ConnectorSettings};

/// How long a session is worth something.
pub const SESSION_LIFETIME: Duration = Duration::from_mins(30);

/// Begins links, and finishes them.
#[derive(Clone, Debug)]
pub struct Linker {
    pub(crate) verifier: Verifier,
    pub(crate) sealing_key: Arc<SealingKey>,
    pub(crate) client: Client,
    pub(crate) redirect_uri: String,
}

/// What a backend asks for.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Whose account.
    pub registered_user: RegisteredUserId,
    /// Where.
    pub connector: ConnectorName,
    /// The backend's page that the user's browser ends at.
    pub callback_url: String,
}

/// A link that was begun.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    /// Names the session.
    pub id: LinkSessionId,
    /// Where to send the user's browser.
    pub authorize_url: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Why a link cannot be begun, or a connector not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connector cannot be used.
    #[error(transparent)]
    Connector(#[from] ConnectorFault),
    /// The callback has a fragment, which no server sees (RFC 6749, section 3.1.2).
    #[error("`callback_url` has a fragment; nothing could be added after it")]
    Fragment,
    /// No such connector in this scope.
    #[error("there is no such connector in this environment")]
    NoSuchConnector,
    /// The user entrusted nothing for this connector.
    #[error("the registered user has no credential for this connector")]
    NoCredential,
    /// No such user in this scope.
    #[error("there is no such registered user in this environment")]
    NoSuchUser,
    /// A callback may not go there.
    #[error(transparent)]
    Origin(#[from] OriginRefusal),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The connector was sealed with another key, or was changed.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the callback needs to know, sealed beside the session.
#[derive(Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) connector: String,
    pub(crate) callback_url: String,
    pub(crate) pkce_verifier: Zeroizing<String>,
}

impl Linker {
    /// A linker beside a verifying node. Third parties send browsers back to `redirect_uri`, whose query is
    /// [`Linker::finish`]'s.
    ///
    /// # Errors
    ///
    /// Where the machine's roots of trust cannot be read.
    pub fn new(verifier: Verifier, sealing_key: Arc<SealingKey>, redirect_uri: String) -> Result<Self, RootsError> {
        Ok(Self { verifier, sealing_key, client: Client::new()?, redirect_uri })
    }

    /// Puts a connector into an environment, or another in its place.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn put_connector(
        &self,
        scope: &Scope,
        name: ConnectorName,
        settings: &ConnectorSettings,
    ) -> Result<(), LinkError> {
        settings.check()?;
        let text = Zeroizing::new(serde_json::to_vec(settings).unwrap_or_default());
        let sealed = self.sealing_key.seal(scope, &record(&name), &text, &**self.core().random())?;
        let now = self.core().clock().now();
        Ok(self.connectors_table().put(scope, Connector { name, sealed, created_at: now, updated_at: now }).await?)
    }

    /// The connectors of an environment, by name.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn connectors(&self, scope: &Scope) -> Result<Vec<(Connector, ConnectorSettings)>, LinkError> {
        let mut all = self.connectors_table().list(scope, Page::first(MANY)).await?;
        all.reverse();
        all.into_iter().map(|connector| Ok((connector.clone(), self.open(scope, &connector)?))).collect()
    }

    /// Takes a connector out; whether there was one.
    ///
    /// # Errors
    ///
    /// [`LinkError::Store`].
    pub async fn remove_connector(&self, scope: &Scope, name: &ConnectorName) -> Result<bool, LinkError> {
        Ok(self.connectors_table().delete(scope, name).await?)
    }

    /// Begins a link for a registered user.
    ///
    /// # Errors
    ///
    /// [`LinkError`]; [`LinkError::Origin`] where the callback's origin is not on the organization's list.
    pub async fn begin(&self, scope: &Scope, new: NewLink) -> Result<Begun, LinkError> {
        let NewLink { registered_user, connector, callback_url } = new;
        let settings = self.settings(scope, &connector).await?.filter(ConnectorSettings::links_accounts);
        let settings = settings.ok_or(LinkError::NoSuchConnector)?;
        self.verifier.check_origin(scope.organization(), &callback_url)?;
        if callback_url.contains('#') {
            return Err(LinkError::Fragment);
        }
        let (state, pkce_verifier) =
            (OpaqueToken::generate(&**self.core().random())?, pkce_verifier(&**self.core().random())?);
        let plan = Plan { connector: connector.to_string(), callback_url, pkce_verifier };
        let authorize_url = self.grant(&settings).authorize_url(state.expose(), &plan.pkce_verifier)?;
        let id = LinkSessionId::new(self.core().id_seed()?);
        let text = Zeroizing::new(serde_json::to_vec(&plan).unwrap_or_default());
        let sealed = self.sealing_key.seal(scope, &id.to_string(), &text, &**self.core().random())?;
        let now = self.core().clock().now();
        let expires_at = now + SESSION_LIFETIME;
        let session = LinkSession { id, state: state.digest(), registered_user, sealed, expires_at };
        match LinkSessions::open_link(&**self.core().store(), scope, session, now).await {
            Err(StoreError::Missing) => Err(LinkError::NoSuchUser),
            opened => {
                opened?;
                Ok(Begun { id, authorize_url, expires_at })
            }
        }
    }

    /// The connector's settings, where it is there.
    pub(crate) async fn settings(
        &self,
        scope: &Scope,
        name: &ConnectorName,
    ) -> Result<Option<ConnectorSettings>, LinkError> {
        let found = self.connectors_table().get(scope, name).await?;
        found.map(|connector| self.open(scope, &connector)).transpose()
    }

    fn open(&self, scope: &Scope, connector: &Connector) -> Result<ConnectorSettings, LinkError> {
        let text = self.sealing_key.open(scope, &record(&connector.name), &connector.sealed)?;
        serde_json::from_slice(&text).map_err(|_| LinkError::Sealed(SealError))
    }

    pub(crate) fn grant<'a>(&'a self, settings: &'a ConnectorSettings) -> CodeGrant<'a> {
        CodeGrant { settings, redirect_uri: &self.redirect_uri }
    }

    /// What sends requests to third parties.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn core(&self) -> &Core {
        self.verifier.core()
    }

    fn connectors_table(&self) -> &dyn Table<Connector> {
        &**self.core().store()
    }
}

/// Far more than an environment has.
const MANY: u32 = 1_000;

/// What a connector's settings are sealed for.
fn record(name: &ConnectorName) -> String {
    format!("connector/{name}")
}
