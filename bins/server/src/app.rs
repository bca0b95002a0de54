//! A request's way: id, route, door, handler, answer.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use doorward::audit::{Action as AuditAction, Attribution, Detail, EventDraft, NoteKey};
use doorward::auth::{Ask, Core, Issuer, Management, OperatorDesk, OperatorRefusal, Principal, Verifier};
use doorward::dashboard::Dashboard;
use doorward::http::{AccessKeyLayer, Asked, Code, CredentialFault, Problem, Rejection, SourceAddress, credential};
use doorward::link::Linker;
use doorward::origin::CustomSchemes;
use doorward::store::{Scope, SealingKeys, Store};
use doorward::types::{Clock, Name, RequestId};
use http::header::{ALLOW, HOST, HeaderName};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use matchit::Params;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::answer::{self, Answer, Body};
use crate::assertions::Assertions;
use crate::budget::{self, Budgets};
use crate::connections::Told;
use crate::forward_auth::{self, Profile};
use crate::metrics::Metrics;
use crate::routes::{Action, Door, PATHS, Path};
#[cfg(feature = "otel")]
use crate::traces;
use crate::{backend, body, link, management, mcp, request_id};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest request target: ids and a cursor need far less.
const MAX_TARGET: usize = 4 * 1024;

/// The longest header section, names and values together. hyper reads no more than [`crate::serve::MAX_HEAD`] in all.
const MAX_HEADERS: usize = 16 * 1024;

/// Everything that handlers need.
#[derive(Debug)]
pub struct App {
    layer: AccessKeyLayer,
    verifier: Verifier,
    issuer: Issuer,
    desk: OperatorDesk,
    sealing_key: Arc<SealingKeys>,
    linker: Linker,
    dashboard: Dashboard,
    signing_key: ArcSwapOption<NoteKey>,
    settings: Settings,
    paths: matchit::Router<&'static Path>,
    metrics: Arc<Metrics>,
    budgets: Budgets,
    told: Arc<Told>,
    draining: AtomicBool,
    under_way: AtomicUsize,
    idle: Notify,
}

/// What an operator chose.
#[derive(Debug, Default)]
pub struct Settings {
    /// Whether the schemes of apps may be allowed origins.
    pub custom_schemes: CustomSchemes,
    /// The key that signs checkpoints at first, if there is such a key.
    pub signing_key: Option<NoteKey>,
    /// The maker of assertions of who sent a request, if they are switched on.
    pub assertions: Option<Arc<Assertions>>,
    /// Whether each verification reads the store.
    pub strict: bool,
    /// What MCP clients call this server, as `Host` headers have it.
    pub mcp_hosts: Vec<String>,
    /// The limits of work that is under way.
    pub budgets: budget::Limits,
}

impl App {
    /// The application over a verifying node.
    ///
    /// # Panics
    ///
    /// Where two routes of the table overlap, which a test would have shown.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the table is fixed, and every test goes through it")]
    pub(crate) fn new(
        verifier: Verifier,
        sealing_key: Arc<SealingKeys>,
        linker: Linker,
        dashboard: Dashboard,
        mut settings: Settings,
        metrics: Arc<Metrics>,
        told: &Arc<Told>,
    ) -> Self {
        let mut paths = matchit::Router::new();
        for path in PATHS {
            paths.insert(path.pattern, path).expect("no two routes overlap");
        }
        Self {
            layer: AccessKeyLayer::new(verifier.clone()),
            issuer: Issuer::beside(&verifier),
            desk: OperatorDesk::new(verifier.core()),
            verifier,
            sealing_key,
            linker,
            dashboard,
            budgets: Budgets::new(settings.budgets, told),
            told: Arc::clone(told),
            signing_key: ArcSwapOption::from_pointee(settings.signing_key.take()),
            settings,
            paths,
            metrics,
            draining: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Stops being ready: whoever balances load between nodes should send no more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether this node is current, and not about to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.verifier.is_current()
    }

    /// Resolves once no request is under way.
    pub async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> &Core {
        self.verifier.core()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &**self.core().store()
    }

    /// Returns an event of the log of this scope, as something that is done now.
    pub(crate) fn event(
        &self,
        action: AuditAction,
        subject: String,
        scope: &Scope,
        by: &Attribution,
        detail: Detail,
    ) -> EventDraft {
        let log = (scope.organization(), scope.environment());
        EventDraft { detail, ..EventDraft::new(by, self.clock().now(), action, subject, log) }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &**self.core().clock()
    }

    /// What makes changes.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What links accounts.
    #[must_use]
    pub const fn linker(&self) -> &Linker {
        &self.linker
    }

    /// The node.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether the schemes of apps may be allowed origins.
    #[must_use]
    pub const fn custom_schemes(&self) -> CustomSchemes {
        self.settings.custom_schemes
    }

    /// What MCP clients call this server.
    #[must_use]
    pub fn mcp_hosts(&self) -> &[String] {
        &self.settings.mcp_hosts
    }

    /// Returns the key that signs checkpoints, if there is one.
    #[must_use]
    pub fn signing_key(&self) -> Option<Arc<NoteKey>> {
        self.signing_key.load_full()
    }

    /// Signs checkpoints with this key from now on.
    pub fn set_signing_key(&self, key: Option<NoteKey>) {
        self.signing_key.store(key.map(Arc::new));
    }

    /// Returns the maker of assertions of who sent a request, if they are switched on.
    pub(crate) fn assertions(&self) -> Option<&Assertions> {
        self.settings.assertions.as_deref()
    }

    /// The budgets of work that one client could fill the server with.
    pub(crate) const fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The keys that seal credentials.
    #[must_use]
    pub fn sealing_key(&self) -> &SealingKeys {
        &self.sealing_key
    }

    /// Answers a request, whatever happens.
    pub async fn answer(self: Arc<Self>, request: Box<Request<Incoming>>, peer: SocketAddr) -> Response<Body> {
        let _under_way = UnderWay::of(&self);
        let started = Instant::now();
        let id = request_id::fresh(self.core()).ok();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let route = self.paths.at(&path);
        // Never the path itself: someone may have put a key into it.
        let pattern = route.as_ref().map_or("none", |route| route.value.pattern);

        #[cfg(feature = "otel")]
        let span = traces::request(&request, pattern);
        let call = Call { request, peer, id };
        let answer = CatchUnwind(pin!(async {
            // What a gateway asks has the client's own headers and path, of any length that fits in the head.
            if !route.as_ref().is_ok_and(|route| route.value.door == Door::Gateway) {
                check_size(&call.request)?;
            }
            check_host(&call.request)?;
            match &route {
                Ok(route) => self.through_door(route.value, &route.params, call).await,
                Err(_) => {
                    Err(Problem::new(Code::NotFound, "there is nothing at this path; docs/http-api.md lists what is"))
                }
            }
        }))
        .await;
        let mut response = answer.unwrap_or_else(|problem| problem.for_request(id).into_response());
        if response.status() == Code::MethodNotAllowed.status()
            && let Ok(allow) = HeaderValue::try_from(route.map(|route| route.value.allow()).unwrap_or_default())
        {
            response.headers_mut().insert(ALLOW, allow);
        }
        if let Some(id) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let status = response.status().as_u16();
        #[cfg(feature = "otel")]
        traces::answered(&span, status, id.as_ref().map(|id| id as &dyn std::fmt::Display));
        let took = started.elapsed();
        self.metrics.answered(&method, pattern, status, took);
        tracing::debug!(%method, route = pattern, status, ?took, id = id.map(tracing::field::display), "answered");
        response
    }

    /// First who asks, then whether the path has such a method: an unknown caller learns nothing about paths.
    async fn through_door(self: &Arc<Self>, path: &Path, params: &Params<'_, '_>, mut call: Call) -> Answer {
        let action = path.action(call.request.method());
        let allowed =
            || action.ok_or_else(|| Problem::new(Code::MethodNotAllowed, format!("this path has {}", path.allow())));
        // What is large and rare is boxed, so that the rest is small to move.
        match path.door {
            Door::Open => match allowed()? {
                Action::StartLink => Box::pin(link::start(self, params, &call)).await,
                Action::OAuthCallback => Box::pin(link::callback(self, params, &call)).await,
                Action::Describe => Ok(answer::described()),
                Action::AssertionKeys => answer::assertion_keys(self.assertions()),
                action => self.probe(action),
            },
            Door::Dashboard => {
                allowed()?;
                let _room = body::room(self, &call).await?;
                let (source, id) = (call.source(), call.id);
                let extensions = call.request.extensions_mut();
                extensions.insert(source);
                id.map(|id| extensions.insert(id));
                Ok(Box::pin(self.dashboard.answer(*call.request)).await.map(Body::streamed))
            }
            Door::AccessKey => {
                let principal = self.access_key(&call).await.map_err(|rejection| Problem::from(&rejection))?;
                match allowed()? {
                    Action::WhoAmI => backend::who_am_i(&principal),
                    Action::Mcp => Box::pin(mcp::answer(self, principal, call)).await,
                    action => Box::pin(backend::handle(self, action, params, &principal, call)).await,
                }
            }
            Door::Gateway => {
                let profile = params.get("profile").and_then(Profile::named);
                forward_auth::answer(self, profile, self.access_key(&call).await, &call)
            }
            Door::Operator => {
                let management = self.operator(&call).await?;
                Box::pin(management::handle(self, allowed()?, params, &management, call)).await
            }
        }
    }

    async fn access_key(&self, call: &Call) -> Result<Principal, Rejection> {
        let asked = Asked::from(&*call.request).named(call.source(), call.id);
        let principal = match self.settings.strict {
            true => Box::pin(self.layer.authenticate_strictly(asked)).await,
            false => self.layer.authenticate(asked),
        };
        self.metrics.verified(principal.as_ref().map(Principal::environment));
        principal
    }

    fn probe(&self, action: Action) -> Answer {
        if action == Action::Health {
            return answer::ok(&serde_json::json!({"status": "ok"}));
        }
        if self.is_draining() {
            return Err(Problem::new(Code::NotCurrent, "this node is stopping"));
        }
        if self.is_ready() {
            answer::ok(&serde_json::json!({"status": "ready"}))
        } else {
            Err(Problem::new(Code::NotCurrent, "this node cannot prove at the moment that it is up to date"))
        }
    }

    async fn operator(&self, call: &Call) -> Result<Management, Problem> {
        let token = credential(call.request.headers()).map_err(|fault| match fault {
            CredentialFault::Missing => Problem::new(
                Code::MissingCredential,
                "send an operator's token in the header `Authorization: Bearer dwo_…`; `doorward operator create NAME` makes one",
            ),
            fault => Problem::from(&Rejection::Credential(fault)),
        })?;
        self.desk.authenticate(token).await.map_err(|refusal| {
            if !matches!(refusal, OperatorRefusal::Store(_)) {
                self.told.operator_refused(call.source().0);
            }
            match refusal {
                OperatorRefusal::Malformed(_) => Problem::new(
                    Code::MalformedCredential,
                    "this is no operator's token, which starts with dwo_; access keys do not open the management side",
                ),
                OperatorRefusal::Store(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "an operator's token could not be looked up"
                    );
                    error.into()
                }
                _ => Problem::new(Code::InvalidCredential, "no such operator's token is in force"),
            }
        })
    }
}

/// A request with where it came from.
#[derive(Debug)]
pub struct Call {
    /// The request. It goes from hand to hand, and is three hundred bytes long.
    pub request: Box<Request<Incoming>>,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Names the request.
    pub id: Option<RequestId>,
}

impl Call {
    /// The request target.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> SourceAddress {
        SourceAddress(self.peer.ip().to_canonical())
    }

    /// Attributes a change to whoever asked for it with this request.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`], where the `Idempotency-Key` header is not as it should be.
    pub fn ask(&self, management: &Management) -> Result<Ask, Problem> {
        let mut keys = self.request.headers().get_all(IDEMPOTENCY_KEY).iter();
        let idempotency_key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) => key.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
                Problem::new(Code::InvalidRequest, "an Idempotency-Key has 1 to 128 visible ASCII characters")
            })?,
            (Some(_), Some(_)) => {
                return Err(Problem::new(Code::InvalidRequest, "there is more than one Idempotency-Key header"));
            }
        };
        Ok(Ask { attribution: self.by(management.actor().clone()), idempotency_key, seen: None })
    }

    /// Attributes to an actor what is done by this request.
    #[must_use]
    pub fn by(&self, actor: Name) -> Attribution {
        Attribution { actor, source_address: Some(self.source().0), request_id: self.id }
    }
}

fn check_size<B>(request: &Request<B>) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if target > MAX_TARGET {
        Err(Problem::new(Code::UriTooLong, "the path and query may have 4096 bytes at the most"))
    } else if headers > MAX_HEADERS {
        Err(Problem::new(Code::HeadersTooLarge, "the headers may have 16384 bytes at the most"))
    } else {
        Ok(())
    }
}

/// One `Host`, which is a name or an address with or without a port; HTTP/1.1 may not leave it out (RFC 9112, section 3.2). Of two, a
/// proxy in front might have read the other one.
fn check_host<B>(request: &Request<B>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() != Version::HTTP_11 => Ok(()),
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

/// A request under way, or work that it left behind.
pub(crate) struct UnderWay(Arc<App>);

impl UnderWay {
    pub(crate) fn of(app: &Arc<App>) -> Self {
        app.under_way.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(app))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.is_draining() {
            self.0.idle.notify_waiters();
        }
    }
}

/// Turns a panic of one handler into one 500, so that it takes no other request of the connection along.
struct CatchUnwind<'a, F>(Pin<&'a mut F>);

impl<F: Future<Output = Answer>> Future for CatchUnwind<'_, F> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(Problem::new(Code::Internal, "the server failed at this request"))))
    }
}
