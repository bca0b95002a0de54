//! Extractors for axum (feature `axum`).
//!
//! [`AccessKey`] needs no layer above it: it asks the [`AccessKeyLayer`] in the router's state, so that a router without
//! one does not compile. [`Admitted`] takes what a layer has left, and costs nothing again.
//!
//! ```
//! use axum::{Router, routing::get};
//! use doorward_http::{AccessKeyLayer, axum::AccessKey};
//!
//! async fn greet(AccessKey(principal): AccessKey) -> String {
//!     format!("Hello {}!", principal.organization_name())
//! }
//!
//! fn router(layer: AccessKeyLayer) -> Router {
//!     Router::new().route("/", get(greet)).with_state(layer)
//! }
//! ```
//!
//! Without the state, it does not compile:
//!
//! ```compile_fail
//! # use axum::{Router, routing::get};
//! # use doorward_http::{AccessKeyLayer, axum::AccessKey};
//! # async fn greet(AccessKey(principal): AccessKey) -> String { principal.organization_name().to_string() }
//! fn router() -> Router {
//!     Router::new().route("/", get(greet)).with_state(())
//! }
//! ```

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::IntoResponse;
use doorward_auth::Principal;
use http::Response;
use http::request::Parts;

use crate::{AccessKeyLayer, Problem, Rejection, principal};

/// Who sent the request, by the [`AccessKeyLayer`] in the state. `Option<AccessKey>` is none where no credential was sent.
#[derive(Clone, Debug)]
pub struct AccessKey(pub Principal);

impl<S> FromRequestParts<S> for AccessKey
where
    AccessKeyLayer: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response<Body>> {
        let layer = AccessKeyLayer::from_ref(state);
        layer.authenticate(&*parts).map(Self).map_err(|rejection| refuse(&layer, parts, rejection))
    }
}

impl<S> OptionalFromRequestParts<S> for AccessKey
where
    AccessKeyLayer: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response<Body>> {
        let layer = AccessKeyLayer::from_ref(state);
        let found = layer.identify_if_any((&*parts).into());
        found.map(|principal| principal.map(Self)).map_err(|rejection| refuse(&layer, parts, rejection))
    }
}

fn refuse(layer: &AccessKeyLayer, parts: &Parts, rejection: Rejection) -> Response<Body> {
    layer.refuse(rejection, parts.extensions.get().copied())
}

/// Who sent the request, as an [`AccessKeyLayer`] above the handler has found. Without one it is a 500, whose log line
/// names the cure. `Option<Admitted>` is none where an optional layer let nobody in particular through.
#[derive(Clone, Debug)]
pub struct Admitted(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        principal(&parts.extensions).cloned().map(Self)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(parts.extensions.get().cloned().map(Self))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        Self::into_response(self)
    }
}
