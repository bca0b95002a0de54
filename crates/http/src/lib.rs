//! Plugging in: the one credential, and every refusal, as a tower layer.
//!
//! What is allowed:
//!
//! - exactly one `Authorization` header line: `Bearer`, one space, the key, and nothing else. The word is
//!   case-sensitive: stricter than RFC 9110 on purpose, since what is written in one way is found by one search.
//! - a key that is alive on a node that can prove that it is current.
//! - a caller that is a backend. A browser that sends a key for a page shows that the key has left the backend.
//!
//! Everything else is refused by a [`Rejection`], and answered with a [`Problem`] (RFC 9457) whose `code` is for programs and
//! whose `detail` is for people.
//! No refusal echoes what was presented.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{convert::Infallible, sync::Arc};
//! use doorward_auth::{OperatorPrincipal, Core, Issuer, Verifier};
//! use doorward_http::{AccessKeyLayer, principal};
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
//!         let name = principal(request.extensions()).map_or_else(|_| "nobody".into(), |key| key.organization_name().to_string());
//!         Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from(name)))
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
//! Routes may differ: [`AccessKeyLayer::optional`], [`AccessKeyLayer::only`], [`AccessKeyLayer::with_cors_preflights`];
//! and [`AccessKeyLayer::with_refusals`] writes refusals in a service's own shape. For axum, the feature `axum` has
//! extractors. What is no HTTP asks the [`Verifier`](doorward_auth::Verifier) itself.
//!
//! A deployment behind a proxy must let `Authorization` through unchanged, and should drop it from access logs.

#[cfg(feature = "axum")]
pub mod axum;
mod browser;
mod credential;
mod layer;
mod problem;
mod rejection;
mod response_body;
mod unusual;

pub use credential::{CredentialFault, credential};
pub use layer::{AccessKeyLayer, AccessKeyService, Asked, ResponseFuture, principal};
pub use problem::{Code, Problem};
pub use rejection::Rejection;
pub use response_body::ResponseBody;
pub use unusual::{SourceAddress, UnusualUse};
