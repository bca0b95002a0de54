//! The page as a service that any server can mount.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_auth::{Issuer, OperatorDesk, Verifier};
use doorward_http::Problem;
use doorward_origin::CustomSchemes;
use doorward_types::Name;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{BodyError, Content};
#[cfg(feature = "oidc")]
use crate::identity::IdentityProvider;
use crate::routes;
use crate::state::{Parts, ScanLimit, ScanPlace};

/// The page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dashboard(Arc<Parts>);

impl Dashboard {
    /// The page over a verifying node, at `/dashboard`.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self(Arc::new(Parts {
            issuer: Issuer::beside(&verifier),
            desk: OperatorDesk::new(verifier.core()),
            verifier,
            custom_schemes: CustomSchemes::Refused,
            base: "/dashboard".to_owned(),
            strict_transport: false,
            scan_limit: ScanLimit(Arc::new(|_| Ok(Box::new(())))),
            #[cfg(feature = "oidc")]
            identity_provider: None,
        }))
    }

    /// The page at another path, which links begin with; requests come with it or, as a router may hand them on, without it.
    #[must_use]
    pub fn at(self, base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self(Arc::new(Parts { base, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The page of a service that takes the schemes of apps as allowed origins, or does not.
    #[must_use]
    pub fn with_custom_schemes(self, custom_schemes: CustomSchemes) -> Self {
        Self(Arc::new(Parts { custom_schemes, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The page where browsers reach it by `https` alone: it then tells them to go on so for a year (RFC 6797).
    #[must_use]
    pub fn with_strict_transport(self, strict_transport: bool) -> Self {
        Self(Arc::new(Parts { strict_transport, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The page in a server that limits the reads which scan an audit log: filtered lists, verifications and exports. An export
    /// holds its place until its last byte has gone out.
    #[must_use]
    pub fn with_scan_limit(self, limit: impl Fn(&Name) -> Result<ScanPlace, Problem> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Parts { scan_limit: ScanLimit(Arc::new(limit)), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The page that operators can also sign in to through an identity provider.
    #[cfg(feature = "oidc")]
    #[must_use]
    pub fn with_identity_provider(self, provider: IdentityProvider) -> Self {
        Self(Arc::new(Parts { identity_provider: Some(provider), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Answers a request, whatever happens. If the request has a [`doorward_http::SourceAddress`] and a
    /// [`doorward_types::RequestId`] among its extensions, they are in the audit trail.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Content>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>>,
    {
        routes::answer(&self.0, request).await
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
