use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use doorward_auth::{Principal, Refusal, Verifier};
use doorward_types::{AccessKeyId, Locator, RequestId};
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::credential::{credential, key_in_query};
use crate::unusual::Told;
use crate::{Code, Problem, ResponseBody, UnusualUse, browser};

/// Lets a request through with its [`Principal`] in the extensions, or refuses it.
#[derive(Clone, Debug)]
pub struct AccessKeyLayer {
    verifier: Verifier,
    browsers: bool,
    told: Arc<Told>,
}

impl AccessKeyLayer {
    /// The layer over a verifying node.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, browsers: false, told: Arc::default() }
    }

    /// Accepts keys from pages in browsers too. Whoever reads such a page's source then has the key.
    #[must_use]
    pub fn with_insecure_browser_use(self) -> Self {
        Self { browsers: true, ..self }
    }

    /// Who sent a request, or why that cannot be said. For services that are built without tower.
    ///
    /// # Errors
    ///
    /// The [`Problem`] to answer with.
    pub fn authenticate<B>(&self, request: &Request<B>) -> Result<Principal, Problem> {
        let outcome = self.presented(request).map(|presented| self.verifier.authenticate(presented));
        self.admit(request, outcome)
    }

    /// As [`AccessKeyLayer::authenticate`], with one read at the store: see [`Verifier::authenticate_strictly`].
    ///
    /// # Errors
    ///
    /// The [`Problem`] to answer with.
    pub async fn authenticate_strictly<B>(&self, request: &Request<B>) -> Result<Principal, Problem> {
        let outcome = match self.presented(request) {
            Ok(presented) => Ok(self.verifier.authenticate_strictly(presented).await),
            Err(problem) => Err(problem),
        };
        self.admit(request, outcome)
    }

    fn presented<'a, B>(&self, request: &'a Request<B>) -> Result<&'a [u8], Problem> {
        credential(request.headers()).map_err(Problem::from)
    }

    fn admit<B>(
        &self,
        request: &Request<B>,
        outcome: Result<Result<Principal, Refusal>, Problem>,
    ) -> Result<Principal, Problem> {
        match outcome.and_then(|verified| verified.map_err(Problem::from)) {
            Ok(principal) if !self.browsers && browser::made_by_a_page(request.headers()) => {
                self.tell(UnusualUse::InBrowser, principal.locator(), Some(principal.key_id()), request);
                let problem = Problem::new(
                    Code::KeyUsedInBrowser,
                    "a page in a browser sent this key, where everyone can read it: regenerate it, and call from a backend",
                );
                Err(problem.of_unusual_use(UnusualUse::InBrowser))
            }
            Ok(principal) => Ok(principal),
            Err(problem) => Err(self.refused(request, problem)),
        }
    }

    /// What the caller is told, and what the owner of the key is.
    #[cold]
    fn refused<B>(&self, request: &Request<B>, problem: Problem) -> Problem {
        match problem.code() {
            Code::InvalidKey => {
                let dead = self.presented(request).ok().and_then(|presented| self.verifier.dead_key(presented));
                let Some(dead) = dead else { return problem };
                self.tell(UnusualUse::AfterDeath, dead.locator, Some(dead.key), request);
                problem.of_unusual_use(UnusualUse::AfterDeath)
            }
            Code::NotCurrent => problem,
            _ => {
                let Some(locator) = key_in_query(request.uri(), self.verifier.prefix()) else { return problem };
                self.tell(UnusualUse::InQuery, locator, None, request);
                let problem = Problem::new(
                    Code::KeyInWrongPlace,
                    "a key stands in the query string, which logs and histories keep: treat it as leaked, regenerate it, \
                     and send the new one in the header `Authorization: Bearer <key>`",
                );
                problem.of_unusual_use(UnusualUse::InQuery)
            }
        }
    }

    fn tell<B>(&self, used: UnusualUse, locator: Locator, key: Option<AccessKeyId>, request: &Request<B>) {
        let now = self.verifier.core().clock().tick();
        self.told.tell(used, locator, key, request.extensions(), now);
    }
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
        match self.layer.authenticate(&request) {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
                ResponseFuture { outcome: Outcome::Admitted { future: self.inner.call(request) } }
            }
            Err(problem) => {
                let problem = problem.for_request(request.extensions().get::<RequestId>().copied());
                ResponseFuture { outcome: Outcome::Refused { problem: Some(problem) } }
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
        Refused { problem: Option<Problem> },
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
            OutcomeProjection::Refused { problem } => {
                let problem = problem.take().unwrap_or_else(|| Problem::new(Code::Internal, "polled after its answer"));
                Poll::Ready(Ok(problem.into_response()))
            }
        }
    }
}
