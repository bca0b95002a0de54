/// The signal SIGHUP. A program listens from its start: SIGHUP ends a process that does not listen.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangups {
    /// Listens from now on. Needs a runtime of Tokio around it.
    ///
    /// # Errors
    ///
    /// Fails if the operating system allows no handler.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self { signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())? });
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
