//! The check of a URL against a list.

use std::fmt;

use crate::origin::is_loopback;
use crate::reading::origin_of;
use crate::spelling::Speller;
use crate::{AllowList, AllowedOrigin, CustomSchemes, Origin, UrlError};

impl AllowList {
    /// Returns the entry that allows a URL.
    ///
    /// # Errors
    ///
    /// [`OriginError`] with the reason why the URL may not receive a callback.
    pub fn check(&self, url: &str) -> Result<AllowedOrigin, OriginError> {
        let seen = origin_of(url)?;
        match self.entries().iter().find(|entry| ***entry == seen) {
            Some(entry) => Ok(entry.clone()),
            None => Err(OriginError::NotListed { nearest: self.nearest(&seen), seen }),
        }
    }

    fn nearest(&self, seen: &Origin) -> Option<Nearest> {
        let mut speller = Speller::new();
        let different = self.entries().iter().filter_map(|entry| Some((entry, difference(entry, seen, &mut speller)?)));
        let (entry, difference) = different.min_by_key(|(_, difference)| *difference)?;
        Some(Nearest { entry: entry.clone(), difference })
    }
}

/// Returns the difference to a similar entry. The kinds are ordered from the smallest difference to the largest.
fn difference(entry: &Origin, seen: &Origin, speller: &mut Speller) -> Option<Difference> {
    let (host, entry_host) = (seen.host(), entry.host());
    let below = |below: &str, above: &str| below.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    if host == entry_host {
        return Some(match (seen.scheme() == entry.scheme(), seen.unusual_port() == entry.unusual_port()) {
            (true, _) => Difference::Port,
            (false, true) => Difference::Scheme,
            (false, false) => Difference::SchemeAndPort,
        });
    }
    if is_loopback(host) && is_loopback(entry_host) && seen.port() == entry.port() {
        return Some(Difference::LoopbackName);
    }
    if below(host, entry_host) {
        return Some(Difference::Subdomain);
    }
    if below(entry_host, host) {
        return Some(Difference::ParentDomain);
    }
    speller.is_close(host, entry_host).then_some(Difference::Spelling)
}

/// The reason why a URL may not receive a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OriginError {
    /// No list could allow the URL.
    Malformed(UrlError),
    /// The URL's origin is not on this list.
    NotListed {
        /// The URL's origin.
        seen: Origin,
        /// The most similar entry, which may have been intended.
        nearest: Option<Nearest>,
    },
}

impl OriginError {
    /// Returns the entry that would allow the URL, if one exists.
    #[must_use]
    pub fn entry_to_add(&self) -> Option<AllowedOrigin> {
        match self {
            Self::Malformed(_) => None,
            Self::NotListed { seen, .. } => AllowedOrigin::parse(&seen.to_string(), CustomSchemes::Refused).ok(),
        }
    }
}

impl From<UrlError> for OriginError {
    fn from(fault: UrlError) -> Self {
        Self::Malformed(fault)
    }
}

impl std::error::Error for OriginError {}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unauthorized origin: ")?;
        match self {
            Self::Malformed(fault) => write!(f, "the URL cannot be on any list: {fault}"),
            Self::NotListed { seen, nearest } => {
                write!(f, "`{seen}` is not on the list")?;
                if let Some(Nearest { entry, difference }) = nearest {
                    write!(f, "; the nearest entry, `{}`, {difference}", entry.entry())?;
                }
                match self.entry_to_add() {
                    Some(entry) => write!(f, "; the entry that allows it is `{}`", entry.entry()),
                    None if seen.scheme() == "http" => {
                        f.write_str("; http can be allowed on this machine only: use https")
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// An entry that is similar to an origin.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Nearest {
    /// The entry.
    pub entry: AllowedOrigin,
    /// The difference.
    pub difference: Difference,
}

/// The difference between an entry and an origin.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is told by its text below")]
#[non_exhaustive]
pub enum Difference {
    LoopbackName,
    Port,
    Scheme,
    SchemeAndPort,
    Subdomain,
    ParentDomain,
    Spelling,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "has another port",
            Self::Scheme => "has another scheme",
            Self::SchemeAndPort => "has another scheme and port",
            Self::LoopbackName => "names this machine in another way, which is another origin",
            Self::Subdomain => "does not cover its subdomains",
            Self::ParentDomain => "does not cover the domain above it",
            Self::Spelling => "is spelled differently",
        })
    }
}
