use std::fmt;
use std::sync::Arc;

#[cfg(feature = "api")]
use doorward_api::{Api, Settings};
#[cfg(feature = "dashboard")]
use doorward_dashboard::Dashboard;
#[cfg(feature = "http")]
use doorward_http::AccessKeyLayer;
#[cfg(feature = "sink")]
use doorward_sink::{BoxSink, Shippers, Sink};

#[cfg(any(feature = "api", feature = "dashboard"))]
use http::request::Parts as Head;

use crate::Error;
#[cfg(feature = "sink")]
use crate::auth::StartError;
#[cfg(any(feature = "api", feature = "dashboard"))]
use crate::auth::Visitor;
use crate::auth::{ChangeRequest, Core, Issuer, ManageError, OperatorPrincipal, Provisioned, Verifier};
use crate::place::Place;
use crate::records::Store;
use crate::types::ActorName;

/// The name that a service has in the audit log, unless it chooses another.
const DEFAULT_ACTOR: &str = "service";

/// The access keys of a service: a store, a node that verifies from memory, and an issuer, with all that runs for them.
///
/// Cheap to clone: clones are the same. Each part is there to be used alone: [`AccessKeys::verifier`],
/// [`AccessKeys::issuer`], [`AccessKeys::layer`], [`AccessKeys::store`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use doorward::AccessKeys;
///
/// // A service keeps its keys in `sqlite:keys.db` or `postgres://…`.
/// let keys = AccessKeys::open("memory:").prefix("acme").start().await?;
/// if let Some(first) = keys.provision_first("my-service").await? {
///     let value = first.value.expose();
///     assert!(value.starts_with("acme_prod_"));
///     assert!(keys.verifier().authenticate(value.as_bytes()).is_ok());
/// }
/// assert!(keys.provision_first("my-service").await?.is_none());
/// keys.stop().await?;
/// # Ok(()) }
/// ```
///
/// # Shutting down
///
/// Serve until [`AccessKeys::until_signal`] resolves, let the requests under way end, and call [`AccessKeys::stop`] last. It
/// takes the node out of the store: the changes that other processes make need not wait for a node that is gone.
/// If the last clone is dropped without it, inside a runtime, the same is done in the background.
#[derive(Clone)]
pub struct AccessKeys(Arc<Parts>);

struct Parts {
    store: Arc<dyn Store>,
    verifier: Verifier,
    issuer: Issuer,
    operator: OperatorPrincipal,
    #[cfg(feature = "http")]
    layer: AccessKeyLayer,
    #[cfg(feature = "sink")]
    shippers: Option<Shippers>,
}

impl AccessKeys {
    /// Returns the access keys of a node that runs already, over its store: for tests on the clock of `doorward-testing`, and
    /// for services that start the parts themselves. `actor` is the name of the service in audit logs.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] if no actor can have the name.
    pub fn of_node(verifier: Verifier, store: Arc<dyn Store>, actor: &str) -> Result<Self, Error> {
        Ok(Self(Arc::new(Parts::of_node(verifier, store, actor.parse()?))))
    }

    /// The access keys in the store that a URL names: `sqlite:PATH`, `postgres://…`, or `memory:`, which is gone with the
    /// process. [`StoreUrl`](crate::StoreUrl) has all forms. [`AccessKeysBuilder::start`] opens it.
    pub fn open(url: impl Into<String>) -> AccessKeysBuilder {
        AccessKeysBuilder {
            url: url.into(),
            actor: DEFAULT_ACTOR.to_owned(),
            prefix: None,
            schema: None,
            pool_size: None,
            #[cfg(feature = "sink")]
            sinks: Vec::new(),
        }
    }

    /// Adds the first organization with its production key, whose value is in the answer and nowhere else. None, if the store
    /// has an organization already, also if several processes start at once.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], or an [`Error::Manage`] if the store fails.
    pub async fn provision_first(&self, name: &str) -> Result<Option<Provisioned>, Error> {
        match self.issuer().provision_first(name.parse()?, &self.request()).await {
            Ok(first) => Ok(Some(first)),
            Err(ManageError::NotEmpty) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A change that the service asks for by itself, with the issuer. Never use it for a request from elsewhere: the audit log
    /// would name the service.
    #[must_use]
    pub fn request(&self) -> ChangeRequest {
        self.0.operator.request()
    }

    /// The layer in front of a service, and the state that axum's extractors ask. All layers of these keys count in one place.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn layer(&self) -> AccessKeyLayer {
        self.0.layer.clone()
    }

    /// The node that verifies, for what is no HTTP.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// The issuer, which makes and kills keys.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The page *Settings → API Keys* for operators, to be mounted. Its settings are its own:
    ///
    /// ```
    /// # fn page(keys: &doorward::AccessKeys) -> doorward::dashboard::Dashboard {
    /// keys.dashboard().at("/settings/keys")
    /// # }
    /// ```
    #[cfg(feature = "dashboard")]
    #[must_use]
    pub fn dashboard(&self) -> Dashboard {
        let store = Arc::clone(self.store());
        Dashboard::new(self.verifier().clone(), Arc::clone(&store) as _).with_outbox(store)
    }

    /// The page *Settings → API Keys* for the service's own users, to be mounted at any path. `find` tells by the service's own
    /// session who sent a request, and for which organization: the visitor sees and manages that organization alone. A request
    /// without a visitor is shown nothing, and changes nothing.
    ///
    /// A lookup that waits belongs into a middleware above the page. It leaves the visitor among the request's extensions:
    ///
    /// ```
    /// # fn page(keys: &doorward::AccessKeys) -> doorward::dashboard::Dashboard {
    /// use doorward::auth::Visitor;
    ///
    /// keys.page_for(|request| request.extensions.get::<Visitor>().cloned()).at("/settings/keys")
    /// # }
    /// ```
    #[cfg(feature = "dashboard")]
    #[must_use]
    pub fn page_for(&self, find: impl Fn(&Head) -> Option<Visitor> + Send + Sync + 'static) -> Dashboard {
        Dashboard::for_visitors(self.verifier().clone(), Arc::clone(self.store()) as _, find)
    }

    /// The management API for the service's own users, to be mounted at any path: the organization's keys, allowed origins and
    /// audit logs, as `docs/reference/http.md` describes them. `find` is the same as in [`AccessKeys::page_for`].
    ///
    /// ```
    /// # fn api(keys: &doorward::AccessKeys) -> doorward::api::Api {
    /// use doorward::auth::Visitor;
    ///
    /// keys.api_for(|request| request.extensions.get::<Visitor>().cloned()).at("/settings/api")
    /// # }
    /// ```
    #[cfg(feature = "api")]
    #[must_use]
    pub fn api_for(&self, find: impl Fn(&Head) -> Option<Visitor> + Send + Sync + 'static) -> Api {
        Api::only_for_visitors(self.verifier().clone(), Arc::clone(self.store()), Settings::default(), find)
    }

    /// Resolves when the process is asked to end, by SIGTERM or Ctrl-C: for a server's graceful shutdown. The keys go on to be
    /// verified for the requests under way, until [`AccessKeys::stop`].
    ///
    /// From this call on, the signals no longer end the process by themselves.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    #[cfg(feature = "signal")]
    pub fn until_signal(&self) -> impl Future<Output = ()> + Send + use<> {
        crate::until_signal()
    }

    /// Stops verifying, notes how far each sink has come, writes the uses that were counted, takes the node out of the store,
    /// and closes the store.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], if the store cannot be closed in order.
    pub async fn stop(&self) -> Result<(), Error> {
        #[cfg(feature = "sink")]
        if let Some(shippers) = &self.0.shippers {
            shippers.stop().await;
        }
        self.verifier().stop().await;
        Ok(self.0.store.close().await?)
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeys").field("verifier", self.verifier()).finish_non_exhaustive()
    }
}

/// The settings of [`AccessKeys`], made by [`AccessKeys::open`].
#[must_use = "nothing is opened before `start`"]
pub struct AccessKeysBuilder {
    url: String,
    actor: String,
    prefix: Option<String>,
    schema: Option<String>,
    pool_size: Option<u16>,
    #[cfg(feature = "sink")]
    sinks: Vec<(String, BoxSink)>,
}

impl AccessKeysBuilder {
    /// Names the service in the audit log, for the changes that it asks for by itself. The default is `service`.
    pub fn actor(self, name: impl Into<String>) -> Self {
        Self { actor: name.into(), ..self }
    }

    /// Makes keys with this prefix instead of `dw`. The store keeps the first prefix that it is given: with another one,
    /// nothing starts.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Keeps the tables in this schema of the PostgreSQL database, which is created if it is missing. The default is
    /// `doorward`. The parameter `schema` of the URL says the same.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn start() -> Result<(), doorward::Error> {
    /// use doorward::AccessKeys;
    ///
    /// // In the service's own database, beside the service's tables, with at most four connections for requests.
    /// let keys = AccessKeys::open("postgres://app@db.internal/app").schema("keys").pool_size(4).start().await?;
    /// # Ok(()) }
    /// ```
    pub fn schema(self, name: impl Into<String>) -> Self {
        Self { schema: Some(name.into()), ..self }
    }

    /// Opens at most this number of connections to PostgreSQL for requests and changes, and three more for the node. The
    /// default is 8. The parameter `pool_size` of the URL says the same.
    pub fn pool_size(self, connections: u16) -> Self {
        Self { pool_size: Some(connections), ..self }
    }

    /// Ships audit events to a sink. The store notes under this name how far the sink has come.
    ///
    /// ```
    /// # async fn start() -> Result<(), doorward::Error> {
    /// use doorward::AccessKeys;
    /// use doorward::sink::{EventFormat, StandardOutput};
    ///
    /// let sink = StandardOutput::new(EventFormat::Event);
    /// let keys = AccessKeys::open("sqlite:keys.db").sink("stdout", sink).start().await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "sink")]
    pub fn sink(mut self, name: impl Into<String>, sink: impl Sink + 'static) -> Self {
        self.sinks.push((name.into(), BoxSink::new(sink)));
        self
    }

    /// Opens the store, makes it if there is none, and starts all that runs for the keys.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing runs then. A schema or a pool for a store that is not in PostgreSQL is a
    /// [`StoreError::Settings`](crate::store::StoreError::Settings).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers.
    pub async fn start(self) -> Result<AccessKeys, Error> {
        let actor: ActorName = self.actor.parse()?;
        #[cfg(feature = "sink")]
        let sinks = self.sinks.into_iter().map(|(name, sink)| Ok((name.parse()?, sink)));
        #[cfg(feature = "sink")]
        let sinks = sinks.collect::<Result<Vec<_>, Error>>()?;
        let prefix = self.prefix.map(|prefix| prefix.parse()).transpose()?;
        let store = Place { url: self.url, schema: self.schema, pool_size: self.pool_size }.open().await?;
        let core = Core::new(Arc::clone(&store) as _);
        let core = match prefix {
            Some(prefix) => core.with_prefix(prefix),
            None => core,
        };
        let verifier = Verifier::start(&core).await?;
        Ok(AccessKeys(Arc::new(Parts {
            #[cfg(feature = "sink")]
            shippers: Some(Shippers::start(sinks, &(Arc::clone(&store) as _)).map_err(StartError::from)?),
            ..Parts::of_node(verifier, store, actor)
        })))
    }
}

impl Parts {
    fn of_node(verifier: Verifier, store: Arc<dyn Store>, actor: ActorName) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
        let operator = OperatorPrincipal::local_administrator(actor);
        Self {
            issuer: Issuer::beside(&verifier),
            operator,
            #[cfg(feature = "http")]
            layer: AccessKeyLayer::new(verifier.clone()),
            #[cfg(feature = "sink")]
            shippers: None,
            store,
            verifier,
        }
    }
}

impl fmt::Debug for AccessKeysBuilder {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeysBuilder")
            .field("actor", &self.actor)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
