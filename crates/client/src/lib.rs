//! The requests that Doorward itself makes: to webhooks, and to OAuth servers.
//!
//! What is sent is secret or signed, and so goes by `https`, or stays on this machine. Certificates are always verified, against the
//! operating system's roots or `SSL_CERT_FILE`. No redirect is followed: what was meant for one place does not go to another.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

/// The most bytes of an answer that are read.
const MOST: usize = 64 * 1024;

/// Where a request may go: `https`, or this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint(Uri);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.parse().map_err(|_| EndpointError::Malformed)?;
        let named = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) | (Some("http"), Some("localhost" | "127.0.0.1" | "[::1]")) if named => {
                Ok(Self(uri))
            }
            (Some("http"), Some(_)) => Err(EndpointError::Insecure),
            _ => Err(EndpointError::Malformed),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no place for a request to go to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointError {
    /// It would be readable on its way.
    #[error("the URL begins with https://, unless it is on this machine")]
    Insecure,
    /// No URL.
    #[error("this is no URL that can be asked: https://HOST/PATH, without a name before the host")]
    Malformed,
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    /// A client that trusts whom this machine trusts.
    ///
    /// # Errors
    ///
    /// Where the machine's roots of trust cannot be read.
    pub fn new() -> Result<Self, RootsError> {
        let provider = rustls::crypto::ring::default_provider();
        let tls = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| RootsError(error.into()))?
            .with_native_roots()
            .map_err(|error| RootsError(error.into()))?
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Posts a body, and reads the whole answer, within this time.
    ///
    /// # Errors
    ///
    /// [`SendError`]. An answer with another status than success is none.
    pub async fn post(
        &self,
        to: &Endpoint,
        headers: HeaderMap,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, SendError> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = to.0.clone();
        *request.headers_mut() = headers;
        let agent = HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| SendError::Unreachable(error.into()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(SendError::Unreachable)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(patience, exchange).await.map_err(|_| SendError::TimedOut(patience))?
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// The machine's certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the machine's roots of trust cannot be read")]
pub struct RootsError(#[source] Box<dyn Error + Send + Sync>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Nobody there, or the connection broke, or the answer is endless.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}
