//! The hosts of a store's URL.

use std::fmt;
use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// One host of the URL.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) host: Option<Host>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

impl Server {
    /// Returns the settings of a connection to the host, at this address if one is given.
    pub(crate) fn config(&self, address: Option<IpAddr>) -> Config {
        let mut config = self.config.clone();
        config.port(self.port);
        match &self.host {
            Some(Host::Tcp(name)) => config.host(name),
            Some(Host::Unix(path)) => config.host_path(path),
            None => &mut config,
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        config
    }

    /// Returns the database's user, for an error.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.address) {
            (Some(Host::Tcp(name)), _) => write!(f, "{name}:{}", self.port),
            (Some(Host::Unix(path)), _) => path.display().fmt(f),
            (None, Some(address)) => write!(f, "{address}:{}", self.port),
            (None, None) => f.write_str("?"),
        }
    }
}
