use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_auth::{KnownKey, Principal, Verifier, VerifyError};
use doorward_key::PresentedKey;
use doorward_types::{Environment, RequestId};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::counters::Tally;
use crate::credential::{credential, decoded_query};
use crate::misuse::WarningThrottle;
use crate::misuse_log::{MisuseLog, MisuseSum};
use crate::principal::Anonymous;
use crate::{Code, Counters, CredentialError, KeyMisuse, Problem, Rejection, ResponseBody, SourceAddress, browser};

/// Lets a request through with its [`Principal`] in the extensions, or refuses it.
///
/// Cheap to clone, so that each route can have its own variant.
#[derive(Clone, Debug)]
pub struct AccessKeyLayer {
    verifier: Verifier,
    browsers: bool,
    optional: bool,
    preflights: bool,
    only: Option<Environment>,
    refusals: Option<Refusals>,
    record: Arc<Record>,
}

/// The record of what a layer and its clones decided.
#[derive(Debug, Default)]
struct Record {
    warned: WarningThrottle,
    misused: MisuseLog,
    tally: Tally,
}

/// Writes refusals in a service's own format.
#[derive(Clone)]
struct Refusals(Arc<WriteRefusal>);

type WriteRefusal = dyn Fn(&Problem, RequestHead<'_>) -> Response<Bytes> + Send + Sync;

doorward_types::debug_as!(Refusals, "Refusals");

/// The head of a request: everything except its body. Created from a request or its parts.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    source: Option<SourceAddress>,
    id: Option<RequestId>,
}

impl<'a> RequestHead<'a> {
    /// The method.
    #[must_use]
    pub const fn method(self) -> &'a Method {
        self.method
    }

    /// The URI. Its query may hold a key: never write it into a log.
    #[must_use]
    pub const fn uri(self) -> &'a Uri {
        self.uri
    }

    /// The headers, with the credential.
    #[must_use]
    pub const fn headers(self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions, in which other layers leave what they know, such as the request's id.
    #[must_use]
    pub const fn extensions(self) -> &'a Extensions {
        self.extensions
    }

    /// Sets address and request id for log lines. For servers that do not store them in the request's extensions (to save two
    /// allocations).
    #[must_use]
    pub fn named(self, source: Option<SourceAddress>, id: Option<RequestId>) -> Self {
        Self { source, id, ..self }
    }
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
            source: request.extensions().get().copied(),
            id: request.extensions().get().copied(),
        }
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
            source: parts.extensions.get().copied(),
            id: parts.extensions.get().copied(),
        }
    }
}

impl AccessKeyLayer {
    /// Creates the layer for a verifying node. Every request needs a key of either environment.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            browsers: false,
            optional: false,
            preflights: false,
            only: None,
            refusals: None,
            record: Arc::default(),
        }
    }

    /// Accepts keys from pages in browsers too. Everyone who reads such a page's source then has the key.
    #[must_use]
    pub fn with_insecure_browser_use(self) -> Self {
        Self { browsers: true, ..self }
    }

    /// Lets requests without an `Authorization` header through, without a [`Principal`]. An invalid credential is still refused.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Accepts only keys of this environment. Keys of the other environment are refused with 403 `wrong_environment`.
    #[must_use]
    pub fn only(self, environment: Environment) -> Self {
        Self { only: Some(environment), ..self }
    }

    /// Lets CORS preflights through, which never carry a credential: `OPTIONS` with `Origin` and `Access-Control-Request-Method`
    /// (Fetch Standard, "CORS-preflight fetch"). A CORS layer below must answer them.
    #[must_use]
    pub fn with_cors_preflights(self) -> Self {
        Self { preflights: true, ..self }
    }

    /// Writes refusals in the service's own format. `write` sets the headers and the body, for the request at hand. The status,
    /// `WWW-Authenticate`, `Retry-After` and `Cache-Control` still come from the [`Problem`].
    ///
    /// ```
    /// # fn example(layer: doorward_http::AccessKeyLayer) -> doorward_http::AccessKeyLayer {
    /// use http::{Response, header::CONTENT_TYPE};
    ///
    /// layer.with_refusals(|problem, request| {
    ///     let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("none");
    ///     let text = format!("<error id={id:?}>{}</error>", problem.code().as_str());
    ///     let mut response = Response::new(text.into());
    ///     response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    ///     response
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn with_refusals(
        self,
        write: impl Fn(&Problem, RequestHead<'_>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self { refusals: Some(Refusals(Arc::new(write))), ..self }
    }

    /// Returns the counts of what this layer and its clones decided so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.record.tally.read()
    }

    /// Takes the misuse of keys since the last look, summed up for each key and each kind: for messages to people, such as once a
    /// minute.
    #[must_use]
    pub fn take_misuse(&self) -> Vec<MisuseSum> {
        self.record.misused.take()
    }

    /// Warns the owner of a key that stands in the body of a request. The request itself is answered as it is.
    pub fn look_at_body<'a>(&self, body: &[u8], request: impl Into<RequestHead<'a>>) {
        let Some(found) = PresentedKey::find(self.verifier.prefix(), body) else { return };
        if let Some(key) = self.verifier.knows(&found) {
            self.record.tally.count_misuse(KeyMisuse::InBody);
            self.warn(KeyMisuse::InBody, key, request.into());
        }
    }

    /// Warns the owner of a key of a use that the service itself has seen.
    pub fn note(&self, used: KeyMisuse, key: KnownKey, source: Option<SourceAddress>) {
        self.record.tally.count_misuse(used);
        self.warn_of(used, key, (source, None));
    }

    /// Returns the principal of a request, given as `&Request` or `&Parts`. For services without tower.
    ///
    /// # Errors
    ///
    /// [`Rejection`]. Answer it with [`AccessKeyLayer::refuse`].
    pub fn authenticate<'a>(&self, request: impl Into<RequestHead<'a>>) -> Result<Principal, Rejection> {
        self.require(request.into(), None)
    }

    /// Does the same as [`AccessKeyLayer::authenticate`], with one read of the store: see [`Verifier::authenticate_strictly`].
    ///
    /// # Errors
    ///
    /// The same as [`AccessKeyLayer::authenticate`].
    pub async fn authenticate_strictly<'a>(&self, request: impl Into<RequestHead<'a>>) -> Result<Principal, Rejection> {
        let asked = request.into();
        let outcome = match credential(asked.headers) {
            Ok(text) => self.verifier.authenticate_strictly(text).await.map_err(Rejection::from),
            Err(fault) => Err(fault.into()),
        };
        self.counted(self.judge(asked, None, outcome))
    }

    /// Returns the answer to a refused request, in the service's own format if it has one. The answer's extensions contain the
    /// rejection.
    pub fn refuse<'a, B: From<String> + From<Bytes>>(
        &self,
        rejection: Rejection,
        request: impl Into<RequestHead<'a>>,
    ) -> Response<B> {
        let asked = request.into();
        let problem = Problem::from(&rejection).for_request(asked.id);
        let mut response = match &self.refusals {
            None => problem.into_response(),
            Some(Refusals(write)) => {
                let mut response = write(&problem, asked).map(B::from);
                problem.stamp(&mut response);
                response
            }
        };
        response.extensions_mut().insert(rejection);
        response
    }

    /// Returns the principal of a request, with a key of this environment if the caller names one.
    pub(crate) fn require(&self, asked: RequestHead<'_>, only: Option<Environment>) -> Result<Principal, Rejection> {
        self.counted(self.identify(asked, only))
    }

    /// Returns the principal of a request, or `None` if the request has no credential.
    pub(crate) fn require_if_any(
        &self,
        asked: RequestHead<'_>,
        only: Option<Environment>,
    ) -> Result<Option<Principal>, Rejection> {
        match self.identify(asked, only) {
            Err(Rejection::Credential(CredentialError::Missing)) => Ok(None),
            outcome => self.counted(outcome).map(Some),
        }
    }

    /// Returns the principal of a request that passes through the layer.
    fn pass(&self, asked: RequestHead<'_>) -> Result<Option<Principal>, Rejection> {
        if self.preflights && browser::is_preflight(asked.method, asked.headers) {
            return Ok(None);
        }
        match self.optional {
            true => self.require_if_any(asked, None),
            false => self.require(asked, None).map(Some),
        }
    }

    fn counted(&self, outcome: Result<Principal, Rejection>) -> Result<Principal, Rejection> {
        self.record.tally.count(&outcome);
        outcome
    }

    fn identify(&self, asked: RequestHead<'_>, only: Option<Environment>) -> Result<Principal, Rejection> {
        let outcome = credential(asked.headers).map_err(Rejection::from);
        self.judge(asked, only, outcome.and_then(|text| Ok(self.verifier.authenticate(text)?)))
    }

    fn judge(
        &self,
        asked: RequestHead<'_>,
        only: Option<Environment>,
        outcome: Result<Principal, Rejection>,
    ) -> Result<Principal, Rejection> {
        let is_other = |environment| [self.only, only].into_iter().flatten().any(|only| only != environment);
        match outcome {
            Ok(principal) if !self.browsers && browser::made_by_a_page(asked.headers) => {
                self.warn(KeyMisuse::InBrowser, principal.known_key(), asked);
                Err(Rejection::InBrowser)
            }
            Ok(principal) if is_other(principal.environment()) => {
                Err(Rejection::WrongEnvironment(principal.environment()))
            }
            Ok(principal) => Ok(principal),
            Err(rejection) => Err(self.look_closer(asked, rejection)),
        }
    }

    /// Warns the owner of a revoked key, or of a key in the query string.
    #[cold]
    fn look_closer(&self, asked: RequestHead<'_>, rejection: Rejection) -> Rejection {
        match rejection {
            Rejection::Key(VerifyError::Revoked(revoked)) => {
                self.verifier.count_refusal(&revoked, asked.source.map(|SourceAddress(address)| address));
                self.warn(KeyMisuse::Revoked, revoked.into(), asked);
                rejection
            }
            Rejection::Key(VerifyError::Quarantined(key)) => {
                self.warn(KeyMisuse::Quarantined, key, asked);
                rejection
            }
            Rejection::Credential(_) | Rejection::Key(VerifyError::Malformed(_)) => {
                let Some(decoded) = decoded_query(asked.uri) else { return rejection };
                let Some(found) = PresentedKey::find(self.verifier.prefix(), &decoded) else { return rejection };
                // Anyone can invent a text in the form of a key. Only a real key is worth a warning.
                let known = self.verifier.knows(&found);
                if let Some(key) = known {
                    self.warn(KeyMisuse::InQuery, key, asked);
                }
                Rejection::InQuery { is_known: known.is_some() }
            }
            other => other,
        }
    }

    fn warn(&self, used: KeyMisuse, key: KnownKey, asked: RequestHead<'_>) {
        self.warn_of(used, key, (asked.source, asked.id));
    }

    fn warn_of(&self, used: KeyMisuse, key: KnownKey, (source, id): (Option<SourceAddress>, Option<RequestId>)) {
        let clock = self.verifier.core().clock();
        self.record.warned.warn(used, key.locator, key.key, (source, id), clock.tick());
        self.record.misused.count(used, key, source.map(|SourceAddress(address)| address), clock.now());
    }
}

impl<S> Layer<S> for AccessKeyLayer {
    type Service = AccessKeyService<S>;

    fn layer(&self, inner: S) -> AccessKeyService<S> {
        AccessKeyService { inner, layer: self.clone() }
    }
}

/// The service of an [`AccessKeyLayer`].
#[derive(Clone, Debug)]
pub struct AccessKeyService<S> {
    inner: S,
    layer: AccessKeyLayer,
}

impl<S, Req, Res> Service<Request<Req>> for AccessKeyService<S>
where
    S: Service<Request<Req>, Response = Response<Res>>,
{
    type Response = Response<ResponseBody<Res>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Req>) -> ResponseFuture<S::Future> {
        match self.layer.pass((&request).into()) {
            Ok(principal) => {
                match principal {
                    Some(principal) => drop(request.extensions_mut().insert(principal)),
                    // Tells a handler that a layer is above it.
                    None => drop(request.extensions_mut().insert(Anonymous)),
                }
                ResponseFuture { outcome: Outcome::FromLayer { future: self.inner.call(request) } }
            }
            Err(rejection) => {
                let response = self.layer.refuse(rejection, &request);
                ResponseFuture { outcome: Outcome::Refused { response: Some(response) } }
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of an [`AccessKeyService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        outcome: Outcome<F>,
    }
}

pin_project_lite::pin_project! {
    #[derive(Debug)]
    #[project = OutcomeProjection]
    enum Outcome<F> {
        FromLayer { #[pin] future: F },
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().outcome.project() {
            OutcomeProjection::FromLayer { future } => {
                let answer = ready!(future.poll(cx));
                Poll::Ready(answer.map(|response| response.map(ResponseBody::of_service)))
            }
            OutcomeProjection::Refused { response } => {
                let polled_again = || Problem::new(Code::INTERNAL, "polled after its answer").into_response();
                let response = response.take().unwrap_or_else(polled_again);
                Poll::Ready(Ok(response.map(ResponseBody::of_refusal)))
            }
        }
    }
}
