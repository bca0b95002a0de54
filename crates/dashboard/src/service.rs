//! The page as a service that any server can mount.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use doorward_audit::NoteKey;
use doorward_auth::{ERASURE_DELAY, Issuer, Operators, Verifier, Visitor};
use doorward_http::{Problem, Visitors};
use doorward_origin::CustomSchemes;
use doorward_store::{ManagementEngine, Outbox, Scope, StoreError};
use doorward_types::ActorName;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::answer;
use crate::body::{BodyError, Content};
#[cfg(feature = "oidc")]
use crate::identity::IdentityProvider;
#[cfg(feature = "passkeys")]
use crate::passkeys::RelyingParty;
use crate::state::{CheckpointKey, ConnectorRow, Connectors, Parts, ScanLimit, ScanPlace, SignedOut};

/// The management page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dashboard(Arc<Parts>);

impl Dashboard {
    /// Creates the page for a verifying node and its store, at `/dashboard`.
    #[must_use]
    pub fn new(verifier: Verifier, store: Arc<dyn ManagementEngine>) -> Self {
        Self(Arc::new(Parts {
            issuer: Issuer::beside(&verifier),
            operators: Operators::new(verifier.core(), store.clone()),
            store,
            verifier,
            custom_schemes: CustomSchemes::Refused,
            erase_after: ERASURE_DELAY,
            base: "/dashboard".to_owned(),
            origin: None,
            strict_transport: false,
            scan_limit: ScanLimit(Arc::new(|_| Ok(Box::new(())))),
            visitors: None,
            signed_out: None,
            outbox: None,
            connectors: None,
            checkpoint_key: None,
            #[cfg(feature = "oidc")]
            identity_provider: None,
            #[cfg(feature = "passkeys")]
            relying_party: None,
        }))
    }

    /// Creates the page for the users of the service that embeds it: no sign-in of its own, and for each visitor one
    /// organization. Every other organization, operators and the installation do not exist there.
    ///
    /// The service says by its own session who sent a request. If there is nobody, nothing is shown and nothing is changed. A
    /// visitor may do on the page what an operator may, in the visitor's own organization. The audit trail names the visitor as
    /// [`Visitor::new`] says.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # fn mount(verifier: doorward_auth::Verifier, store: Arc<dyn doorward_store::ManagementEngine>) -> doorward_dashboard::Dashboard {
    /// use doorward_auth::Visitor;
    /// use doorward_dashboard::Dashboard;
    ///
    /// // A middleware above the page has put the visitor there, from the service's own session.
    /// Dashboard::for_visitors(verifier, store, |request| request.extensions.get::<Visitor>().cloned()).at("/settings/keys")
    /// # }
    /// ```
    #[must_use]
    pub fn for_visitors(
        verifier: Verifier,
        store: Arc<dyn ManagementEngine>,
        find: impl Fn(&http::request::Parts) -> Option<Visitor> + Send + Sync + 'static,
    ) -> Self {
        let parts = Arc::unwrap_or_clone(Self::new(verifier, store).0);
        Self(Arc::new(Parts { visitors: Some(Visitors::new(find)), ..parts }))
    }

    /// Leaves it to the service that embeds the page to refuse forms from other sites, for the page of its own users. Without
    /// it, a form must come from this origin, and carry a token that this page gave to this visitor in this browser.
    #[must_use]
    pub fn guarded_by_host(self) -> Self {
        let parts = Arc::unwrap_or_clone(self.0);
        let visitors = parts.visitors.map(Visitors::guarded_by_host);
        Self(Arc::new(Parts { visitors, ..parts }))
    }

    /// Answers requests without a visitor in the service's own way, such as with a redirect to its sign-in. Without it, they get
    /// a page with the status 401.
    #[must_use]
    pub fn with_signed_out(
        self,
        write: impl Fn(&http::request::Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts { signed_out: Some(SignedOut(Arc::new(write))), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Moves the page to another path, with which its links begin. Requests may come with this path or, from a router that strips
    /// it, without.
    #[must_use]
    pub fn at(self, base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self(Arc::new(Parts { base, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Sets the origin at which browsers reach the page, such as `https://keys.example.com`, for links to it. Without it, a link
    /// begins with the host of the request that asked for it.
    #[must_use]
    pub fn with_origin(self, origin: &str) -> Self {
        let origin = Some(origin.trim_end_matches('/').to_owned());
        Self(Arc::new(Parts { origin, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Sets whether the schemes of apps are accepted as allowed origins.
    #[must_use]
    pub fn with_custom_schemes(self, custom_schemes: CustomSchemes) -> Self {
        Self(Arc::new(Parts { custom_schemes, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Sets the time between the closing of an organization and the erasure of its data, at first [`ERASURE_DELAY`].
    #[must_use]
    pub fn with_erasure_delay(self, erase_after: Duration) -> Self {
        Self(Arc::new(Parts { erase_after, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Tells browsers to use only `https` for a year (RFC 6797). Set it if browsers reach the page by `https` alone.
    #[must_use]
    pub fn with_strict_transport(self, strict_transport: bool) -> Self {
        Self(Arc::new(Parts { strict_transport, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Limits the reads that scan an audit log: filtered lists, verifications and exports. An export keeps its slot until its
    /// last byte is sent.
    #[must_use]
    pub fn with_scan_limit(
        self,
        limit: impl Fn(&ActorName) -> Result<ScanPlace, Problem> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts { scan_limit: ScanLimit(Arc::new(limit)), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Shows the progress of the sinks of audit events on the page *System*.
    #[must_use]
    pub fn with_outbox(self, outbox: Arc<dyn Outbox>) -> Self {
        Self(Arc::new(Parts { outbox: Some(outbox), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Shows the connectors of each environment on a tab of their own.
    #[must_use]
    pub fn with_connectors<F>(self, read: impl Fn(Scope) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<ConnectorRow>, StoreError>> + Send + 'static,
    {
        let read = Connectors(Arc::new(move |scope| Box::pin(read(scope))));
        Self(Arc::new(Parts { connectors: Some(read), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Shows signed checkpoints of audit logs, to be kept elsewhere. `key` returns the present key.
    #[must_use]
    pub fn with_checkpoint_key(self, key: impl Fn() -> Option<Arc<NoteKey>> + Send + Sync + 'static) -> Self {
        let key = Some(CheckpointKey(Arc::new(key)));
        Self(Arc::new(Parts { checkpoint_key: key, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Lets operators also sign in through an identity provider.
    #[cfg(feature = "oidc")]
    #[must_use]
    pub fn with_identity_provider(self, provider: IdentityProvider) -> Self {
        Self(Arc::new(Parts { identity_provider: Some(provider), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Lets operators also sign in by passkeys, which they add on the page *Operators*. Browsers offer it at the origin of
    /// `relying_party` alone. An engine that keeps no passkeys has none.
    #[cfg(feature = "passkeys")]
    #[must_use]
    pub fn with_passkeys(self, relying_party: RelyingParty) -> Self {
        Self(Arc::new(Parts { relying_party: Some(relying_party), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Answers a request; it cannot fail. If the request's extensions have a [`doorward_http::SourceAddress`] and a
    /// [`doorward_types::RequestId`], the audit trail includes them.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Content>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>>,
    {
        answer::answer(&self.0, request).await
    }
}

impl<B> Service<Request<B>> for Dashboard
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    type Response = Response<Content>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let dashboard = self.clone();
        Box::pin(async move { Ok(dashboard.answer(request).await) })
    }
}
