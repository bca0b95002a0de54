use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::{Host, Url};

use crate::origin::is_loopback;
use crate::reading::{is_host, is_scheme, origin_of, split_port};
use crate::{EntryError, EntryFault, Origin};

/// The longest entry: a scheme, a host of 253 letters, and a port.
const MAX_LENGTH: usize = 300;

/// An origin that may be on a list: whatever is one, some URL matches.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AllowedOrigin(Origin);

/// Whether the schemes of apps, such as `com.example.app://callback`, may be on a list (RFC 8252, section 7.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CustomSchemes {
    /// They may: any app on a user's machine can claim one.
    Allowed,
    /// They may not.
    #[default]
    Refused,
}

impl AllowedOrigin {
    /// Reads an entry. `app.example.com` means `https`, `localhost:3000` means `http`; a scheme may be written out.
    ///
    /// # Errors
    ///
    /// [`EntryError`]: why it is none, and the entry that was meant, where that can be guessed.
    pub fn parse(text: &str, custom_schemes: CustomSchemes) -> Result<Self, EntryError> {
        read(text, custom_schemes).map_err(|fault| EntryError { fault, meant: guess(text, custom_schemes) })
    }

    /// The shortest text that is read as this entry.
    #[must_use]
    pub fn entry(&self) -> String {
        let full = self.0.to_string();
        match full.split_once("://") {
            Some((scheme, rest)) if scheme == implied_scheme(self.0.host()) => rest.to_owned(),
            _ => full,
        }
    }
}

/// The scheme of an entry that names none.
fn implied_scheme(host: &str) -> &'static str {
    if is_loopback(host) { "http" } else { "https" }
}

fn read(text: &str, custom_schemes: CustomSchemes) -> Result<AllowedOrigin, EntryFault> {
    check_letters(text)?;
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = match lower.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, &*lower),
    };
    if authority.contains('@') {
        return Err(EntryFault::UserInformation);
    }
    if let Some(end) = authority.find(['/', '?', '#']) {
        return Err(match authority.as_bytes().get(end) {
            Some(b'?') => EntryFault::Query,
            Some(b'#') => EntryFault::Fragment,
            _ => EntryFault::Path,
        });
    }
    // The colons of an IPv6 address stand within brackets.
    if !authority.contains(']') && authority.matches(':').count() > 1 {
        return Err(EntryFault::Host);
    }
    let (host, port) = split_port(authority).ok_or(EntryFault::Port)?;
    check_host(host)?;
    let scheme = scheme.unwrap_or(implied_scheme(host));
    match scheme {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => return Err(EntryFault::Insecure),
        // With a dot, none of those that run or show what follows them: javascript, data, blob, file.
        app if custom_schemes == CustomSchemes::Allowed && is_scheme(app) && app.contains('.') => {
            if port.is_some() {
                return Err(EntryFault::Port);
            }
        }
        _ => return Err(EntryFault::CustomScheme),
    }
    let origin = Origin::new(scheme, host, port);
    match origin_of(&format!("{origin}/")) {
        Ok(matched) if matched == origin => Ok(AllowedOrigin(origin)),
        _ => Err(EntryFault::Unmatchable),
    }
}

fn check_letters(text: &str) -> Result<(), EntryFault> {
    if text.is_empty() {
        Err(EntryFault::Empty)
    } else if text.len() > MAX_LENGTH {
        Err(EntryFault::Length)
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        Err(EntryFault::Whitespace)
    } else if !text.is_ascii() {
        Err(EntryFault::NonAscii)
    } else if text.contains('*') {
        Err(EntryFault::Wildcard)
    } else if text.contains('%') {
        Err(EntryFault::Percent)
    } else if text.contains('\\') {
        Err(EntryFault::Backslash)
    } else if text.eq_ignore_ascii_case("null") {
        Err(EntryFault::Null)
    } else {
        Ok(())
    }
}

fn check_host(host: &str) -> Result<(), EntryFault> {
    if host.ends_with('.') {
        return Err(EntryFault::TrailingDot);
    }
    let is_domain = |host: &str| host.len() <= 253 && host.split('.').all(|part| (1..=63).contains(&part.len()));
    if !is_host(host) || !(host.starts_with('[') || is_domain(host)) {
        return Err(EntryFault::Host);
    }
    match Host::parse(host) {
        Ok(Host::Domain(domain)) if domain == host => Ok(()),
        Ok(Host::Domain(_)) | Err(_) => Err(EntryFault::Host),
        Ok(address) if address.to_string() == host => Ok(()),
        Ok(_) => Err(EntryFault::OddAddress),
    }
}

/// The entry that may have been meant: what a browser reads, without what an entry cannot have.
fn guess(text: &str, custom_schemes: CustomSchemes) -> Option<String> {
    let text = text.trim();
    let written = text.contains("://");
    let url = if written { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    // These stand for many: no one of them was meant.
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

impl Deref for AllowedOrigin {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.0
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for AllowedOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads an entry, without schemes of apps.
impl FromStr for AllowedOrigin {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        Self::parse(text, CustomSchemes::Refused)
    }
}
