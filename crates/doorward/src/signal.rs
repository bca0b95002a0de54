//! The wish of an operator that the process ends.

use std::io;

/// Resolves at SIGTERM or Ctrl-C. Both are listened for from this call on, and no longer end the process by themselves.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O.
pub fn until_signal() -> impl Future<Output = ()> + Send + use<> {
    let signals = Signals::listen();
    async {
        match signals {
            Ok(mut signals) => signals.next().await,
            Err(error) => {
                tracing::error!(%error, "signals cannot be listened for: end this process in another way");
                std::future::pending().await
            }
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
