//! Extractors for axum (feature `axum`).
//!
//! | extractor | lets through |
//! |---|---|
//! | [`AccessKey`] | a key of either environment |
//! | [`ProductionKey`] | a production key; a test key is refused with 403 `wrong_environment` |
//! | [`TestKey`] | a test key |
//! | `Option` of one of these | no credential at all, too; a credential that does not work is refused all the same |
//! | [`FromLayer`] | what an [`AccessKeyLayer`] above the handler has let through |
//!
//! The first four need no layer above them: they use the [`AccessKeyLayer`] in the router's state, so a router without that state
//! does not compile. Each derefs to its [`Principal`].
//!
//! ```
//! use axum::{Router, routing::get};
//! use doorward_http::{AccessKeyLayer, axum::{AccessKey, ProductionKey}};
//!
//! async fn greet(key: AccessKey) -> String {
//!     format!("Hello {}!", key.organization_name())
//! }
//!
//! async fn bill(key: ProductionKey) -> String {
//!     format!("{} owes nothing", key.organization_name())
//! }
//!
//! async fn welcome(key: Option<AccessKey>) -> String {
//!     key.map_or_else(|| "Welcome!".to_owned(), |key| format!("Welcome, {}!", key.organization_name()))
//! }
//!
//! fn router(layer: AccessKeyLayer) -> Router {
//!     Router::new().route("/", get(greet)).route("/bill", get(bill)).route("/welcome", get(welcome)).with_state(layer)
//! }
//! ```
//!
//! Without the state, it does not compile:
//!
//! ```compile_fail
//! # use axum::{Router, routing::get};
//! # use doorward_http::{AccessKeyLayer, axum::AccessKey};
//! # async fn greet(key: AccessKey) -> String { key.organization_name().to_string() }
//! fn router() -> Router {
//!     Router::new().route("/", get(greet)).with_state(())
//! }
//! ```
//!
//! # A layer above the routes
//!
//! A layer decides before any extractor, and [`FromLayer`] takes what it has left at no cost. Add it with
//! `route_layer`, after the routes: with `layer`, axum puts the fallback below it too, and a path that does not exist answers
//! 401 instead of 404.
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use doorward_http::{AccessKeyLayer, axum::FromLayer};
//! async fn greet(key: FromLayer) -> String {
//!     format!("Hello {}!", key.organization_name())
//! }
//!
//! fn router(layer: AccessKeyLayer) -> Router {
//!     Router::new().route("/", get(greet)).route_layer(layer)
//! }
//! ```
//!
//! # Refusals
//!
//! A refusal has the shape of [`AccessKeyLayer::with_refusals`]. A handler that takes a `Result` decides by itself:
//!
//! ```
//! use axum_core::response::{IntoResponse, Response};
//! use doorward_http::{Code, axum::{AccessKey, AccessKeyRejection}};
//!
//! async fn greet(key: Result<AccessKey, AccessKeyRejection>) -> Response {
//!     match key {
//!         Ok(key) => format!("Hello {}!", key.organization_name()).into_response(),
//!         Err(rejection) if rejection.code() == Code::WRONG_ENVIRONMENT => "Come in with another key.".into_response(),
//!         Err(rejection) => rejection.into_response(),
//!     }
//! }
//! ```
//!
//! # The sender's address
//!
//! Log lines about a misused key name the sender's address if [`SourceAddress`](crate::SourceAddress) is among the request's
//! extensions. A middleware above puts it there, from axum's `ConnectInfo` or from the header of a proxy that you trust.

use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::IntoResponse;
use doorward_auth::Principal;
use doorward_types::Environment;
use http::Response;
use http::request::Parts;

use crate::{AccessKeyLayer, Code, PrincipalError, Problem, Rejection, principal, principal_if_any};

/// The sender of the request, by a key of either environment. `Option<AccessKey>` is `None` if the request has no credential.
#[derive(Clone, Debug)]
pub struct AccessKey(pub Principal);

/// The sender of the request, by a production key.
#[derive(Clone, Debug)]
pub struct ProductionKey(pub Principal);

/// The sender of the request, by a test key.
#[derive(Clone, Debug)]
pub struct TestKey(pub Principal);

/// The sender of the request, verified by an [`AccessKeyLayer`] above the handler. Without a layer the answer is 500, also for
/// `Option<FromLayer>`, and the log line names the cure. `Option<FromLayer>` is `None` if an optional layer let an anonymous
/// request through.
#[derive(Clone, Debug)]
pub struct FromLayer(pub Principal);

/// The refusal of an extractor: as a response it has the shape of [`AccessKeyLayer::with_refusals`].
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct AccessKeyRejection {
    reason: Rejection,
    response: Box<Response<Body>>,
}

impl AccessKeyRejection {
    fn new(layer: &AccessKeyLayer, parts: &Parts, reason: Rejection) -> Self {
        Self { reason, response: Box::new(layer.refuse(reason, parts)) }
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> Rejection {
        self.reason
    }

    /// The word for programs, which decides the status too.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.reason.code()
    }
}

impl IntoResponse for AccessKeyRejection {
    fn into_response(self) -> Response<Body> {
        *self.response
    }
}

macro_rules! extractor {
    ($name:ident, $only:expr) => {
        impl<S> FromRequestParts<S> for $name
        where
            AccessKeyLayer: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = AccessKeyRejection;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AccessKeyRejection> {
                let layer = AccessKeyLayer::from_ref(state);
                let found = layer.require((&*parts).into(), $only);
                found.map(Self).map_err(|reason| AccessKeyRejection::new(&layer, parts, reason))
            }
        }

        impl<S> OptionalFromRequestParts<S> for $name
        where
            AccessKeyLayer: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = AccessKeyRejection;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, AccessKeyRejection> {
                let layer = AccessKeyLayer::from_ref(state);
                let found = layer.require_if_any((&*parts).into(), $only);
                let found = found.map(|principal| principal.map(Self));
                found.map_err(|reason| AccessKeyRejection::new(&layer, parts, reason))
            }
        }
    };
}

extractor!(AccessKey, None);
extractor!(ProductionKey, Some(Environment::Production));
extractor!(TestKey, Some(Environment::Test));

impl<S: Send + Sync> FromRequestParts<S> for FromLayer {
    type Rejection = PrincipalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PrincipalError> {
        principal(&parts.extensions).cloned().map(Self)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for FromLayer {
    type Rejection = PrincipalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, PrincipalError> {
        Ok(principal_if_any(&parts.extensions)?.cloned().map(Self))
    }
}

macro_rules! deref_to_principal {
    ($($name:ident)*) => {$(
        impl Deref for $name {
            type Target = Principal;

            fn deref(&self) -> &Principal {
                &self.0
            }
        }
    )*};
}

deref_to_principal!(AccessKey ProductionKey TestKey FromLayer);

impl IntoResponse for PrincipalError {
    fn into_response(self) -> Response<Body> {
        Problem::from(self).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        Self::into_response(self)
    }
}
