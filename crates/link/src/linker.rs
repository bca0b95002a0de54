use std::sync::Arc;
use std::time::Duration;

use doorward_audit::{Action, Attribution, Detail};
use doorward_auth::{CallbackError, Core, Verifier};
use doorward_client::{Client, RootsError};
use doorward_key::{OpaqueToken, RandomError};
use doorward_records::{
    Connector, ConnectorName, LinkSession, LinkStatus, SealError, Sealed, SealingError, SealingKeys, Store, Table,
    write_sealed,
};
use doorward_store::{Page, Scope, StoreError};
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::code_grant::pkce_verifier;
use crate::{ConnectorError, ConnectorSettings, discovery, redirect};

/// The maximum time between the start of a session and the browser's return from the third party.
pub const SESSION_LIFETIME: Duration = Duration::from_mins(30);

/// The maximum time that tokens wait for the backend's confirmation.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_mins(10);

/// Begins links, and finishes them.
#[derive(Clone, Debug)]
pub struct Linker {
    pub(crate) verifier: Verifier,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealing_key: Arc<SealingKeys>,
    pub(crate) client: Client,
    /// The URL above `start/…` and `callback/…`.
    pub(crate) base: Arc<str>,
    /// Wakes the revocation task.
    pub(crate) revocations: Arc<Notify>,
}

/// A backend's request for a link.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewLink {
    /// The account's owner.
    pub registered_user: RegisteredUserId,
    /// The connector.
    pub connector: ConnectorName,
    /// The backend's page, the last stop of the user's browser.
    pub callback_url: String,
}

impl NewLink {
    /// Creates the order for a link.
    #[must_use]
    pub const fn new(registered_user: RegisteredUserId, connector: ConnectorName, callback_url: String) -> Self {
        Self { registered_user, connector, callback_url }
    }
}

/// A link that was begun.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BegunLink {
    /// The session's id.
    pub id: LinkSessionId,
    /// The URL to which the backend sends the user's browser. It binds the browser and redirects it to the third party.
    pub start_url: String,
    /// The end of the session's time.
    pub expires_at: Timestamp,
}

/// The reason why a link or a connector request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connector's settings are invalid.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The callback has a fragment, which no server receives (RFC 6749, section 3.1.2).
    #[error("`callback_url` has a fragment, so no parameters can be added")]
    Fragment,
    /// The session does not wait for a confirmation.
    #[error("the link session is {0}: it does not wait for a confirmation")]
    NotPending(LinkStatus),
    /// No such connector in this scope.
    #[error("there is no such connector in this environment")]
    NoSuchConnector,
    /// The user has no credential for this connector.
    #[error("the registered user has no credential for this connector")]
    NoCredential,
    /// No such session in this scope.
    #[error("there is no such link session in this environment")]
    NoSuchSession,
    /// No such user in this scope.
    #[error("there is no such registered user in this environment")]
    NoSuchUser,
    /// The callback's origin is not allowed.
    #[error(transparent)]
    Origin(#[from] CallbackError),
    /// The confirmation is not the last one.
    #[error("this is not the last confirmation that the browser got")]
    OtherConfirmation,
    /// The browser's signed-in user is not the user of the session.
    #[error(
        "the link session belongs to another registered user: the user who brought this confirmation is not the user for whom the link \
         was begun. The session has failed, and its tokens are revoked"
    )]
    OtherUser,
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The connector was sealed with another key, or was modified.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Data that the start and the callback need, sealed beside the session.
#[derive(Deserialize, Serialize)]
pub(crate) struct LinkState {
    pub(crate) callback_url: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) pkce_verifier: Zeroizing<String>,
    /// The application with which the link was begun: no other application gets the browser or the code.
    pub(crate) application: String,
}

impl Linker {
    /// Returns a linker for a verifying node and the node's store. `base` is the URL for browsers: `start/{token}` leads to
    /// [`Linker::start`], and `callback/{reference}` to [`Linker::finish`]. Run [`Linker::keep_up`] as well.
    ///
    /// # Errors
    ///
    /// Fails if the machine's certificate roots cannot be read.
    pub fn new(
        verifier: Verifier,
        store: Arc<dyn Store>,
        sealing_key: Arc<SealingKeys>,
        base: &str,
    ) -> Result<Self, RootsError> {
        let (client, base, revocations) = (Client::new()?, base.trim_end_matches('/').into(), Arc::default());
        Ok(Self { verifier, store, sealing_key, client, base, revocations })
    }

    /// Creates or replaces a connector in an environment. If the settings name no issuer, and the third party's metadata says
    /// that its answers contain one, the connector gets this issuer.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn put_connector(
        &self,
        scope: &Scope,
        name: ConnectorName,
        settings: &ConnectorSettings,
        by: &Attribution,
    ) -> Result<(), LinkError> {
        settings.check()?;
        let issuer = match &settings.issuer {
            None if settings.links_accounts() => discovery::issuer_of(&self.client, settings).await,
            issuer => issuer.clone(),
        };
        let settings = ConnectorSettings { issuer, ..settings.clone() };
        let text = Zeroizing::new(serde_json::to_vec(&settings).unwrap_or_default());
        // A connector that was sealed with another key has no readable URLs.
        let before = self.settings(scope, &name).await.ok().flatten();
        let detail = Detail::default()
            .with_urls_before(before.map(|before| before.urls()).unwrap_or_default())
            .with_urls_after(settings.urls());
        let event = self.core().event(Action::ConnectorPut, name.to_string(), scope.log(), by, detail);
        let now = event.time;
        let put = |sealed| {
            let connector = Connector::new(name.clone(), sealed, now, now);
            self.connectors_table().put(scope, connector, event.clone())
        };
        self.write_sealed((scope, &Connector::record(&name), &text), put).await
    }

    /// Returns the connectors of an environment, by name.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn connectors(&self, scope: &Scope) -> Result<Vec<(Connector, ConnectorSettings)>, LinkError> {
        let mut all = self.connectors_table().list(scope, Page::first(MAX_CONNECTORS)).await?;
        all.reverse();
        all.into_iter().map(|connector| Ok((connector.clone(), self.open(scope, &connector)?))).collect()
    }

    /// Removes a connector. Returns whether it existed.
    ///
    /// # Errors
    ///
    /// [`LinkError::Store`].
    pub async fn remove_connector(
        &self,
        scope: &Scope,
        name: &ConnectorName,
        by: &Attribution,
    ) -> Result<bool, LinkError> {
        let before = self.settings(scope, name).await.ok().flatten();
        let urls_before = before.map(|before| before.urls()).unwrap_or_default();
        let detail = Detail::default().with_urls_before(urls_before);
        let event = self.core().event(Action::ConnectorRemoved, name.to_string(), scope.log(), by, detail);
        Ok(self.connectors_table().delete(scope, name, event).await?)
    }

    /// Begins a link for a registered user.
    ///
    /// # Errors
    ///
    /// [`LinkError`]; [`LinkError::Origin`] if the callback's origin is not on the organization's list.
    pub async fn begin(&self, scope: &Scope, new: NewLink) -> Result<BegunLink, LinkError> {
        let NewLink { registered_user, connector, callback_url } = new;
        let settings = self.settings(scope, &connector).await?.filter(ConnectorSettings::links_accounts);
        let settings = settings.ok_or(LinkError::NoSuchConnector)?;
        self.verifier.check_origin(scope.organization(), &callback_url)?;
        if callback_url.contains('#') {
            return Err(LinkError::Fragment);
        }
        let id = LinkSessionId::new(self.core().id_seed()?);
        // Check the longest URL that a session can end at, so that a callback URL without room for it is refused now.
        self.verifier.check_origin(scope.organization(), &redirect::longest(&callback_url, id))?;
        let random = &**self.core().random();
        let (start, state) = (OpaqueToken::generate(random)?, OpaqueToken::generate(random)?);
        let plan = LinkState {
            callback_url,
            state: Zeroizing::new(state.expose().to_owned()),
            pkce_verifier: pkce_verifier(random)?,
            application: settings.application(),
        };
        let text = Zeroizing::new(serde_json::to_vec(&plan).unwrap_or_default());
        let record = LinkSession::plan_record(id, registered_user, &connector);
        let now = self.core().clock().now();
        let expires_at = now + SESSION_LIFETIME;
        let session = |plan| LinkSession {
            id,
            registered_user,
            connector: connector.clone(),
            start: start.digest(),
            state: state.digest(),
            plan,
            status: LinkStatus::Begun,
            browser: None,
            confirmation: None,
            tokens: None,
            error: None,
            provider_error: None,
            expires_at,
        };
        let open = |plan| self.store.open_link(scope, session(plan), now);
        match self.write_sealed((scope, &record, &text), open).await {
            Err(LinkError::Store(StoreError::NotFound)) => Err(LinkError::NoSuchUser),
            opened => {
                opened?;
                Ok(BegunLink { id, start_url: format!("{}/start/{}", self.base, start.expose()), expires_at })
            }
        }
    }

    /// Seals a secret of a record and writes it.
    pub(crate) async fn write_sealed<Writing: Future<Output = Result<(), StoreError>>>(
        &self,
        secret: (&Scope, &str, &[u8]),
        write: impl Fn(Sealed) -> Writing,
    ) -> Result<(), LinkError> {
        let core = self.core();
        write_sealed(&*self.store, &self.sealing_key, secret, &**core.random(), write).await.map_err(
            |error| match error {
                SealingError::Random(error) => error.into(),
                SealingError::Store(error) => error.into(),
                _ => SealError.into(),
            },
        )
    }

    /// Returns the plan of a session.
    pub(crate) fn plan(&self, scope: &Scope, session: &LinkSession) -> Result<LinkState, SealError> {
        let record = LinkSession::plan_record(session.id, session.registered_user, &session.connector);
        let text = self.sealing_key.open(scope, &record, &session.plan)?;
        serde_json::from_slice(&text).map_err(|_| SealError)
    }

    /// Returns the settings of a connector, if its application still has this fingerprint.
    pub(crate) async fn settings_of(
        &self,
        scope: &Scope,
        name: &ConnectorName,
        application: &str,
    ) -> Result<Option<ConnectorSettings>, LinkError> {
        Ok(self.settings(scope, name).await?.filter(|settings| settings.application() == application))
    }

    /// Returns the redirect URI to register at a connector's third party. Each connector has its own, and keeps it if it is
    /// replaced.
    #[must_use]
    pub fn redirect_uri(&self, scope: &Scope, connector: &ConnectorName) -> String {
        format!("{}/callback/{}", self.base, redirect::reference(scope, connector))
    }

    /// Returns the connector's settings, if it exists.
    pub(crate) async fn settings(
        &self,
        scope: &Scope,
        name: &ConnectorName,
    ) -> Result<Option<ConnectorSettings>, LinkError> {
        let found = self.connectors_table().get(scope, name).await?;
        found.map(|connector| self.open(scope, &connector)).transpose()
    }

    fn open(&self, scope: &Scope, connector: &Connector) -> Result<ConnectorSettings, LinkError> {
        let text = self.sealing_key.open(scope, &Connector::record(&connector.name), &connector.sealed)?;
        serde_json::from_slice(&text).map_err(|_| LinkError::Sealed(SealError))
    }

    /// Returns the client for requests to third parties.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the store of connectors, sessions and credentials.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn core(&self) -> &Core {
        self.verifier.core()
    }

    fn connectors_table(&self) -> &dyn Table<Connector> {
        &*self.store
    }
}

/// The maximum number of connectors read: far more than an environment has.
const MAX_CONNECTORS: u32 = 1_000;
