//! The HTTP client for Doorward's own requests: to webhooks and OAuth servers.
//!
//! Each request carries a secret or a signature, so it uses `https` or stays on this machine. Certificates are always verified
//! against the operating system's roots or `SSL_CERT_FILE`. The client follows no redirect, so a secret never reaches another
//! server.

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

/// The maximum size of an answer in bytes.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// The target of a request: an `https` URL, or a URL on this machine.
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

impl Endpoint {
    /// Returns the URL with `name` as a further path segment, percent-encoded. A query is dropped.
    #[must_use]
    pub fn below(&self, name: &str) -> Option<Self> {
        let base = self.0.path().trim_end_matches('/');
        // `.` or `..` would name another path.
        let name = if name.bytes().all(|byte| byte == b'.') { return None } else { percent_encode(name) };
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(format!("{base}/{name}").parse().ok()?);
        Uri::from_parts(parts).ok().map(Self)
    }
}

/// Encodes all characters except the unreserved ones (RFC 3986, section 2.3).
fn percent_encode(name: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(name, RESERVED).to_string()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The reason why a text is not an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Plain `http` to another machine: anyone on the network could read the request.
    #[error("the URL must begin with https://, unless it is on this machine")]
    Insecure,
    /// Not a URL.
    #[error("this is not a valid URL: use https://HOST/PATH, without a user name before the host")]
    Malformed,
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    /// Creates a client that trusts the machine's certificate roots.
    ///
    /// # Errors
    ///
    /// Fails if the machine's certificate roots cannot be read.
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

    /// Posts a body and reads the whole answer within this time.
    ///
    /// # Errors
    ///
    /// [`SendError`]. An answer with an error status is still `Ok`.
    pub async fn post(
        &self,
        to: &Endpoint,
        headers: HeaderMap,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, SendError> {
        self.send(Method::POST, to, headers, body.into(), patience).await
    }

    /// Gets a whole document within this time.
    ///
    /// # Errors
    ///
    /// The same as [`Client::post`].
    pub async fn get(
        &self,
        from: &Endpoint,
        headers: HeaderMap,
        patience: Duration,
    ) -> Result<Response<Bytes>, SendError> {
        self.send(Method::GET, from, headers, Bytes::new(), patience).await
    }

    async fn send(
        &self,
        method: Method,
        to: &Endpoint,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response<Bytes>, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = to.0.clone();
        *request.headers_mut() = headers;
        let agent = HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| SendError::Unreachable(error.into()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(SendError::Unreachable)?;
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

/// The machine's certificate roots cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the machine's certificate roots cannot be read")]
pub struct RootsError(#[source] Box<dyn Error + Send + Sync>);

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The time ran out.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Nothing listens there, the connection broke, or the answer is too long.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_the_endpoints_path() {
        let endpoint: Endpoint = "https://tools.example/v1/?token=t".parse().unwrap();
        let below = |name| endpoint.below(name).map(|endpoint| endpoint.to_string());
        assert_eq!(below("create_issue").unwrap(), "https://tools.example/v1/create_issue");
        assert_eq!(below("../admin?a=b#c").unwrap(), "https://tools.example/v1/..%2Fadmin%3Fa%3Db%23c");
        assert_eq!(below("größer %2f").unwrap(), "https://tools.example/v1/gr%C3%B6%C3%9Fer%20%252f");
        assert_eq!([".", "..", ""].map(below), [None, None, None]);
    }
}
