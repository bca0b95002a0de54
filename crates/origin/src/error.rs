use std::fmt;

/// The reason why a text cannot be an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryErrorKind {
    /// A backslash.
    #[error("it has a backslash")]
    Backslash,
    /// A scheme that is neither `http` nor `https`.
    #[error("its scheme is neither https nor http; app schemes are allowed only by a setting, and need a dot")]
    CustomScheme,
    /// An empty text.
    #[error("it is empty")]
    Empty,
    /// A fragment.
    #[error("an entry ends with its host or port: no `#…`")]
    Fragment,
    /// Not a host.
    #[error("its host is invalid: use letters, digits, `-` and `_`, in parts of 1 to 63 with dots between")]
    Host,
    /// `http` to another machine.
    #[error(
        "http is allowed on this machine only (localhost, 127.0.0.1, [::1]): anyone on the network could read the callback"
    )]
    Insecure,
    /// Longer than any host and port.
    #[error("it is too long")]
    Length,
    /// Letters beyond ASCII.
    #[error(
        "it has letters beyond ASCII, which may look like other letters; write the host in the form that begins with xn--"
    )]
    NonAscii,
    /// The opaque origin.
    #[error("`null` is the origin that browsers send for any page without an origin")]
    Null,
    /// An address in an unusual form.
    #[error("it is an address in an unusual form")]
    OddAddress,
    /// A path.
    #[error("an entry ends with its host or port: no path, not even `/`")]
    Path,
    /// Percent signs.
    #[error("it has a percent sign")]
    Percent,
    /// An invalid port.
    #[error("a port is a number from 1 to 65535, without leading zeros; apps' schemes have none")]
    Port,
    /// A query.
    #[error("an entry ends with its host or port: no `?…`")]
    Query,
    /// A dot at the end of the host.
    #[error("its host ends in a dot, which makes it another host")]
    TrailingDot,
    /// No URL from a browser could ever match.
    #[error("no URL could ever match it")]
    Unmatchable,
    /// User information.
    #[error("it has a user name before its host, followed by `@`")]
    UserInformation,
    /// Invisible characters.
    #[error("it has a space or a control character")]
    Whitespace,
    /// A wildcard.
    #[error("there are no wildcards: each host needs its own entry")]
    Wildcard,
}

/// The reason why a text cannot be an entry, and the intended entry if it can be guessed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub struct EntryError {
    /// The reason.
    pub fault: EntryErrorKind,
    /// The entry that may have been intended. It would be accepted.
    pub meant: Option<String>,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this cannot be an allowed origin: {}", self.fault)?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}
