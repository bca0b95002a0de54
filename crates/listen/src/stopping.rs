//! The way to the end: told to stop, not ready at once, serving on for a while, then ending what is under way.

use std::time::Duration;

use tokio::sync::watch;

use crate::serve::Stage;

/// Listens for Ctrl-C and SIGTERM. The first makes the service leave, and end after `delay`; the second ends it at once.
/// `on_leaving` runs before the service leaves: from then on it should not be ready.
///
/// # Errors
///
/// Fails if the operating system allows no handler.
pub fn stages_by_signal(
    delay: Duration,
    on_leaving: impl FnOnce() + Send + 'static,
) -> std::io::Result<watch::Receiver<Stage>> {
    let (stage, heard) = watch::channel(Stage::Serving);
    let mut asked = Asked::new()?;
    tokio::spawn(async move {
        // A person at a terminal waits for the prompt, and has no load balancer.
        let delay = if asked.stop_asked().await == Who::Person { Duration::ZERO } else { delay };
        on_leaving();
        stage.send_replace(Stage::Leaving);
        tracing::info!(?delay, "told to stop: no longer ready, and still serving");
        tokio::select! {
            () = tokio::time::sleep(delay) => {
                stage.send_replace(Stage::Ending);
                asked.stop_asked().await;
            }
            _ = asked.stop_asked() => {}
        }
        stage.send_replace(Stage::Over);
        // The receiver sees the last stage, however late it looks.
        stage.closed().await;
    });
    Ok(heard)
}

/// The sender of a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    /// Ctrl-C.
    Person,
    /// SIGTERM, as supervisors send it.
    #[cfg(unix)]
    Supervisor,
}

/// The signals that ask a program to stop.
struct Asked {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Asked {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn stop_asked(&mut self) -> Who {
        tokio::select! {
            _ = self.interrupt.recv() => Who::Person,
            _ = self.terminate.recv() => Who::Supervisor,
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn stop_asked(&mut self) -> Who {
        let _ = tokio::signal::ctrl_c().await;
        Who::Person
    }
}
