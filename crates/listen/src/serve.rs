//! Connections: accepted up to a number, read and written within deadlines, drained on stopping.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::net::SocketAddr;
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

use crate::connections::{Place, Room, Told};
use crate::progress::{Progress, WRITE_DEADLINE};
use crate::wire::Wire;

/// The service that requests go to.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static;

    /// Answers a request from this peer, whatever happens.
    fn answer(&self, request: Request<Incoming>, peer: SocketAddr)
    -> impl Future<Output = Response<Self::Body>> + Send;

    /// Whether it is about to stop: each answer of HTTP/1.1 then closes its connection.
    fn is_draining(&self) -> bool;

    /// Resolves once no request is under way.
    fn idle(&self) -> impl Future<Output = ()> + Send;
}

/// Makes TLS of the next connection.
pub type Acceptor = Arc<dyn Fn() -> TlsAcceptor + Send + Sync>;

type BodyError = Box<dyn Error + Send + Sync>;

/// The most bytes of a request's head that are held. Longer ones are refused while they arrive.
const MAX_HEAD: usize = 32 * 1024;

/// How long a handshake and a request's head may take to arrive, and a connection may stay silent.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How many requests one connection of HTTP/2 may make at a time.
const MAX_STREAMS: u32 = 128;

/// Bytes of bodies that one connection of HTTP/2 may have sent before they are read. A body fits, and so do a few at a time.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// How long requests that are under way may take to finish when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// The time that the last bytes of the last answers may take to leave.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How long to wait after accepting failed, as it does when file descriptors have run out.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The way to the end of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// It serves.
    #[default]
    Serving,
    /// It is not ready any more, and serves on, so that load balancers take it out before it refuses anyone.
    Leaving,
    /// It ends what is under way and takes nothing new.
    Ending,
    /// It ends at once.
    Over,
}

/// Serves until `stage` says otherwise.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    handler: H,
    room: Arc<Room>,
    mut stage: watch::Receiver<Stage>,
) {
    // Every connection holds a receiver: it hears of the end, and the last one gone is the end.
    let (stopping, told) = watch::channel(());
    loop {
        let next = async {
            // First the room, then the connection: a client that does not fit waits in the kernel's queue.
            let permit = room.wait().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = reached(&mut stage, Stage::Ending) => break,
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
        let Some(place) = permit.and_then(|permit| room.place(permit, peer)) else { continue };
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let connection =
            Connection { handler: handler.clone(), peer, stopped: told.clone(), told: Arc::clone(room.told()), place };
        tokio::spawn(connection.serve(stream, tls.clone()));
    }
    // Whoever connects from here on is refused, and tries another server.
    drop(listener);
    tracing::info!("draining");
    drop(told);
    stopping.send_replace(());
    let ended = async {
        tokio::select! {
            // What a browser has left behind goes on without a connection.
            () = stopping.closed() => handler.idle().await,
            // A head that a stranger never finishes holds nobody up.
            () = handler.idle() => {
                let _ = tokio::time::timeout(LAST_BYTES, stopping.closed()).await;
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(DRAIN, ended) => {
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

/// One connection, before it is known what is spoken on it.
struct Connection<H> {
    handler: H,
    peer: SocketAddr,
    stopped: watch::Receiver<()>,
    told: Arc<Told>,
    place: Place,
}

impl<H: Handler> Connection<H> {
    async fn serve(self, stream: TcpStream, tls: Option<Acceptor>) {
        let served = match tls {
            None => self.http1(stream).await.map_err(Into::into),
            Some(tls) => self.secured(stream, &tls).await,
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { handler, peer, mut stopped, told, place: _place } = self;
        let service = service_fn(move |request| answer(handler.clone(), request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(MAX_HEAD)
            // Answers are short: copying one behind its head costs less than handing the kernel two pieces.
            .writev(false)
            .serve_connection(TokioIo::new(Wire::new(Progress::new(stream, told))), service);
        until_told(connection, stopped.changed(), pending()).await.unwrap_or(Ok(()))
    }

    /// The handshake says what is spoken: guessing from the first bytes has no deadline.
    async fn secured(self, stream: TcpStream, tls: &Acceptor) -> Result<(), BodyError> {
        let stream = tokio::time::timeout(HEAD_DEADLINE, tls().accept(stream)).await??;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(self.http2(stream).await?),
            _ => Ok(self.http1(stream).await?),
        }
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { handler, peer, mut stopped, told, place: _place } = self;
        let running = Arc::new(Running::default());
        let counted = Arc::clone(&running);
        let service = service_fn(move |request| {
            let (handler, under_way) = (handler.clone(), UnderWay::of(&counted));
            async move {
                let answer = answer(handler, request, peer).await;
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
        // Before its first frame, the library takes a connection for one that may yet begin.
        tokio::select! {
            served = until_told(connection, ended, running.silence()) => served.unwrap_or(Ok(())),
            () = running.stalled() => {
                told.does_not_read();
                Ok(())
            }
        }
    }
}

/// Serves a connection; once it is told, no more than what is under way, and not that where it is given up.
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

async fn answer<H: Handler>(
    handler: H,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<H::Body>, Infallible> {
    let leaves = handler.is_draining() && request.version() <= Version::HTTP_11;
    let mut response = handler.answer(request, peer).await;
    if leaves {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The requests that are under way on one connection of HTTP/2, whose library knows no deadline for silence, nor for a client
/// that never opens a stream's window.
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
            // Since the span before the last one.
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
