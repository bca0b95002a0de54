use std::fmt;

use crate::origin::is_loopback;
use crate::reading::origin_of;
use crate::spelling::Speller;
use crate::{AllowedOrigin, CustomSchemes, Origin, UrlFault};

/// The origins that a callback may go to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowList {
    entries: Vec<AllowedOrigin>,
}

impl AllowList {
    /// The most entries of a list that grows: far more than an organization has pages, and what bounds the cost of a refusal.
    pub const MAX_ENTRIES: usize = 1_000;

    /// The entry that a URL is of.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: why the URL may not receive a callback.
    pub fn check(&self, url: &str) -> Result<AllowedOrigin, Refusal> {
        let seen = origin_of(url)?;
        match self.entries.iter().find(|entry| ***entry == seen) {
            Some(entry) => Ok(entry.clone()),
            None => Err(Refusal::NotListed { nearest: self.nearest(&seen), seen }),
        }
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[AllowedOrigin] {
        &self.entries
    }

    fn nearest(&self, seen: &Origin) -> Option<Nearest> {
        let mut speller = Speller::new();
        let different = self.entries.iter().filter_map(|entry| Some((entry, difference(entry, seen, &mut speller)?)));
        let (entry, difference) = different.min_by_key(|(_, difference)| *difference)?;
        Some(Nearest { entry: entry.clone(), difference })
    }
}

impl FromIterator<AllowedOrigin> for AllowList {
    fn from_iter<I: IntoIterator<Item = AllowedOrigin>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

/// In what an entry differs that someone may have taken for it; those that differ least stand first.
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

/// Why a URL may not receive a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// It can be on no list.
    Malformed(UrlFault),
    /// Its origin is not on this one.
    NotListed {
        /// Its origin.
        seen: Origin,
        /// The entry that someone may have taken for it.
        nearest: Option<Nearest>,
    },
}

impl Refusal {
    /// The entry that would allow the URL, where there can be one.
    #[must_use]
    pub fn entry_to_add(&self) -> Option<AllowedOrigin> {
        match self {
            Self::Malformed(_) => None,
            Self::NotListed { seen, .. } => AllowedOrigin::parse(&seen.to_string(), CustomSchemes::Refused).ok(),
        }
    }
}

impl From<UrlFault> for Refusal {
    fn from(fault: UrlFault) -> Self {
        Self::Malformed(fault)
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
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

/// An entry that someone may have taken for an origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nearest {
    /// The entry.
    pub entry: AllowedOrigin,
    /// In what it differs.
    pub difference: Difference,
}

/// In what an entry differs from an origin.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is told by its text below")]
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
            Self::Spelling => "is spelled otherwise",
        })
    }
}
