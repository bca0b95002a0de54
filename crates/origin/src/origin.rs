use std::fmt;

/// A scheme, a host and a port in canonical form: lower case, and without the scheme's default port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    scheme: String,
    host: String,
    /// `None` if the scheme has no default port and the URL names no port.
    port: Option<u16>,
}

impl Origin {
    /// Creates an origin from parsed parts. A missing port means the scheme's default.
    #[cfg(feature = "check")]
    pub(crate) fn new(scheme: &str, host: &str, port: Option<u16>) -> Self {
        Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.or(default_port(scheme)) }
    }

    /// Returns the scheme, such as `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the host, such as `app.example.com` or `[::1]`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, including a default port. Returns `None` if the scheme has no port.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the port, if it is not the scheme's default.
    pub(crate) fn unusual_port(&self) -> Option<u16> {
        self.port.filter(|port| default_port(&self.scheme) != Some(*port))
    }
}

/// Returns the default ports of the WHATWG URL standard's special schemes, as far as an entry may have them.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Returns whether the host is this machine, in one of the three forms of RFC 8252, sections 7.3 and 8.3.
pub(crate) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.unusual_port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
