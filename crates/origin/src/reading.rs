//! The two readings of a URL.

use url::Url;

use crate::Origin;

/// The maximum length of a URL in bytes. Many servers refuse longer URLs.
pub const MAX_URL_LENGTH: usize = 4_096;

/// The reason why no list can allow a URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// A backslash, which some readers take for a slash.
    #[error("it has a backslash, which some readers take for a slash")]
    Backslash,
    /// A character in the host that is not allowed there.
    #[error(
        "its host is not in the form that browsers write: in lower case, with letters, digits, `-`, `_` and `.`, without `%`"
    )]
    Host,
    /// A host beyond the maximum length.
    #[error("its host is longer than 253 bytes, or has a part longer than 63")]
    HostLength,
    /// The URL is too long.
    #[error("it is longer than {MAX_URL_LENGTH} bytes")]
    Length,
    /// No host.
    #[error("it has no host: it must begin with `https://HOST`")]
    NoHost,
    /// The two readings name different origins.
    #[error("it can be read in more than one way")]
    Ambiguous,
    /// An invalid port.
    #[error("its port is not a number from 1 to 65535, without leading zeros")]
    Port,
    /// No scheme.
    #[error("it is not an absolute URL in lower case: it must begin with `https://`")]
    Scheme,
    /// A space, a control character, or a character beyond ASCII.
    #[error(
        "it has a space, a control character, or a character beyond ASCII; write these as `%…`, and hosts as `xn--…`"
    )]
    Text,
    /// User information.
    #[error("it has a user name before its host, followed by `@`")]
    UserInformation,
}

/// Returns the origin if both readings agree on it.
pub(crate) fn origin_of(text: &str) -> Result<Origin, UrlError> {
    let ours = literal(text)?;
    let theirs = whatwg(text).ok_or(UrlError::Ambiguous)?;
    if ours == theirs { Ok(ours) } else { Err(UrlError::Ambiguous) }
}

/// Doorward's own reading: the text must be `scheme://host[:port]` in canonical form, followed by the end or by `/`, `?`, `#`.
fn literal(text: &str) -> Result<Origin, UrlError> {
    if text.len() > MAX_URL_LENGTH {
        return Err(UrlError::Length);
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(UrlError::Text);
    }
    if text.contains('\\') {
        return Err(UrlError::Backslash);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    if !is_scheme(scheme) {
        return Err(UrlError::Scheme);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::UserInformation);
    }
    let (host, port) = split_port(authority).ok_or(UrlError::Port)?;
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if !is_host(host) {
        return Err(UrlError::Host);
    }
    if !fits_a_domain(host) {
        return Err(UrlError::HostLength);
    }
    Ok(Origin::new(scheme, host, port))
}

/// Returns whether this is a scheme in lower case (RFC 3986, section 3.1).
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// Splits host and port. Returns `None` if the port is invalid.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address are inside brackets.
    let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.get(end_of_host..)?.find(':') {
        Some(colon) => authority.split_at_checked(end_of_host + colon)?,
        None => return Some((authority, None)),
    };
    let digits = port.strip_prefix(':')?;
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| plain && *number != 0 && !digits.starts_with('0'))?;
    Some((host, Some(number)))
}

/// Returns whether all characters are allowed in a host. The other reading decides whether it is a valid host.
pub(crate) fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match address {
        Some(address) => address.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.')),
        None => text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')),
    }
}

/// Returns whether a host is within the limits of domain names (RFC 1035, section 2.3.4). A longer host cannot be an entry, and
/// this refuses it cheaply.
fn fits_a_domain(host: &str) -> bool {
    host.len() <= 253 && host.split('.').all(|part| part.len() <= 63)
}

/// The reading of browsers.
fn whatwg(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(Origin::new(url.scheme(), url.host_str()?, url.port()))
}
