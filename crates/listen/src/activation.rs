//! Listeners that a supervisor opened before this program started, by the protocol of systemd (sd_listen_fds(3)).
//!
//! They outlive the program, so that a restart refuses no connection: clients wait in the kernel's queue.

use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// The variable with the names of the listeners, with colons between (`FileDescriptorName=` of a socket unit).
const NAMES: &str = "LISTEN_FDNAMES";

/// The listeners that were passed on to this process.
pub struct Inherited {
    listeners: ListenFd,
    names: Vec<Option<String>>,
    /// The names that belong to listeners of one purpose.
    reserved: &'static [&'static str],
}

doorward_types::debug_as!(Inherited, "Inherited");

impl Inherited {
    /// Returns the listeners in this process's environment. A listener whose name is not in `reserved` is the main listener.
    #[must_use]
    pub fn from_environment(reserved: &'static [&'static str]) -> Self {
        let listeners = ListenFd::from_env();
        let mut names = std::env::var(NAMES).unwrap_or_default();
        if listeners.len() == 0 {
            names.clear();
        }
        let mut names = names.split(':').map(|name| Some(name.to_owned()));
        let names = (0..listeners.len()).map(|_| names.next().flatten().or(Some(String::new()))).collect();
        Self { listeners, names, reserved }
    }

    /// Takes the main listener, if there is one, or listens on the address. Returns whether a supervisor holds the listener.
    ///
    /// # Errors
    ///
    /// Fails if what was passed on is not a TCP listener, or if the address cannot be listened on.
    pub async fn main(&mut self, address: SocketAddr) -> std::io::Result<(TcpListener, bool)> {
        let reserved = self.reserved;
        let taken = self.take(|name| !reserved.contains(&name))?;
        taken_or_bound(taken, address).await
    }

    /// Takes the listener with a reserved name, or listens on the address, like [`Inherited::main`].
    ///
    /// # Errors
    ///
    /// Fails like [`Inherited::main`].
    pub async fn reserved(&mut self, name: &str, address: SocketAddr) -> std::io::Result<(TcpListener, bool)> {
        let taken = self.named(name)?;
        taken_or_bound(taken, address).await
    }

    /// Takes the listener with a reserved name, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if what was passed on is not a TCP listener.
    pub fn named(&mut self, name: &str) -> std::io::Result<Option<TcpListener>> {
        self.take(|found| found == name)
    }

    fn take(&mut self, is_wanted: impl Fn(&str) -> bool) -> std::io::Result<Option<TcpListener>> {
        let found = self.names.iter_mut().enumerate().find(|(_, name)| name.as_deref().is_some_and(&is_wanted));
        let Some((index, name)) = found else { return Ok(None) };
        *name = None;
        let Some(listener) = self.listeners.take_tcp_listener(index)? else { return Ok(None) };
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Some)
    }
}

/// Returns a listener, and whether a supervisor holds it.
async fn taken_or_bound(taken: Option<TcpListener>, address: SocketAddr) -> std::io::Result<(TcpListener, bool)> {
    match taken {
        Some(listener) => Ok((listener, true)),
        None => Ok((TcpListener::bind(address).await?, false)),
    }
}
