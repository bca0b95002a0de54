use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_auth::{Principal, Refusal, RevokedKey, Verifier};
use doorward_key::PresentedKey;
use doorward_types::{AccessKeyId, Environment, Locator, RequestId};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::credential::{credential, decoded_query};
use crate::unusual::Told;
use crate::{Code, CredentialFault, Problem, Rejection, ResponseBody, SourceAddress, UnusualUse, browser};

/// Lets a request through with its [`Principal`] in the extensions, or refuses it.
///
/// Cheap to clone: each route may have a variant of its own.
#[derive(Clone, Debug)]
pub struct AccessKeyLayer {
    verifier: Verifier,
    browsers: bool,
    optional: bool,
    preflights: bool,
    only: Option<Environment>,
    refusals: Option<Refusals>,
    told: Arc<Told>,
}

/// Writes a refusal in a service's own shape.
#[derive(Clone)]
struct Refusals(Arc<WriteRefusal>);

type WriteRefusal = dyn Fn(&Problem) -> Response<Bytes> + Send + Sync;

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals")
    }
}

/// What is looked at in a request: everything but its body. Made of a request, or of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    source: Option<SourceAddress>,
    id: Option<RequestId>,
}

impl Asked<'_> {
    /// Names the request in the log, for servers that keep this beside its extensions, which cost a memory allocation each.
    #[must_use]
    pub fn named(self, source: Option<SourceAddress>, id: Option<RequestId>) -> Self {
        Self { source, id, ..self }
    }
}

impl<'a, B> From<&'a Request<B>> for Asked<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            source: request.extensions().get().copied(),
            id: request.extensions().get().copied(),
        }
    }
}

impl<'a> From<&'a Parts> for Asked<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            source: parts.extensions.get().copied(),
            id: parts.extensions.get().copied(),
        }
    }
}

impl AccessKeyLayer {
    /// The layer over a verifying node: every request needs a key, of either environment.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            browsers: false,
            optional: false,
            preflights: false,
            only: None,
            refusals: None,
            told: Arc::default(),
        }
    }

    /// Accepts keys from pages in browsers too. Whoever reads such a page's source then has the key.
    #[must_use]
    pub fn with_insecure_browser_use(self) -> Self {
        Self { browsers: true, ..self }
    }

    /// Lets requests without an `Authorization` header through, without a [`Principal`]. A credential that is sent and
    /// does not work is refused all the same.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Accepts the keys of one environment: those of the other are refused with 403 `wrong_environment`.
    #[must_use]
    pub fn only(self, environment: Environment) -> Self {
        Self { only: Some(environment), ..self }
    }

    /// Lets CORS preflights through, which never carry a credential: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method` (Fetch Standard, "CORS-preflight fetch"). A CORS layer must stand below to answer
    /// them.
    #[must_use]
    pub fn with_cors_preflights(self) -> Self {
        Self { preflights: true, ..self }
    }

    /// Writes refusals in the service's own shape: headers and body are `write`'s, but the status, `WWW-Authenticate`,
    /// `Retry-After` and `Cache-Control` stay those of the [`Problem`].
    ///
    /// ```
    /// # fn example(layer: doorward_http::AccessKeyLayer) -> doorward_http::AccessKeyLayer {
    /// use http::{Response, header::CONTENT_TYPE};
    ///
    /// layer.with_refusals(|problem| {
    ///     let mut response = Response::new(format!("<error>{}</error>", problem.code().as_str()).into());
    ///     response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    ///     response
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn with_refusals(self, write: impl Fn(&Problem) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self { refusals: Some(Refusals(Arc::new(write))), ..self }
    }

    /// Returns the principal that sent a request, which is given as `&Request` or as `&Parts`. For services that are built
    /// without tower.
    ///
    /// # Errors
    ///
    /// [`Rejection`], to be answered with [`AccessKeyLayer::refuse`].
    pub fn authenticate<'a>(&self, request: impl Into<Asked<'a>>) -> Result<Principal, Rejection> {
        let asked = request.into();
        let outcome = credential(asked.headers).map_err(Rejection::from);
        self.judge(asked, outcome.and_then(|text| Ok(self.verifier.authenticate(text)?)))
    }

    /// As [`AccessKeyLayer::authenticate`], with one read at the store: see [`Verifier::authenticate_strictly`].
    ///
    /// # Errors
    ///
    /// As [`AccessKeyLayer::authenticate`].
    pub async fn authenticate_strictly<'a>(&self, request: impl Into<Asked<'a>>) -> Result<Principal, Rejection> {
        let asked = request.into();
        let outcome = match credential(asked.headers) {
            Ok(text) => self.verifier.authenticate_strictly(text).await.map_err(Rejection::from),
            Err(fault) => Err(fault.into()),
        };
        self.judge(asked, outcome)
    }

    /// Writes the answer to a request that is refused, in the service's own shape if it has one. The rejection is among
    /// the answer's extensions.
    pub fn refuse<B: From<String> + From<Bytes>>(
        &self,
        rejection: Rejection,
        request_id: Option<RequestId>,
    ) -> Response<B> {
        let problem = Problem::from(&rejection).for_request(request_id);
        let mut response = match &self.refusals {
            None => problem.into_response(),
            Some(Refusals(write)) => {
                let mut response = write(&problem).map(B::from);
                problem.stamp(&mut response);
                response
            }
        };
        response.extensions_mut().insert(rejection);
        response
    }

    /// Returns the principal that sent a request; none if the request carries no credential.
    pub(crate) fn identify_if_any(&self, asked: Asked<'_>) -> Result<Option<Principal>, Rejection> {
        match self.authenticate(asked) {
            Err(Rejection::Credential(CredentialFault::Missing)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Returns the principal of a request that comes through the layer.
    fn pass(&self, asked: Asked<'_>) -> Result<Option<Principal>, Rejection> {
        if self.preflights && browser::is_preflight(asked.method, asked.headers) {
            return Ok(None);
        }
        match self.optional {
            true => self.identify_if_any(asked),
            false => self.authenticate(asked).map(Some),
        }
    }

    fn judge(&self, asked: Asked<'_>, outcome: Result<Principal, Rejection>) -> Result<Principal, Rejection> {
        match outcome {
            Ok(principal) if !self.browsers && browser::made_by_a_page(asked.headers) => {
                self.tell(UnusualUse::InBrowser, principal.locator(), principal.key_id(), asked);
                Err(Rejection::InBrowser)
            }
            Ok(principal) if self.only.is_some_and(|only| only != principal.environment()) => {
                Err(Rejection::WrongEnvironment(principal.environment()))
            }
            Ok(principal) => Ok(principal),
            Err(rejection) => Err(self.look_closer(asked, rejection)),
        }
    }

    /// Warns the owner of a revoked key, and of a key in the query string.
    #[cold]
    fn look_closer(&self, asked: Asked<'_>, rejection: Rejection) -> Rejection {
        match rejection {
            Rejection::Key(Refusal::Revoked(RevokedKey { locator, key, .. })) => {
                self.tell(UnusualUse::AfterDeath, locator, key, asked);
                rejection
            }
            Rejection::Credential(_) | Rejection::Key(Refusal::Malformed(_)) => {
                let Some(decoded) = decoded_query(asked.uri) else { return rejection };
                let Some(found) = PresentedKey::find(self.verifier.prefix(), &decoded) else { return rejection };
                // Anybody can make a text up that looks like a key. Only a key that somebody has is worth a word.
                let known = self.verifier.knows(&found);
                if let Some(key) = known {
                    self.tell(UnusualUse::InQuery, found.locator(), key, asked);
                }
                Rejection::InQuery { is_known: known.is_some() }
            }
            other => other,
        }
    }

    fn tell(&self, used: UnusualUse, locator: Locator, key: AccessKeyId, asked: Asked<'_>) {
        let now = self.verifier.core().clock().tick();
        self.told.tell(used, locator, key, (asked.source, asked.id), now);
    }
}

/// Who sent the request that these extensions are of, in a handler below an [`AccessKeyLayer`].
///
/// # Errors
///
/// [`Code::INTERNAL`], where no layer that requires a key stands above: a mistake of the service, which the log names
/// with its cure.
pub fn principal(extensions: &Extensions) -> Result<&Principal, Problem> {
    extensions.get().ok_or_else(|| {
        tracing::error!(
            "a handler asked for the principal of a request that came through no AccessKeyLayer: add \
             `.layer(AccessKeyLayer::new(verifier))` to the service or router above it, after its routes; under an \
             optional layer, ask for `Option<Principal>`"
        );
        Problem::new(Code::INTERNAL, "the server failed at this request")
    })
}

impl<S> Layer<S> for AccessKeyLayer {
    type Service = AccessKeyService<S>;

    fn layer(&self, inner: S) -> AccessKeyService<S> {
        AccessKeyService { inner, layer: self.clone() }
    }
}

/// See [`AccessKeyLayer`].
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
                if let Some(principal) = principal {
                    request.extensions_mut().insert(principal);
                }
                ResponseFuture { outcome: Outcome::Admitted { future: self.inner.call(request) } }
            }
            Err(rejection) => {
                let response = self.layer.refuse(rejection, request.extensions().get().copied());
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
        Admitted { #[pin] future: F },
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
            OutcomeProjection::Admitted { future } => {
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
