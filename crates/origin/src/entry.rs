use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use crate::Origin;
use crate::origin::is_loopback;

/// An origin that may be on a list. Each such origin matches some URL.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AllowedOrigin(pub(crate) Origin);

/// The setting for schemes of apps, such as `com.example.app://callback`, on a list (RFC 8252, section 7.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CustomSchemes {
    /// Allowed. Any app on a user's machine can claim such a scheme.
    Allowed,
    /// Refused.
    #[default]
    Refused,
}

impl AllowedOrigin {
    /// Returns the shortest text that is read as this entry.
    #[must_use]
    pub fn entry(&self) -> String {
        let full = self.0.to_string();
        match full.split_once("://") {
            Some((scheme, rest)) if scheme == implied_scheme(self.0.host()) => rest.to_owned(),
            _ => full,
        }
    }
}

/// Returns the scheme of an entry without one.
pub(crate) fn implied_scheme(host: &str) -> &'static str {
    if is_loopback(host) { "http" } else { "https" }
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
