//! Access keys as a tower layer: it reads the credential and answers each refusal.
//!
//! A request passes with:
//!
//! - exactly one `Authorization` header: `Bearer`, one space, the key, and nothing else. The word is case-sensitive, stricter
//!   than RFC 9110 on purpose: with a single spelling, one search finds every use.
//! - a key that is alive, on a node that can prove that it is up to date.
//! - a backend as its sender. A key from a page in a browser has leaked from the backend.
//!
//! All other requests are refused with a [`Rejection`], and answered with a [`Problem`] (RFC 9457). Its `code` is for programs,
//! and its `detail` is for people.
//! No refusal repeats the presented text.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward_auth::{OperatorPrincipal, Core, Issuer, Verifier};
//! use doorward_http::{AccessKeyLayer, PrincipalError, principal};
//! use doorward_store_memory::MemoryStore;
//! use http::{Request, Response, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let verifier = Verifier::start(&Core::new(Arc::new(MemoryStore::new()))).await?;
//! let request = OperatorPrincipal::local_administrator("ada".parse()?).request();
//! let acme = Issuer::beside(&verifier).provision("Acme".parse()?, &request).await?;
//!
//! let mut service = ServiceBuilder::new().layer(AccessKeyLayer::new(verifier)).service_fn(
//!     async |request: Request<Full<bytes::Bytes>>| {
//!         let name = principal(request.extensions())?.organization_name().to_string();
//!         Ok::<_, PrincipalError>(Response::new(Full::<bytes::Bytes>::from(name)))
//!     },
//! );
//! let request = Request::builder()
//!     .header(AUTHORIZATION, format!("Bearer {}", acme.value.expose()))
//!     .body(Full::default())?;
//! assert_eq!(service.ready().await?.call(request).await?.status(), 200);
//! assert_eq!(service.ready().await?.call(Request::default()).await?.status(), 401);
//! # Ok(()) }
//! ```
//!
//! Routes may differ: [`AccessKeyLayer::optional`], [`AccessKeyLayer::only`], [`AccessKeyLayer::with_cors_preflights`].
//! [`AccessKeyLayer::with_refusals`] writes refusals in a service's own format. [`AccessKeyLayer::counters`] has the numbers for
//! metrics. The feature `axum` has extractors for axum. Programs without HTTP use the [`Verifier`](doorward_auth::Verifier)
//! directly.
//!
//! A proxy in front must pass `Authorization` on unchanged, and should omit it from access logs.

#[cfg(feature = "axum")]
pub mod axum;
mod browser;
mod counters;
mod credential;
mod layer;
mod misuse;
mod misuse_log;
mod principal;
mod problem;
mod rejection;
mod response_body;
mod visitors;

pub use browser::sent_by_own_origin;
pub use counters::Counters;
pub use credential::{CredentialError, credential};
pub use layer::{AccessKeyLayer, AccessKeyService, RequestHead, ResponseFuture};
pub use misuse::{KeyMisuse, SourceAddress};
pub use misuse_log::MisuseSum;
pub use principal::{PrincipalError, principal, principal_if_any};
pub use problem::{Code, Problem};
pub use rejection::Rejection;
pub use response_body::ResponseBody;
pub use visitors::Visitors;
