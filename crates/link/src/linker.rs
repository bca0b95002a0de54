use std::sync::Arc;
use std::time::Duration;

use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_auth::{Core, OriginRefusal, Verifier};
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
use crate::{ConnectorFault, ConnectorSettings, discovery, redirect};

/// The time that a browser may take from the beginning of a session to its return from the third party.
pub const SESSION_LIFETIME: Duration = Duration::from_mins(30);

/// The time for which tokens wait for the backend's confirmation.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_mins(10);

/// Begins links, and finishes them.
#[derive(Clone, Debug)]
pub struct Linker {
    pub(crate) verifier: Verifier,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealing_key: Arc<SealingKeys>,
    pub(crate) client: Client,
    /// The URL under which `start/…` and `callback/…` are.
    pub(crate) base: Arc<str>,
    /// Wakes what revokes.
    pub(crate) revocations: Arc<Notify>,
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
    /// The URL to send the user's browser to: the browser is bound there, and sent on to the third party.
    pub start_url: String,
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
    /// The session waits for no confirmation.
    #[error("the link session is {0}: it waits for no confirmation")]
    NotPending(LinkStatus),
    /// No such connector in this scope.
    #[error("there is no such connector in this environment")]
    NoSuchConnector,
    /// The user entrusted nothing for this connector.
    #[error("the registered user has no credential for this connector")]
    NoCredential,
    /// No such session in this scope.
    #[error("there is no such link session in this environment")]
    NoSuchSession,
    /// No such user in this scope.
    #[error("there is no such registered user in this environment")]
    NoSuchUser,
    /// A callback may not go there.
    #[error(transparent)]
    Origin(#[from] OriginRefusal),
    /// The confirmation is another one.
    #[error("this is not the confirmation that the browser got last")]
    OtherConfirmation,
    /// The browser was signed in as another user than the session is of.
    #[error(
        "the link session is of another registered user: whoever brought this confirmation is not the user that the link \
         was begun for. The session has failed, and its tokens are revoked"
    )]
    OtherUser,
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

/// The facts that the start and the callback need, sealed beside the session.
#[derive(Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) callback_url: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) pkce_verifier: Zeroizing<String>,
    /// The application that the link was begun with: another one gets neither browser nor code.
    pub(crate) application: String,
}

impl Linker {
    /// Returns a linker beside a verifying node, over the node's store. Browsers reach it under the URL `base`:
    /// `start/{token}` leads to [`Linker::start`], and `callback/{reference}` to [`Linker::finish`]. Run [`Linker::keep_up`] beside it.
    ///
    /// # Errors
    ///
    /// Fails if the machine's roots of trust cannot be read.
    pub fn new(
        verifier: Verifier,
        store: Arc<dyn Store>,
        sealing_key: Arc<SealingKeys>,
        base: &str,
    ) -> Result<Self, RootsError> {
        let (client, base, revocations) = (Client::new()?, base.trim_end_matches('/').into(), Arc::default());
        Ok(Self { verifier, store, sealing_key, client, base, revocations })
    }

    /// Puts a connector into an environment, or another in its place. If the settings name no issuer, and the third party's own
    /// documents say that its answers bear one, the connector has this issuer from then on.
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
        // A connector that does not open, since it was sealed with another key, has no URLs to tell of.
        let before = self.settings(scope, &name).await.ok().flatten();
        let detail = Detail {
            urls_before: before.map(|before| before.urls()).unwrap_or_default(),
            urls_after: settings.urls(),
            ..Detail::default()
        };
        let event = self.event(Action::ConnectorPut, name.to_string(), scope, by, detail);
        let now = event.time;
        let put = |sealed| {
            let connector = Connector { name: name.clone(), sealed, created_at: now, updated_at: now };
            self.connectors_table().put(scope, connector, event.clone())
        };
        self.write_sealed((scope, &Connector::record(&name), &text), put).await
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
    pub async fn remove_connector(
        &self,
        scope: &Scope,
        name: &ConnectorName,
        by: &Attribution,
    ) -> Result<bool, LinkError> {
        let before = self.settings(scope, name).await.ok().flatten();
        let urls_before = before.map(|before| before.urls()).unwrap_or_default();
        let detail = Detail { urls_before, ..Detail::default() };
        let event = self.event(Action::ConnectorRemoved, name.to_string(), scope, by, detail);
        Ok(self.connectors_table().delete(scope, name, event).await?)
    }

    /// Returns an event of the log of this scope.
    pub(crate) fn event(
        &self,
        action: Action,
        subject: String,
        scope: &Scope,
        by: &Attribution,
        detail: Detail,
    ) -> EventDraft {
        let log = (scope.organization(), scope.environment());
        EventDraft { detail, ..EventDraft::new(by, self.core().clock().now(), action, subject, log) }
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
        let id = LinkSessionId::new(self.core().id_seed()?);
        // What is longest of all that may be added in the end: a URL that has no room for it is refused now.
        self.verifier.check_origin(scope.organization(), &redirect::longest(&callback_url, id))?;
        let random = &**self.core().random();
        let (start, state) = (OpaqueToken::generate(random)?, OpaqueToken::generate(random)?);
        let plan = Plan {
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
            Err(LinkError::Store(StoreError::Missing)) => Err(LinkError::NoSuchUser),
            opened => {
                opened?;
                Ok(Begun { id, start_url: format!("{}/start/{}", self.base, start.expose()), expires_at })
            }
        }
    }

    /// Seals a secret of a record, and writes it.
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
            },
        )
    }

    /// Returns the plan of a session.
    pub(crate) fn plan(&self, scope: &Scope, session: &LinkSession) -> Result<Plan, SealError> {
        let record = LinkSession::plan_record(session.id, session.registered_user, &session.connector);
        let text = self.sealing_key.open(scope, &record, &session.plan)?;
        serde_json::from_slice(&text).map_err(|_| SealError)
    }

    /// Returns the settings of a connector, if it is still the application with this name.
    pub(crate) async fn settings_of(
        &self,
        scope: &Scope,
        name: &ConnectorName,
        application: &str,
    ) -> Result<Option<ConnectorSettings>, LinkError> {
        Ok(self.settings(scope, name).await?.filter(|settings| settings.application() == application))
    }

    /// Returns the redirect URI to register at a connector's third party. Each connector has its own, and keeps it when it is
    /// put again.
    #[must_use]
    pub fn redirect_uri(&self, scope: &Scope, connector: &ConnectorName) -> String {
        format!("{}/callback/{}", self.base, redirect::reference(scope, connector))
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
        let text = self.sealing_key.open(scope, &Connector::record(&connector.name), &connector.sealed)?;
        serde_json::from_slice(&text).map_err(|_| LinkError::Sealed(SealError))
    }

    /// What sends requests to third parties.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The store of connectors, sessions and credentials.
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

/// Far more than an environment has.
const MANY: u32 = 1_000;
