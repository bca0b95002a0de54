//! The two readings of a URL.

use url::Url;

use crate::Origin;

/// The longest URL that is read, in bytes: servers on the way take no longer ones.
pub const MAX_URL_LENGTH: usize = 4_096;

/// Why a URL can be on no list, whatever is on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlFault {
    /// A backslash, which some readers take for a slash.
    #[error("it has a backslash, which some readers take for a slash")]
    Backslash,
    /// A character in the host that does not belong there.
    #[error(
        "its host is not written as browsers write it: in lower case, of letters, digits, `-`, `_` and `.`, without `%`"
    )]
    Host,
    /// A host that is longer than any.
    #[error("its host is longer than 253 bytes, or a part of it than 63")]
    HostLength,
    /// Too long.
    #[error("it is longer than {MAX_URL_LENGTH} bytes")]
    Length,
    /// No host.
    #[error("it has no host: it begins with `https://HOST`")]
    NoHost,
    /// The two readings name different origins.
    #[error("it can be read in more than one way")]
    Ambiguous,
    /// A port that is none.
    #[error("its port is not a number from 1 to 65535, without leading zeros")]
    Port,
    /// No scheme.
    #[error("it is no absolute URL in lower case: it begins with `https://`")]
    Scheme,
    /// Something invisible, or beyond ASCII.
    #[error(
        "it has a space, a control character, or one beyond ASCII; browsers write these as `%…`, and hosts as `xn--…`"
    )]
    Text,
    /// User information.
    #[error("a name stands before its host, followed by `@`")]
    UserInformation,
}

/// The origin that both readings name.
pub(crate) fn origin_of(text: &str) -> Result<Origin, UrlFault> {
    let ours = literal(text)?;
    let theirs = whatwg(text).ok_or(UrlFault::Ambiguous)?;
    if ours == theirs { Ok(ours) } else { Err(UrlFault::Ambiguous) }
}

/// Our own: the text must be `scheme://host[:port]`, in the form that an origin is stored in, and after it the end or one of
/// `/`, `?`, `#`.
fn literal(text: &str) -> Result<Origin, UrlFault> {
    if text.len() > MAX_URL_LENGTH {
        return Err(UrlFault::Length);
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(UrlFault::Text);
    }
    if text.contains('\\') {
        return Err(UrlFault::Backslash);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
    if !is_scheme(scheme) {
        return Err(UrlFault::Scheme);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlFault::UserInformation);
    }
    let (host, port) = split_port(authority).ok_or(UrlFault::Port)?;
    if host.is_empty() {
        return Err(UrlFault::NoHost);
    }
    if !is_host(host) {
        return Err(UrlFault::Host);
    }
    if !fits_a_domain(host) {
        return Err(UrlFault::HostLength);
    }
    Ok(Origin::new(scheme, host, port))
}

/// RFC 3986, section 3.1, in lower case.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// Host and port; none where there is a port that is none.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address stand within brackets.
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

/// The letters of a host; whether it is one, the other reading decides.
pub(crate) fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match address {
        Some(address) => address.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.')),
        None => text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')),
    }
}

/// Returns whether a host is within the limits of domain names (RFC 1035, section 2.3.4). What is longer can be no entry, and costs
/// little to refuse.
fn fits_a_domain(host: &str) -> bool {
    host.len() <= 253 && host.split('.').all(|part| part.len() <= 63)
}

/// What browsers read.
fn whatwg(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(Origin::new(url.scheme(), url.host_str()?, url.port()))
}
