use std::fmt;

/// Why a text cannot be an entry of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// A backslash.
    #[error("it has a backslash")]
    Backslash,
    /// A scheme that is neither `http` nor `https`.
    #[error("its scheme is neither https nor http; schemes of apps are allowed only by a setting, and have a dot")]
    CustomScheme,
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// A fragment.
    #[error("an entry ends with its host or port: no `#…`")]
    Fragment,
    /// Not a host.
    #[error("its host is none: letters, digits, `-` and `_`, in parts of 1 to 63 with dots between")]
    Host,
    /// `http` to another machine.
    #[error(
        "http is allowed on this machine only (localhost, 127.0.0.1, [::1]): what anyone on the way can read is no place for a callback"
    )]
    Insecure,
    /// Longer than any host and port.
    #[error("it is too long")]
    Length,
    /// Letters beyond ASCII.
    #[error("it has letters beyond ASCII, which look like others; write the host in the form that begins with xn--")]
    NonAscii,
    /// The opaque origin.
    #[error("`null` is what browsers say of pages that have no origin: anyone's")]
    Null,
    /// An address in another form than the usual one.
    #[error("it is an address in an unusual form")]
    OddAddress,
    /// A path.
    #[error("an entry ends with its host or port: no path, not even `/`")]
    Path,
    /// Percent signs.
    #[error("it has a percent sign")]
    Percent,
    /// A port that is none.
    #[error("a port is a number from 1 to 65535, without leading zeros; apps' schemes have none")]
    Port,
    /// A query.
    #[error("an entry ends with its host or port: no `?…`")]
    Query,
    /// A dot at the end of the host.
    #[error("its host ends in a dot, which makes it another host")]
    TrailingDot,
    /// Nothing that a browser sends could ever match.
    #[error("no URL could ever match it")]
    Unmatchable,
    /// User information.
    #[error("a name stands before its host, followed by `@`")]
    UserInformation,
    /// Invisible characters.
    #[error("it has a space or a control character")]
    Whitespace,
    /// A wildcard.
    #[error("there are no wildcards: each host is an entry of its own")]
    Wildcard,
}

/// Why a text cannot be an entry, and, where it can be guessed, the entry that was meant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct EntryError {
    /// Why.
    pub fault: EntryFault,
    /// What may have been meant: it would be accepted.
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
