//! The reading of an entry.

use std::str::FromStr;

use url::{Host, Url};

use crate::entry::implied_scheme;
use crate::origin::is_loopback;
use crate::reading::{is_host, is_scheme, origin_of, split_port};
use crate::{AllowedOrigin, CustomSchemes, EntryError, EntryErrorKind, Origin};

/// The maximum length of an entry: a scheme, a host of 253 letters, and a port.
const MAX_LENGTH: usize = 300;

impl AllowedOrigin {
    /// Reads an entry. `app.example.com` means `https`, `localhost:3000` means `http`. An explicit scheme is allowed too.
    ///
    /// # Errors
    ///
    /// [`EntryError`] with the reason, and with the intended entry if it can be guessed.
    pub fn parse(text: &str, custom_schemes: CustomSchemes) -> Result<Self, EntryError> {
        read(text, custom_schemes).map_err(|fault| EntryError { fault, meant: guess(text, custom_schemes) })
    }
}

/// Reads an entry. The schemes of apps are refused.
impl FromStr for AllowedOrigin {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        Self::parse(text, CustomSchemes::Refused)
    }
}

fn read(text: &str, custom_schemes: CustomSchemes) -> Result<AllowedOrigin, EntryErrorKind> {
    check_letters(text)?;
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = match lower.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, &*lower),
    };
    if authority.contains('@') {
        return Err(EntryErrorKind::UserInformation);
    }
    if let Some(end) = authority.find(['/', '?', '#']) {
        return Err(match authority.as_bytes().get(end) {
            Some(b'?') => EntryErrorKind::Query,
            Some(b'#') => EntryErrorKind::Fragment,
            _ => EntryErrorKind::Path,
        });
    }
    // The colons of an IPv6 address are inside brackets.
    if !authority.contains(']') && authority.matches(':').count() > 1 {
        return Err(EntryErrorKind::Host);
    }
    let (host, port) = split_port(authority).ok_or(EntryErrorKind::Port)?;
    check_host(host)?;
    let scheme = scheme.unwrap_or(implied_scheme(host));
    match scheme {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => return Err(EntryErrorKind::Insecure),
        // The required dot excludes schemes that run or show their content: javascript, data, blob, file.
        app if custom_schemes == CustomSchemes::Allowed && is_scheme(app) && app.contains('.') => {
            if port.is_some() {
                return Err(EntryErrorKind::Port);
            }
        }
        _ => return Err(EntryErrorKind::CustomScheme),
    }
    let origin = Origin::new(scheme, host, port);
    match origin_of(&format!("{origin}/")) {
        Ok(matched) if matched == origin => Ok(AllowedOrigin(origin)),
        _ => Err(EntryErrorKind::Unmatchable),
    }
}

fn check_letters(text: &str) -> Result<(), EntryErrorKind> {
    if text.is_empty() {
        Err(EntryErrorKind::Empty)
    } else if text.len() > MAX_LENGTH {
        Err(EntryErrorKind::Length)
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        Err(EntryErrorKind::Whitespace)
    } else if !text.is_ascii() {
        Err(EntryErrorKind::NonAscii)
    } else if text.contains('*') {
        Err(EntryErrorKind::Wildcard)
    } else if text.contains('%') {
        Err(EntryErrorKind::Percent)
    } else if text.contains('\\') {
        Err(EntryErrorKind::Backslash)
    } else if text.eq_ignore_ascii_case("null") {
        Err(EntryErrorKind::Null)
    } else {
        Ok(())
    }
}

fn check_host(host: &str) -> Result<(), EntryErrorKind> {
    if host.ends_with('.') {
        return Err(EntryErrorKind::TrailingDot);
    }
    let is_domain = |host: &str| host.len() <= 253 && host.split('.').all(|part| (1..=63).contains(&part.len()));
    if !is_host(host) || !(host.starts_with('[') || is_domain(host)) {
        return Err(EntryErrorKind::Host);
    }
    match Host::parse(host) {
        Ok(Host::Domain(domain)) if domain == host => Ok(()),
        Ok(Host::Domain(_)) | Err(_) => Err(EntryErrorKind::Host),
        Ok(address) if address.to_string() == host => Ok(()),
        Ok(_) => Err(EntryErrorKind::OddAddress),
    }
}

/// Guesses the intended entry: the URL as a browser reads it, without the parts that an entry cannot have.
fn guess(text: &str, custom_schemes: CustomSchemes) -> Option<String> {
    let text = text.trim();
    let written = text.contains("://");
    let url = if written { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    // A wildcard or `null` stands for many origins, so no single entry was intended.
    let url = url.ok().filter(|_| !text.contains('*') && !text.eq_ignore_ascii_case("null"))?;
    let host = url.host_str()?.trim_end_matches('.');
    if !(host.contains(['.', ':']) || is_loopback(host)) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = match url.scheme() {
        "https" if written => "https",
        "https" | "http" => implied_scheme(host),
        other => other,
    };
    let meant = read(&format!("{scheme}://{host}{port}"), custom_schemes).ok()?;
    Some(meant.entry())
}
