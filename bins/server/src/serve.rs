//! Connections: accepted up to a number, read within deadlines, drained on stopping.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};

use crate::answer::Body;
use crate::app::App;
use crate::tls::Tls;
use crate::wire::Wire;

/// The most bytes of a request's head that are held. Longer ones are refused while they arrive.
pub const MAX_HEAD: usize = 32 * 1024;

/// How long a handshake and a request's head may take to arrive, and a connection may stay silent.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How many requests one connection of HTTP/2 may make at a time.
const MAX_STREAMS: u32 = 128;

/// How long requests that are under way may take to finish when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// How long to wait after accepting failed, as it does when file descriptors have run out.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a server bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    connections: usize,
}

impl Limits {
    /// The limits, with this many connections at once where someone chose.
    #[must_use]
    pub fn new(connections: Option<usize>) -> Self {
        Self { connections: connections.unwrap_or(1024).clamp(1, Semaphore::MAX_PERMITS) }
    }
}

/// Serves until `stop` resolves, and then what is under way.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Arc<App>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    // Every connection holds a receiver: it hears of the end, and the last one gone is the end.
    let (stopping, told) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // First the room, then the connection: whoever does not fit in waits in the kernel's queue.
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let connection = Connection { app: Arc::clone(&app), peer, stopped: told.clone() };
        let tls = tls.clone();
        tokio::spawn(async move {
            let served = match tls {
                None => connection.http1(stream).await.map_err(Into::into),
                Some(tls) => connection.secured(stream, &tls).await,
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection broke");
            }
            drop(place);
        });
    }
    app.drain();
    tracing::info!("draining");
    drop(told);
    stopping.send_replace(());
    if tokio::time::timeout(DRAIN, stopping.closed()).await.is_err() {
        tracing::warn!("some requests were still under way, and were cut off");
    }
}

/// One connection, before it is known what is spoken on it.
struct Connection {
    app: Arc<App>,
    peer: SocketAddr,
    stopped: watch::Receiver<()>,
}

impl Connection {
    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { app, peer, mut stopped } = self;
        let service = service_fn(move |request| answer(Arc::clone(&app), Box::new(request), peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(MAX_HEAD)
            // Answers are short: copying one behind its head costs less than handing the kernel two pieces.
            .writev(false)
            .serve_connection(TokioIo::new(Wire::new(stream)), service);
        until_told(connection, stopped.changed(), pending()).await.unwrap_or(Ok(()))
    }

    /// The handshake says what is spoken: guessing from the first bytes has no deadline.
    async fn secured(self, stream: TcpStream, tls: &Tls) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let stream = tokio::time::timeout(HEAD_DEADLINE, tls.acceptor().accept(stream)).await??;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(self.http2(stream).await?),
            _ => Ok(self.http1(stream).await?),
        }
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<()> {
        let Self { app, peer, mut stopped } = self;
        let running = Arc::new(Running::default());
        let counted = Arc::clone(&running);
        let service = service_fn(move |request| {
            let (app, request, under_way) = (Arc::clone(&app), Box::new(request), UnderWay::of(&counted));
            async move {
                let answer = answer(app, request, peer).await;
                answer.map(|response| response.map(|body| body.holding(under_way)))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD as u32)
            .keep_alive_interval(HEAD_DEADLINE)
            .keep_alive_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), service);
        let told = async {
            tokio::select! {
                _ = stopped.changed() => {}
                () = running.silence() => {}
            }
        };
        // Before its first frame, the library takes a connection for one that may yet begin.
        until_told(connection, told, running.silence()).await.unwrap_or(Ok(()))
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

async fn answer(
    app: Arc<App>,
    request: Box<Request<Incoming>>,
    peer: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    Ok(app.answer(request, peer).await)
}

/// How many requests are under way on one connection of HTTP/2, whose library knows no deadline for silence.
#[derive(Default)]
struct Running {
    count: AtomicUsize,
    changed: Notify,
}

impl Running {
    /// Resolves once nothing was under way for [`HEAD_DEADLINE`].
    async fn silence(&self) {
        while tokio::time::timeout(HEAD_DEADLINE, self.changed.notified()).await.is_ok()
            || self.count.load(Ordering::Acquire) > 0
        {}
    }
}

/// A request under way, to the last byte of its answer.
struct UnderWay(Arc<Running>);

impl UnderWay {
    fn of(running: &Arc<Running>) -> Self {
        running.count.fetch_add(1, Ordering::AcqRel);
        running.changed.notify_one();
        Self(Arc::clone(running))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}
