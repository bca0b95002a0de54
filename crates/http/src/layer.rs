use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_auth::{Principal, Refusal, Verifier};
use doorward_key::PresentedKey;
use doorward_types::{AccessKeyId, Environment, Locator, RequestId};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::credential::{credential, decoded_query};
use crate::unusual::Told;
use crate::{Code, Problem, ResponseBody, SourceAddress, UnusualUse, browser};

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
    pub fn named(self, source: SourceAddress, id: Option<RequestId>) -> Self {
        Self { source: Some(source), id, ..self }
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

    /// Who sent a request, given as `&Request` or as `&Parts`, or why that cannot be said. For services that are built without
    /// tower.
    ///
    /// # Errors
    ///
    /// The [`Problem`] to answer with.
    pub fn authenticate<'a>(&self, request: impl Into<Asked<'a>>) -> Result<Principal, Problem> {
        self.identify(request.into())
    }

    /// As [`AccessKeyLayer::authenticate`], with one read at the store: see [`Verifier::authenticate_strictly`].
    ///
    /// # Errors
    ///
    /// The [`Problem`] to answer with.
    pub async fn authenticate_strictly<'a>(&self, request: impl Into<Asked<'a>>) -> Result<Principal, Problem> {
        let asked = request.into();
        let outcome = match presented(asked) {
            Ok(presented) => Ok(self.verifier.authenticate_strictly(presented).await),
            Err(problem) => Err(problem),
        };
        self.admit(asked, outcome)
    }

    /// The answer to a request that is refused, in the service's shape where it has one.
    pub fn refuse<B: From<String> + From<Bytes>>(&self, problem: Problem) -> Response<B> {
        match &self.refusals {
            None => problem.into_response(),
            Some(Refusals(write)) => {
                let mut response = write(&problem).map(B::from);
                problem.stamp(&mut response);
                response
            }
        }
    }

    fn identify(&self, asked: Asked<'_>) -> Result<Principal, Problem> {
        let outcome = presented(asked).map(|presented| self.verifier.authenticate(presented));
        self.admit(asked, outcome)
    }

    /// Who sent a request: nobody in particular, where it carries no credential.
    pub(crate) fn identify_if_any(&self, asked: Asked<'_>) -> Result<Option<Principal>, Problem> {
        match self.identify(asked) {
            Err(problem) if problem.code() == Code::MissingCredential => Ok(None),
            other => other.map(Some),
        }
    }

    /// Who comes through the layer.
    fn pass(&self, asked: Asked<'_>) -> Result<Option<Principal>, Problem> {
        if self.preflights && browser::is_preflight(asked.method, asked.headers) {
            return Ok(None);
        }
        match self.optional {
            true => self.identify_if_any(asked),
            false => self.identify(asked).map(Some),
        }
    }

    fn admit(
        &self,
        asked: Asked<'_>,
        outcome: Result<Result<Principal, Refusal>, Problem>,
    ) -> Result<Principal, Problem> {
        match outcome.and_then(|verified| verified.map_err(Problem::from)) {
            Ok(principal) if !self.browsers && browser::made_by_a_page(asked.headers) => {
                self.tell(UnusualUse::InBrowser, principal.locator(), principal.key_id(), asked);
                let problem = Problem::new(
                    Code::KeyUsedInBrowser,
                    "a page in a browser sent this key, where everyone can read it: regenerate it, and call from a backend",
                );
                Err(problem.of_unusual_use(UnusualUse::InBrowser))
            }
            Ok(principal) if self.only.is_some_and(|only| only != principal.environment()) => {
                Err(Problem::wrong_environment(principal.environment()))
            }
            Ok(principal) => Ok(principal),
            Err(problem) => Err(self.refused(asked, problem)),
        }
    }

    /// What the caller is told, and what the owner of the key is.
    #[cold]
    fn refused(&self, asked: Asked<'_>, problem: Problem) -> Problem {
        match problem.code() {
            Code::InvalidKey => {
                let dead = presented(asked).ok().and_then(|presented| self.verifier.dead_key(presented));
                let Some(dead) = dead else { return problem };
                self.tell(UnusualUse::AfterDeath, dead.locator, dead.key, asked);
                problem.of_unusual_use(UnusualUse::AfterDeath)
            }
            Code::NotCurrent => problem,
            _ => {
                let Some(decoded) = decoded_query(asked.uri) else { return problem };
                let Some(found) = PresentedKey::find(self.verifier.prefix(), &decoded) else { return problem };
                let problem = Problem::new(
                    Code::KeyInWrongPlace,
                    "a key stands in the query string, which logs and histories keep: treat it as leaked, regenerate it, \
                     and send the new one in the header `Authorization: Bearer <key>`",
                );
                // Anybody can make a text up that looks like a key. Only a key that somebody has is worth a word.
                let Some(key) = self.verifier.knows(&found) else { return problem };
                self.tell(UnusualUse::InQuery, found.locator(), key, asked);
                problem.of_unusual_use(UnusualUse::InQuery)
            }
        }
    }

    fn tell(&self, used: UnusualUse, locator: Locator, key: AccessKeyId, asked: Asked<'_>) {
        let now = self.verifier.core().clock().tick();
        self.told.tell(used, locator, key, (asked.source, asked.id), now);
    }
}

fn presented(asked: Asked<'_>) -> Result<&[u8], Problem> {
    credential(asked.headers).map_err(Problem::from)
}

/// Who sent the request that these extensions are of, in a handler below an [`AccessKeyLayer`].
///
/// # Errors
///
/// [`Code::Internal`], where no layer that requires a key stands above: a mistake of the service, which the log names
/// with its cure.
pub fn principal(extensions: &Extensions) -> Result<&Principal, Problem> {
    extensions.get().ok_or_else(|| {
        tracing::error!(
            "a handler asked for the principal of a request that came through no AccessKeyLayer: add \
             `.layer(AccessKeyLayer::new(verifier))` to the service or router above it, after its routes; under an \
             optional layer, ask for `Option<Principal>`"
        );
        Problem::new(Code::Internal, "the server failed at this request")
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
            Err(problem) => {
                let problem = problem.for_request(request.extensions().get::<RequestId>().copied());
                ResponseFuture { outcome: Outcome::Refused { response: Some(self.layer.refuse(problem)) } }
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
                let polled_again = || Problem::new(Code::Internal, "polled after its answer").into_response();
                let response = response.take().unwrap_or_else(polled_again);
                Poll::Ready(Ok(response.map(ResponseBody::of_refusal)))
            }
        }
    }
}
