//! A request's way: id, limits, route, answer.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use doorward_audit::NoteKey;
use doorward_auth::{Core, Issuer, OperatorDesk, Verifier};
use doorward_http::{AccessKeyLayer, Problem};
use doorward_link::Linker;
use doorward_origin::CustomSchemes;
use doorward_records::SealingKeys;
use http::header::{ALLOW, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version};
use tokio::time::Instant;
use tower_service::Service;

use crate::answer::{Body, BodyError};
use crate::assertions::Assertions;
use crate::body;
use crate::budget::Budgets;
use crate::budget::Limits;
use crate::call::{Call, RequestBody};
use crate::code::Code;
use crate::dispatch::{self, Refused};
use crate::lifecycle::UnderWay;
use crate::observer::Nobody;
use crate::observer::Observer;
use crate::routes::{Access, PATHS, Part};
use crate::state::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest path and query: ids and a cursor need far less.
const MAX_TARGET: usize = 4 * 1024;

/// The longest header section, names and values together.
const MAX_HEADERS: usize = 16 * 1024;

/// The settings of an API.
#[derive(Debug)]
pub struct Settings {
    /// The parts of the API that are served.
    pub parts: Vec<Part>,
    /// Other services beside it.
    pub mounts: Vec<Mount>,
    /// Whether the schemes of apps may be allowed origins.
    pub custom_schemes: CustomSchemes,
    /// The key that signs checkpoints at first, if there is such a key.
    pub signing_key: Option<NoteKey>,
    /// The maker of assertions of who sent a request, if they are switched on.
    pub assertions: Option<Arc<Assertions>>,
    /// Whether each verification reads the store.
    pub strict: bool,
    /// The names by which MCP clients call this server in `Host` headers.
    pub mcp_hosts: Vec<String>,
    /// The budgets of work that one client could fill the server with.
    pub budgets: Budgets,
    /// Hears of what the API does.
    pub observer: Arc<dyn Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        let observer: Arc<dyn Observer> = Arc::new(Nobody);
        Self {
            parts: Part::ALL.to_vec(),
            mounts: Vec::new(),
            custom_schemes: CustomSchemes::default(),
            signing_key: None,
            assertions: None,
            strict: false,
            mcp_hosts: Vec::new(),
            budgets: Budgets::new(Limits::default(), &observer),
            observer,
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Another service beside the API, such as the page *Settings → API Keys*. It has the API's limits, request ids and observer,
/// and decides alone who may do what.
pub struct Mount {
    patterns: &'static [&'static str],
    methods: &'static [Method],
    answer: Box<dyn Fn(Request<RequestBody>) -> Answering + Send + Sync>,
}

impl Mount {
    /// A service that answers at paths of these patterns, in matchit's notation, and with these methods.
    pub fn new<F, A, B>(patterns: &'static [&'static str], methods: &'static [Method], answer: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let boxed = move |request| -> Answering {
            let answer = answer(request);
            Box::pin(async move { answer.await.map(Body::streamed) })
        };
        Self { patterns, methods, answer: Box::new(boxed) }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}

/// The reason why a service cannot be mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MountError {
    pattern: &'static str,
    reason: String,
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing can be mounted at {}: {}", self.pattern, self.reason)
    }
}

impl std::error::Error for MountError {}

/// The place that a path leads to.
#[derive(Clone, Debug)]
enum Target {
    Endpoint(Access),
    Mount(Arc<Mount>),
}

/// The HTTP API over a verifying node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Arc<State>,
    /// The targets, with their patterns.
    routes: matchit::Router<(&'static str, Target)>,
}

impl Api {
    /// The API over a verifying node.
    ///
    /// # Errors
    ///
    /// Fails if a mounted service's pattern is no pattern, or overlaps with a path of the API.
    pub fn new(
        verifier: Verifier,
        sealing_keys: Arc<SealingKeys>,
        linker: Linker,
        settings: Settings,
    ) -> Result<Self, MountError> {
        let mut routes = matchit::Router::new();
        let mut insert = |pattern: &'static str, target| {
            routes.insert(pattern, (pattern, target)).map_err(|error| MountError { pattern, reason: error.to_string() })
        };
        for path in PATHS.iter().filter(|path| settings.parts.contains(&path.part)) {
            insert(path.pattern, Target::Endpoint(path.access))?;
        }
        for mount in settings.mounts.into_iter().map(Arc::new) {
            for pattern in mount.patterns {
                insert(pattern, Target::Mount(Arc::clone(&mount)))?;
            }
        }
        let state = State {
            layer: AccessKeyLayer::new(verifier.clone()),
            issuer: Issuer::beside(&verifier),
            desk: OperatorDesk::new(verifier.core()),
            verifier,
            sealing_keys,
            linker,
            custom_schemes: settings.custom_schemes,
            signing_key: ArcSwapOption::from_pointee(settings.signing_key),
            assertions: settings.assertions,
            strict: settings.strict,
            mcp_hosts: settings.mcp_hosts,
            budgets: settings.budgets,
            observer: settings.observer,
            lifecycle: Arc::default(),
        };
        Ok(Self(Arc::new(Inner { state: Arc::new(state), routes })))
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

    /// The linker of accounts.
    #[must_use]
    pub fn linker(&self) -> &Linker {
        &self.0.state.linker
    }

    /// Signs checkpoints with this key from now on.
    pub fn set_signing_key(&self, key: Option<NoteKey>) {
        self.0.state.signing_key.store(key.map(Arc::new));
    }

    /// Stops being ready, so that a load balancer sends no more requests.
    pub fn drain(&self) {
        self.0.state.lifecycle.drain();
    }

    /// Whether [`Api::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.state.lifecycle.is_draining()
    }

    /// Whether this node is current, and not about to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.state.is_ready()
    }

    /// Resolves once no request is under way. Call it after [`Api::drain`].
    pub async fn idle(&self) {
        self.0.state.lifecycle.idle().await;
    }

    /// Returns the pattern of a path, which logs and metrics may tell; `none` if there is nothing at the path.
    #[must_use]
    pub fn pattern(&self, path: &str) -> &'static str {
        self.0.routes.at(path).map_or("none", |route| route.value.0)
    }

    /// Answers a request from this peer, whatever happens.
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
        let call = Call::new(request, peer, self.core());
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
        let call = Call::new(request, None, self.core());
        Box::pin(async move { Ok(api.0.answer(call, UnderWay::of(&api.0.state.lifecycle)).await) })
    }
}

impl Inner {
    async fn answer(&self, call: Call, _under_way: UnderWay) -> Response<Body> {
        let (id, started) = (call.id, Instant::now());
        let method = call.head.method.clone();
        let path = call.uri().path().to_owned();
        let route = self.routes.at(&path);
        // Never the path itself: someone may have put a key into it.
        let pattern = route.as_ref().map_or("none", |route| route.value.0);
        let answer = CatchUnwind(pin!(async {
            // A gateway's question has the client's own headers and path, of any length that fits in the head.
            if !route.as_ref().is_ok_and(|route| matches!(route.value.1, Target::Endpoint(Access::Gateway))) {
                check_size(&call.head)?;
            }
            check_host(&call.head)?;
            match &route {
                Ok(route) => match &route.value.1 {
                    Target::Endpoint(access) => dispatch::answer(&self.state, *access, &route.params, call).await,
                    Target::Mount(mount) => self.beside(mount, call).await,
                },
                Err(_) => {
                    let detail = "there is nothing at this path; docs/http-api.md lists what is";
                    Err(Problem::new(Code::NotFound, detail).into())
                }
            }
        }))
        .await;
        let mut response = match answer {
            Ok(response) => response,
            Err(Refused::Problem(problem)) => problem.for_request(id).into_response(),
            Err(Refused::Method(allow)) => {
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
        self.state.observer.answered(&method, pattern, status, took);
        let (status, id) = (status.as_u16(), id.map(tracing::field::display));
        tracing::debug!(%method, route = pattern, status, ?took, id, "answered");
        response
    }

    async fn beside(&self, mount: &Mount, call: Call) -> Result<Response<Body>, Refused> {
        let method = &call.head.method;
        let is_allowed = |allowed: &Method| allowed == method || (*method == Method::HEAD && allowed == Method::GET);
        if !mount.methods.iter().any(is_allowed) {
            let names = mount.methods.iter().flat_map(|method| match *method {
                Method::GET => vec!["GET", "HEAD"],
                _ => vec![method.as_str()],
            });
            return Err(Refused::Method(names.collect::<Vec<_>>().join(", ")));
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
        Err(Problem::new(Code::UriTooLong, "the path and query may have 4096 bytes at the most"))
    } else if headers > MAX_HEADERS {
        Err(Problem::new(Code::HeadersTooLarge, "the headers may have 16384 bytes at the most"))
    } else {
        Ok(())
    }
}

/// Checks that there is one `Host`, a name or an address with or without a port; HTTP/1.1 may not leave it out (RFC 9112, section
/// 3.2). Of two, a proxy in front might have read the other one.
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

impl<F: Future<Output = Result<Response<Body>, Refused>>> Future for CatchUnwind<'_, F> {
    type Output = Result<Response<Body>, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        let failed = |_| Poll::Ready(Err(Problem::new(Code::Internal, "the server failed at this request").into()));
        polled.unwrap_or_else(failed)
    }
}
