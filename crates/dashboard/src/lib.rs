//! *Settings → API Keys*: the page for people who would rather click, as a tower service that any server can mount.
//!
//! | module | what it is for |
//! |---|---|
//! | `routes` | which page or action a request means: start here |
//! | `guard` | who is signed in, and whether this page of ours sent the form |
//! | `form` | reading what a form sends |
//! | `actions` | what forms change, through the core |
//! | `pages` | what is shown, and how it is said |
//! | `identity` | signing in through an identity provider (feature `oidc`) |
//! | `reply`, `assets` | answers, the headers that all of them have, and the files beside the pages |
//!
//! Operators sign in by a link that works once ([`doorward_auth::OperatorDesk::login_link`]), into a session whose cookie no script
//! reads. Everything works without JavaScript; what there is of it copies, keeps the page up to date, and asks before a value is lost.
//!
//! A value that is shown once is in the one answer to the one form that made it: never in a URL, and never in anything that is kept.
//!
//! ```no_run
//! # async fn mount(verifier: doorward_auth::Verifier, request: http::Request<http_body_util::Full<bytes::Bytes>>) {
//! use doorward_dashboard::Dashboard;
//!
//! let dashboard = Dashboard::new(verifier).at("/dashboard");
//! let response = dashboard.answer(request).await;
//! # }
//! ```

mod actions;
mod assets;
mod form;
mod guard;
#[cfg(feature = "oidc")]
mod identity;
mod pages;
mod reply;
mod routes;

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_auth::{Issuer, OperatorDesk, OperatorPrincipal, Verifier};
use doorward_http::Problem;
use doorward_origin::CustomSchemes;
use doorward_types::Name;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use tower_service::Service;

#[cfg(feature = "oidc")]
pub use crate::identity::{IdentityProvider, ProviderSettings};

/// The error of a body that breaks off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer: whole, but for an export, which is written while it goes out.
pub type Content = UnsyncBoxBody<Bytes, BodyError>;

/// An extension of every answer that refuses a sign-in, so that the host can count and limit them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInRefused {
    /// The link does not exist, was used, or has expired.
    Link,
    /// The identity provider did not prove who it is, or the identity is of no operator.
    Provider,
}

/// The page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dashboard(Arc<Parts>);

/// The place of a read that scans a log. It is free again when this is dropped.
pub type ScanPlace = Box<dyn Any + Send>;

/// The host's limit of reads that scan an audit log: gives an operator a place, or says why there is none.
#[derive(Clone)]
struct ScanLimit(Arc<dyn Fn(&Name) -> Result<ScanPlace, Problem> + Send + Sync>);

impl fmt::Debug for ScanLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanLimit")
    }
}

#[derive(Clone, Debug)]
struct Parts {
    verifier: Verifier,
    issuer: Issuer,
    desk: OperatorDesk,
    custom_schemes: CustomSchemes,
    base: String,
    strict_transport: bool,
    scan_limit: ScanLimit,
    #[cfg(feature = "oidc")]
    identity_provider: Option<IdentityProvider>,
}

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

    /// Answers a request, whatever happens. Where the request has a [`doorward_http::SourceAddress`] and a
    /// [`doorward_types::RequestId`] among its extensions, they are in the audit trail.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Content>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>>,
    {
        routes::answer(&self.0, request).await
    }
}

impl Parts {
    /// Gives an operator a place for a read that scans a log.
    fn scan(&self, who: &OperatorPrincipal) -> Result<ScanPlace, Problem> {
        (self.scan_limit.0)(who.actor())
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
