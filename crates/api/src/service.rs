//! A request's way: id, limits, route, answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_audit::NoteKey;
use doorward_auth::{Core, Verifier, Visitor};
use doorward_http::{Counters, MisuseSum, Problem, Visitors};
use doorward_link::Linker;
use doorward_records::{SealingKeys, Store};
use doorward_store::StoreError;
use http::header::{ALLOW, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version};
use tokio::time::Instant;
use tower_service::Service;

use crate::answer::{Body, BodyError};
use crate::body;
use crate::checkpoints::{Checkpointed, checkpoint_all};
use crate::code::Code;
use crate::dispatch::{self, DispatchError};
use crate::lifecycle::UnderWay;
use crate::observer::Answered;
use crate::request_context::RequestContext;
use crate::routes::{Access, PATHS, Path};
use crate::settings::{Mount, Settings};
use crate::state::{Links, State};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest path and query: ids and a cursor need far less.
const MAX_TARGET: usize = 4 * 1024;

/// The longest header section, names and values together.
const MAX_HEADERS: usize = 16 * 1024;

/// The reason why a service cannot be mounted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nothing can be mounted at {pattern}: {reason}")]
pub struct MountError {
    pattern: &'static str,
    reason: String,
}

/// The place that a path leads to.
#[derive(Clone, Debug)]
enum Target {
    Endpoint(Access),
    Mount(Arc<Mount>),
}

/// The HTTP API over a verifying node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    state: Arc<State>,
    routes: Targets,
    /// The services beside the API, which other listeners may serve too.
    mounts: Vec<Arc<Mount>>,
    /// The path in front of every pattern.
    base: String,
    /// The visitors, if the API is for them: then it takes no credential.
    visitors: Option<Visitors>,
}

/// The targets, with their patterns.
type Targets = matchit::Router<(&'static str, Target)>;

impl Api {
    /// The API over a verifying node.
    ///
    /// # Errors
    ///
    /// Fails if a mounted service's pattern is invalid, or overlaps with a path of the API.
    pub fn new(
        verifier: Verifier,
        sealing_keys: Arc<SealingKeys>,
        linker: Linker,
        mut settings: Settings,
    ) -> Result<Self, MountError> {
        let mounts: Vec<_> = std::mem::take(&mut settings.mounts).into_iter().map(Arc::new).collect();
        let store = linker.store().clone();
        let state = Arc::new(State::new(verifier, store, Some(Links { linker, sealing_keys }), settings));
        let mut routes = routes_of(&state, |_| true);
        mount_all(&mut routes, &mounts)?;
        Ok(Self(Arc::new(Inner { state, routes, mounts, base: String::new(), visitors: None })))
    }

    /// Returns the same API with the paths that `is_wanted` chooses, and the settings' mounts if `with_mounts` is true: for a
    /// listener that few people reach, beside the listener of everyone.
    ///
    /// ```
    /// # fn sides(api: &doorward_api::Api) -> [doorward_api::Api; 2] {
    /// use doorward_api::routes::{Access, Path};
    ///
    /// let is_management = |path: &Path| matches!(path.access, Access::Operator(_));
    /// [api.with_paths(|path| !is_management(path), false), api.with_paths(is_management, true)]
    /// # }
    /// ```
    #[must_use]
    pub fn with_paths(&self, is_wanted: impl Fn(&Path) -> bool, with_mounts: bool) -> Self {
        let inner = Inner::clone(&self.0);
        let mounts = if with_mounts { inner.mounts.clone() } else { vec![] };
        let mut routes = routes_of(&inner.state, is_wanted);
        let mounted = mount_all(&mut routes, &mounts);
        debug_assert!(mounted.is_ok(), "{mounted:?}");
        Self(Arc::new(Inner { routes, mounts, ..inner }))
    }

    /// The API for the users of the service that embeds it, as [`Api::for_visitors`] has it, of a service that links no accounts:
    /// it has no connectors. The settings' mounts are not served.
    #[must_use]
    pub fn only_for_visitors(
        verifier: Verifier,
        store: Arc<dyn Store>,
        settings: Settings,
        find: impl Fn(&Parts) -> Option<Visitor> + Send + Sync + 'static,
    ) -> Self {
        Self::of_visitors(Arc::new(State::new(verifier, store, None, settings)), Visitors::new(find))
    }

    /// Returns the API for the users of the service that embeds it, beside this one: it takes no credential, and has for each
    /// visitor one organization. Every other organization answers 404, as if it did not exist, and so does every path for
    /// operators of the installation, for backends and for gateways.
    ///
    /// The service says by its own session who sent a request. A request without a visitor gets 401. A change must come from
    /// this origin, unless the service guards itself ([`Api::guarded_by_host`]). The audit trail names the visitor as
    /// [`Visitor::new`] says.
    ///
    /// ```
    /// # fn mount(api: &doorward_api::Api) -> doorward_api::Api {
    /// use doorward_auth::Visitor;
    ///
    /// // A middleware above the API has put the visitor there, from the service's own session.
    /// api.for_visitors(|request| request.extensions.get::<Visitor>().cloned()).at("/settings/api")
    /// # }
    /// ```
    #[must_use]
    pub fn for_visitors(&self, find: impl Fn(&Parts) -> Option<Visitor> + Send + Sync + 'static) -> Self {
        Self::of_visitors(Arc::clone(&self.0.state), Visitors::new(find))
    }

    fn of_visitors(state: Arc<State>, visitors: Visitors) -> Self {
        let routes = routes_of(&state, Path::is_for_visitors);
        Self(Arc::new(Inner { state, routes, mounts: vec![], base: String::new(), visitors: Some(visitors) }))
    }

    /// Leaves it to the service that embeds the API to refuse what another site makes a visitor's browser send: for a service
    /// with a guard of its own above the API, or whose sessions are no cookies.
    #[must_use]
    pub fn guarded_by_host(self) -> Self {
        let inner = Arc::unwrap_or_clone(self.0);
        let visitors = inner.visitors.map(Visitors::guarded_by_host);
        Self(Arc::new(Inner { visitors, ..inner }))
    }

    /// Moves the API below another path. Requests may come with this path or, from a router that strips it, without.
    #[must_use]
    pub fn at(self, base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self(Arc::new(Inner { base, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> &Core {
        self.0.state.core()
    }

    /// The node that verifies.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.state.verifier
    }

    /// Returns the counts of credentials that were presented for access keys.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.state.layer.counters()
    }

    /// Takes the misuse of keys since the last look: see [`doorward_http::AccessKeyLayer::take_misuse`].
    #[must_use]
    pub fn take_misuse(&self) -> Vec<MisuseSum> {
        self.0.state.layer.take_misuse()
    }

    /// The linker of accounts, if the API links any.
    #[must_use]
    pub fn linker(&self) -> Option<&Linker> {
        self.0.state.links.as_ref().map(|links| &links.linker)
    }

    /// Verifies every audit log, and hands the signed checkpoint or the fault of each to `tell`, with the log's name. Does nothing
    /// without a signing key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn checkpoint_all(&self, tell: impl FnMut(String, Checkpointed) + Send) -> Result<(), StoreError> {
        checkpoint_all(&self.0.state, tell).await
    }

    /// Signs checkpoints with this key from now on.
    pub fn set_signing_key(&self, key: Option<NoteKey>) {
        self.0.state.signing_key.store(key.map(Arc::new));
    }

    /// Stops being ready, so that a load balancer sends no more requests.
    pub fn drain(&self) {
        self.0.state.lifecycle.drain();
    }

    /// Returns whether [`Api::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.state.lifecycle.is_draining()
    }

    /// Returns whether this node is current, and not about to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.state.is_ready()
    }

    /// Resolves once no request is under way. Call it after [`Api::drain`].
    pub async fn idle(&self) {
        self.0.state.lifecycle.idle().await;
    }

    /// Returns the pattern of a path, for logs and metrics; `none` if there is nothing at the path.
    #[must_use]
    pub fn pattern(&self, path: &str) -> &'static str {
        self.0.routes.at(self.0.below(path)).map_or("none", |route| route.value.0)
    }

    /// Answers a request from this peer. Every failure has an answer.
    ///
    /// If the peer is not known, a [`SocketAddr`] or a [`SourceAddress`](doorward_http::SourceAddress) may be among the
    /// request's extensions, and so may a [`RequestId`](doorward_types::RequestId).
    pub fn answer<B>(
        &self,
        request: Request<B>,
        peer: Option<SocketAddr>,
    ) -> impl Future<Output = Response<Body>> + Send + use<'_, B>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let under_way = UnderWay::of(&self.0.state.lifecycle);
        let call = RequestContext::new(request, peer, self.core());
        self.0.answer(call, under_way)
    }
}

impl<B> Service<Request<B>> for Api
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.clone();
        // Not in the future: a request counts before its first poll.
        let under_way = UnderWay::of(&self.0.state.lifecycle);
        let call = RequestContext::new(request, None, self.core());
        Box::pin(async move { Ok(api.0.answer(call, under_way).await) })
    }
}

/// Adds a target at a pattern.
fn insert(routes: &mut Targets, pattern: &'static str, target: Target) -> Result<(), MountError> {
    routes.insert(pattern, (pattern, target)).map_err(|error| MountError { pattern, reason: error.to_string() })
}

/// Returns the API's own targets at these paths, as far as their parts are served.
fn routes_of(state: &State, is_wanted: impl Fn(&Path) -> bool) -> Targets {
    let mut routes = Targets::new();
    for path in PATHS.iter().filter(|path| state.parts.contains(&path.part) && is_wanted(path)) {
        let inserted = insert(&mut routes, path.pattern, Target::Endpoint(path.access));
        debug_assert!(inserted.is_ok(), "{inserted:?}");
    }
    routes
}

fn mount_all(routes: &mut Targets, mounts: &[Arc<Mount>]) -> Result<(), MountError> {
    for mount in mounts {
        for pattern in mount.patterns {
            insert(routes, pattern, Target::Mount(Arc::clone(mount)))?;
        }
    }
    Ok(())
}

impl Inner {
    /// Returns the part of a path that patterns describe.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.base.as_str()).filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    async fn answer(&self, call: RequestContext, _under_way: UnderWay) -> Response<Body> {
        let (id, started) = (call.id, Instant::now());
        let method = call.head.method.clone();
        let (source, sent_request_id) = (call.sender.address, call.head.headers.get(REQUEST_ID).cloned());
        let mut caller = None;
        let path = call.uri().path().to_owned();
        let route = self.routes.at(self.below(&path));
        // Never the path itself: it may contain a key.
        let pattern = route.as_ref().map_or("none", |route| route.value.0);
        let answer = CatchUnwind(pin!(async {
            // A gateway's question has the client's own headers and path, of any length that fits in the head.
            if !route.as_ref().is_ok_and(|route| matches!(route.value.1, Target::Endpoint(Access::Gateway))) {
                check_size(&call.head)?;
            }
            check_host(&call.head)?;
            match &route {
                Ok(route) => match &route.value.1 {
                    Target::Endpoint(access) => {
                        let visitors = self.visitors.as_ref();
                        dispatch::answer(&self.state, visitors, *access, &route.params, call, &mut caller).await
                    }
                    Target::Mount(mount) => self.beside(mount, call).await,
                },
                Err(_) => {
                    let detail = match self.visitors {
                        Some(_) => "there is nothing at this path",
                        None => "there is nothing at this path; `GET /openapi.json` lists every path",
                    };
                    Err(Problem::new(Code::NotFound, detail).into())
                }
            }
        }))
        .await;
        let mut response = match answer {
            Ok(response) => response,
            Err(DispatchError::Problem(problem)) => {
                if let Some(kind) = problem.store_failure() {
                    self.state.observer.store_failed(kind);
                }
                problem.for_request(id).into_response()
            }
            Err(DispatchError::Method(allow)) => {
                let problem = Problem::new(Code::MethodNotAllowed, format!("this path has {allow}"));
                let mut response: Response<Body> = problem.for_request(id).into_response();
                if let Ok(allow) = HeaderValue::try_from(allow) {
                    response.headers_mut().insert(ALLOW, allow);
                }
                response
            }
        };
        if let Some(id) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let (status, took) = (response.status(), started.elapsed());
        let answered = Answered::new(&method, pattern, status, took).by(source, caller.as_ref());
        self.state.observer.answered(&answered.with_ids(id, sent_request_id.as_ref()));
        let (status, id) = (status.as_u16(), id.map(tracing::field::display));
        tracing::debug!(%method, route = pattern, status, ?took, id, "answered");
        response
    }

    async fn beside(&self, mount: &Mount, call: RequestContext) -> Result<Response<Body>, DispatchError> {
        let method = &call.head.method;
        let is_allowed = |allowed: &Method| allowed == method || (*method == Method::HEAD && allowed == Method::GET);
        if !mount.methods.iter().any(is_allowed) {
            let names = mount.methods.iter().flat_map(|method| match *method {
                Method::GET => vec!["GET", "HEAD"],
                _ => vec![method.as_str()],
            });
            return Err(DispatchError::Method(names.collect::<Vec<_>>().join(", ")));
        }
        let _room = body::room(&self.state, &call).await?;
        let source = call.source();
        let mut request = Request::from_parts(*call.head, call.body);
        let extensions = request.extensions_mut();
        source.map(|source| extensions.insert(source));
        call.id.map(|id| extensions.insert(id));
        Ok((mount.answer)(request).await)
    }
}

fn check_size(head: &Parts) -> Result<(), Problem> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if target > MAX_TARGET {
        Err(Problem::new(Code::UriTooLong, "the path and query may have at most 4096 bytes"))
    } else if headers > MAX_HEADERS {
        Err(Problem::new(Code::HeadersTooLarge, "the headers may have at most 16384 bytes"))
    } else {
        Ok(())
    }
}

/// Checks that there is one `Host`, a name or an address with or without a port; HTTP/1.1 may not leave it out (RFC 9112, section
/// 3.2). If there were two, a proxy in front might have read the other.
fn check_host(head: &Parts) -> Result<(), Problem> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if head.version != Version::HTTP_11 => Ok(()),
        (Some(host), None) if host.as_bytes().iter().all(may_stand_in_a_host) => Ok(()),
        _ => Err(Problem::new(
            Code::MalformedRequest,
            "a request of HTTP/1.1 has one Host header: a name or an address, with or without a port",
        )),
    }
}

/// RFC 3986, section 3.2, without a user's name.
fn may_stand_in_a_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)
}

/// Turns a panic of one handler into one 500, so that it takes no other request of the connection along.
struct CatchUnwind<'a, F>(Pin<&'a mut F>);

impl<F: Future<Output = Result<Response<Body>, DispatchError>>> Future for CatchUnwind<'_, F> {
    type Output = Result<Response<Body>, DispatchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        let failed = |_| Poll::Ready(Err(Problem::new(Code::Internal, "the server failed at this request").into()));
        polled.unwrap_or_else(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use doorward_key::SystemRandom;
    use doorward_records::SealingKey;
    use doorward_store_memory::MemoryStore;
    use http_body_util::Empty;

    use super::*;

    #[tokio::test]
    async fn a_request_is_under_way_before_its_first_poll() {
        let store = Arc::new(MemoryStore::new());
        let verifier = Verifier::start(&Core::new(store.clone())).await.unwrap();
        let (sealing_key, _) = SealingKey::draw(&SystemRandom).unwrap();
        let sealing_keys = Arc::new(SealingKeys::from(sealing_key));
        let linker = Linker::new(verifier.clone(), store, Arc::clone(&sealing_keys), "https://keys.example.com/oauth");
        let mut api = Api::new(verifier, sealing_keys, linker.unwrap(), Settings::default()).unwrap();

        let request = Request::get("/livez").header(HOST, "keys.example.com").body(Empty::<Bytes>::new()).unwrap();
        let answer = api.call(request);
        api.drain();
        let mut idle = pin!(api.idle());
        assert!(poll_fn(|context| Poll::Ready(idle.as_mut().poll(context).is_pending())).await);
        drop(answer);
        idle.await;
    }
}
