//! Connections: accepted up to a number, read and written within deadlines, drained on stopping.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONNECTION;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use tokio_rustls::TlsAcceptor;

use crate::connections::{Place, Room, WarningThrottle};
use crate::progress::{Progress, WRITE_DEADLINE};
use crate::proxies::Proxies;
use crate::proxy_protocol;
use crate::wire::Wire;

/// The service that requests go to.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static;

    /// Answers a request of this client. Every failure has an answer.
    fn answer(&self, request: Request<Incoming>, client: Client) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Returns whether the service is about to stop: each answer of HTTP/1.1 then closes its connection.
    fn is_draining(&self) -> bool;

    /// Resolves once no request is under way.
    fn idle(&self) -> impl Future<Output = ()> + Send;
}

/// The sender of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Client {
    /// The other end of the connection: the client's, or a proxy's.
    pub connection: SocketAddr,
    /// The client's address, as far as a trusted proxy says it.
    pub address: IpAddr,
}

/// Makes TLS of the next connection.
pub type Acceptor = Arc<dyn Fn() -> TlsAcceptor + Send + Sync>;

type BodyError = Box<dyn Error + Send + Sync>;

/// The most bytes of a request's head that are held. Longer ones are refused while they arrive.
const MAX_HEAD: usize = 32 * 1024;

/// The time that a handshake and a request's head may take to arrive, and that a connection may stay silent.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// The maximum number of requests that one connection of HTTP/2 may make at a time.
const MAX_STREAMS: u32 = 128;

/// Bytes of bodies that one connection of HTTP/2 may have sent before they are read. A body fits, and so do a few at a time.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// The time that requests under way may take to finish after the signal to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The time that the last bytes of the last answers may take to leave.
const LAST_BYTES_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after a failure to accept, such as without free file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The way to the end of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// It serves.
    #[default]
    Serving,
    /// It is no longer ready, and goes on serving, so that load balancers take it out before it refuses clients.
    Leaving,
    /// It ends what is under way and takes nothing new.
    Ending,
    /// It ends at once.
    Over,
}

/// A listener, with what stands between it and its clients.
#[expect(missing_debug_implementations, reason = "an acceptor is a function")]
pub struct Entrance {
    listener: TcpListener,
    tls: Option<Acceptor>,
    proxies: Proxies,
    is_held: bool,
}

impl Entrance {
    /// The listener alone: clients connect to it, and speak HTTP/1.1.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, tls: None, proxies: Proxies::default(), is_held: false }
    }

    /// A supervisor holds the listener too, if this is true. Then new connections wait for the next process as soon as this
    /// process leaves, and connections that are open have until its end to send a request.
    #[must_use]
    pub fn held_by_supervisor(self, is_held: bool) -> Self {
        Self { is_held, ..self }
    }

    /// Clients speak TLS if there is an acceptor.
    #[must_use]
    pub fn with_tls(self, tls: Option<Acceptor>) -> Self {
        Self { tls, ..self }
    }

    /// These proxies stand in front of it.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }
}

/// Serves until `stage` reaches its end.
pub async fn serve<H: Handler>(entrance: Entrance, handler: H, room: Arc<Room>, mut stage: watch::Receiver<Stage>) {
    let Entrance { listener, tls, proxies, is_held } = entrance;
    let last = if is_held { Stage::Leaving } else { Stage::Ending };
    // Every connection holds a receiver: it is told of the end, and the end comes when the last receiver is gone.
    let (stopping, told) = watch::channel(());
    loop {
        let next = async {
            // First the room, then the connection: a client that does not fit waits in the kernel's queue.
            let permit = room.wait().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = reached(&mut stage, last) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::ConnectionAborted {
                    tracing::debug!(%error, "a connection could not be accepted");
                    room.told().tell("not_accepted", None);
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
                continue;
            }
        };
        let Some(place) = permit.and_then(|permit| room.admit(permit, peer.ip(), &proxies)) else { continue };
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            handler: handler.clone(),
            peer,
            proxies: proxies.clone(),
            stopped: told.clone(),
            told: Arc::clone(room.told()),
            place,
        };
        tokio::spawn(connection.serve(stream, tls.clone()));
    }
    // From here on, new connections are refused, and clients try another server.
    drop(listener);
    reached(&mut stage, Stage::Ending).await;
    tracing::info!("draining");
    drop(told);
    stopping.send_replace(());
    let ended = async {
        tokio::select! {
            // The work for a browser that left goes on without a connection.
            () = stopping.closed() => handler.idle().await,
            // An unfinished head of a stranger must not delay the end.
            () = handler.idle() => {
                let _ = tokio::time::timeout(LAST_BYTES_TIMEOUT, stopping.closed()).await;
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(DRAIN_TIMEOUT, ended) => {
            if ended.is_err() {
                tracing::warn!("some requests were still under way, and were cut off");
            }
        }
        () = reached(&mut stage, Stage::Over) => tracing::warn!("told to end at once"),
    }
}

/// Resolves once the server's end has come this far.
async fn reached(stage: &mut watch::Receiver<Stage>, at_least: Stage) {
    if stage.wait_for(|stage| *stage as u8 >= at_least as u8).await.is_err() {
        pending::<()>().await;
    }
}

/// One connection, before its protocol is known.
struct Connection<H> {
    handler: H,
    peer: SocketAddr,
    proxies: Proxies,
    stopped: watch::Receiver<()>,
    told: Arc<WarningThrottle>,
    place: Place,
}

impl<H: Handler> Connection<H> {
    async fn serve(mut self, mut stream: TcpStream, tls: Option<Acceptor>) {
        if self.proxies.speak_protocol() {
            match tokio::time::timeout(HEAD_DEADLINE, proxy_protocol::read(&mut stream)).await {
                Ok(Ok(client)) => self.peer = client.unwrap_or(self.peer),
                _ => return self.told.tell("no_proxy_header", Some(self.peer.ip())),
            }
            // A client behind the proxy counts like a client of its own.
            if !self.proxies.trust(self.peer.ip()) && !self.place.belongs_to(self.peer.ip()) {
                return;
            }
        }
        let served = match tls {
            None => self.http1(stream).await.map_err(Into::into),
            Some(tls) => self.secured(stream, &tls).await,
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { handler, peer, proxies, mut stopped, told, place: _place } = self;
        let service = service_fn(move |request| {
            let client = client(peer, &request, &proxies);
            answer(handler.clone(), request, client)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(MAX_HEAD)
            // Answers are short: copying one behind its head costs less than handing the kernel two pieces.
            .writev(false)
            .serve_connection(TokioIo::new(Wire::new(Progress::new(stream, told))), service);
        until_told(connection, stopped.changed(), pending()).await.unwrap_or(Ok(()))
    }

    /// The handshake chooses the protocol: guessing from the first bytes would have no deadline.
    async fn secured(self, stream: TcpStream, tls: &Acceptor) -> Result<(), BodyError> {
        let stream = tokio::time::timeout(HEAD_DEADLINE, tls().accept(stream)).await??;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(self.http2(stream).await?),
            _ => Ok(self.http1(stream).await?),
        }
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { handler, peer, proxies, mut stopped, told, place: _place } = self;
        let running = Arc::new(Running::default());
        let counted = Arc::clone(&running);
        let service = service_fn(move |request| {
            let (handler, under_way) = (handler.clone(), UnderWay::of(&counted));
            let client = client(peer, &request, &proxies);
            async move {
                let answer = answer(handler, request, client).await;
                answer.map(|response| response.map(|body| Held { body, under_way: under_way.answered() }))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD as u32)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(HEAD_DEADLINE)
            .keep_alive_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(Progress::new(stream, Arc::clone(&told))), service);
        let ended = async {
            tokio::select! {
                _ = stopped.changed() => {}
                () = running.silence() => {}
            }
        };
        // Before its first frame, the library waits for a connection to begin.
        tokio::select! {
            served = until_told(connection, ended, running.silence()) => served.unwrap_or(Ok(())),
            () = running.stalled() => {
                told.does_not_read();
                Ok(())
            }
        }
    }
}

/// Serves a connection. Once `told` resolves, it finishes only the requests under way, unless `given_up` resolves first.
async fn until_told<C: GracefulConnection, T>(
    connection: C,
    told: impl Future<Output = T>,
    given_up: impl Future<Output = ()>,
) -> Option<C::Output> {
    let (mut connection, told) = (pin!(connection), pin!(told));
    tokio::select! {
        output = connection.as_mut() => return Some(output),
        _ = told => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        output = connection => Some(output),
        () = given_up => None,
    }
}

fn client(peer: SocketAddr, request: &Request<Incoming>, proxies: &Proxies) -> Client {
    Client { connection: peer, address: proxies.client(peer.ip(), request.headers()) }
}

async fn answer<H: Handler>(
    handler: H,
    request: Request<Incoming>,
    client: Client,
) -> Result<Response<H::Body>, Infallible> {
    let leaves = handler.is_draining() && request.version() <= Version::HTTP_11;
    let mut response = handler.answer(request, client).await;
    if leaves {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The requests under way on one connection of HTTP/2. The library has no deadline for silence, nor for a client that never
/// opens a stream's window.
#[derive(Default)]
struct Running {
    count: AtomicUsize,
    changed: Notify,
    /// Counts spans of [`WRITE_DEADLINE`].
    span: AtomicUsize,
    /// The number of answers that wait for their client since a span, by the span's number modulo three.
    waiting: [AtomicUsize; 3],
}

impl Running {
    /// Resolves once nothing was under way for [`HEAD_DEADLINE`].
    async fn silence(&self) {
        while tokio::time::timeout(HEAD_DEADLINE, self.changed.notified()).await.is_ok()
            || self.count.load(Ordering::Acquire) > 0
        {}
    }

    /// Resolves once an answer has waited for its client for one to two spans without any progress.
    async fn stalled(&self) {
        loop {
            tokio::time::sleep(WRITE_DEADLINE).await;
            let span = self.span.fetch_add(1, Ordering::AcqRel) + 1;
            // Since the span before the last span.
            if span >= 2 && self.since(span - 2).load(Ordering::Acquire) > 0 {
                return;
            }
        }
    }

    fn since(&self, span: usize) -> &AtomicUsize {
        let [first, second, third] = &self.waiting;
        match span % 3 {
            0 => first,
            1 => second,
            _ => third,
        }
    }
}

/// A request under way, to the last byte of its answer.
struct UnderWay {
    running: Arc<Running>,
    /// The span in which its answer last made progress, once there is an answer.
    since: Option<usize>,
}

impl UnderWay {
    fn of(running: &Arc<Running>) -> Self {
        running.count.fetch_add(1, Ordering::AcqRel);
        running.changed.notify_one();
        Self { running: Arc::clone(running), since: None }
    }

    fn answered(mut self) -> Self {
        self.progresses();
        self
    }
}

/// The body of an answer, which tells that its client takes it.
struct Held<B> {
    body: B,
    under_way: UnderWay,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.under_way.progresses();
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl UnderWay {
    fn progresses(&mut self) {
        let span = self.running.span.load(Ordering::Acquire);
        if self.since != Some(span) {
            self.running.since(span).fetch_add(1, Ordering::AcqRel);
            if let Some(before) = self.since.replace(span) {
                self.running.since(before).fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.running.since(since).fetch_sub(1, Ordering::AcqRel);
        }
        self.running.count.fetch_sub(1, Ordering::AcqRel);
        self.running.changed.notify_one();
    }
}
