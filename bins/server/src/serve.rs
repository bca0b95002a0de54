//! Connections: accepted up to a number, read within deadlines, drained on stopping.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::wire::Wire;

/// The most bytes of a request's head that are held. Longer ones are refused while they arrive.
pub const MAX_HEAD: usize = 32 * 1024;

/// How long a request's head may take to arrive, and a connection may stay silent.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

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
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
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
        let app = Arc::clone(&app);
        let service = service_fn(move |request| {
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(app.answer(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Wire::new(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(place);
        });
    }
    app.drain();
    tracing::info!("draining");
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way, and were cut off");
    }
}
