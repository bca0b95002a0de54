use std::fmt;

/// A scheme, a host and a port, in the one form that stands for them: lower case, the port spelled out only where it is not
/// the scheme's own.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    scheme: String,
    host: String,
    /// None where the scheme has none of its own and none is spelled out.
    port: Option<u16>,
}

impl Origin {
    /// Of what was read already: a port that is not there is the scheme's own.
    pub(crate) fn new(scheme: &str, host: &str, port: Option<u16>) -> Self {
        Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.or(default_port(scheme)) }
    }

    /// Such as `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Such as `app.example.com` or `[::1]`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own one included; none for a scheme that has none.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port, where it has to be spelled out.
    pub(crate) fn unusual_port(&self) -> Option<u16> {
        self.port.filter(|port| default_port(&self.scheme) != Some(*port))
    }
}

/// The ports of the WHATWG URL standard's special schemes that an entry may have.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// This machine, in the three ways of RFC 8252, sections 7.3 and 8.3.
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
