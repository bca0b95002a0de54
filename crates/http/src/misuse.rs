use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_types::{AccessKeyId, Locator, MonoInstant, RequestId};

/// A suspicious use of a key. It is refused, counted, and logged as a warning for the key's owner. The audit log records only
/// changes, so it does not grow.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyMisuse {
    /// A dead key was used: its sender has not rolled out the successor.
    Revoked,
    /// A page in a browser sent the key, where everyone can read it.
    InBrowser,
    /// The key was in the query string, which logs and histories keep.
    InQuery,
    /// The key was in the body, which nobody takes for a secret.
    InBody,
    /// A key was used that was reported as leaked, and waits for an operator.
    Quarantined,
    /// A key was reported as leaked again, while the first report waits for an operator.
    Reported,
}

impl KeyMisuse {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Revoked, Self::InBrowser, Self::InQuery, Self::InBody, Self::Quarantined, Self::Reported];

    /// Returns the word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "after_death",
            Self::InBrowser => "in_browser",
            Self::InQuery => "in_query",
            Self::InBody => "in_body",
            Self::Quarantined => "quarantined",
            Self::Reported => "reported",
        }
    }

    /// Returns the sentence for people, with the cure.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Revoked => "a dead key was used: its sender needs the new key",
            Self::InBrowser => "a key was used by a page in a browser, where everyone can read it: regenerate it",
            Self::InQuery => "a key stood in a query string, which logs and histories keep: regenerate it",
            Self::InBody => "a key stood in a body, which is kept like any data: regenerate it",
            Self::Reported => "a key was reported as leaked again: regenerate it",
            Self::Quarantined => "a key was used that was reported as leaked: regenerate it, or release it",
        }
    }
}

/// The address of a request's sender. A server puts it into the request's extensions, for log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceAddress(pub IpAddr);

impl SourceAddress {
    /// Returns the network that counts as one source: an IPv4 address, or the /64 that one IPv6 host has.
    #[must_use]
    pub const fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u64::MAX as u128))),
        }
    }
}

/// The minimum time between two warnings about the same use of the same key.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The maximum number of keys in warnings within that time, for each kind of use. So a flood of one kind hides no other kind, and
/// one key uses only one line.
const MAX_REMEMBERED: usize = 100;

/// Logs suspicious uses of known keys, each at most once a minute.
#[derive(Debug, Default)]
pub(crate) struct WarningThrottle(Mutex<[Window; KeyMisuse::ALL.len()]>);

/// The warnings about one kind of use within the last minute.
#[derive(Debug, Default)]
struct Window {
    since: Option<MonoInstant>,
    told: HashSet<Locator>,
    /// The number of suppressed warnings. It is an upper bound of the keys, since a repeated key counts again.
    untold: u64,
}

impl WarningThrottle {
    /// Logs one line, unless the same use was logged within the last minute.
    pub(crate) fn warn(
        &self,
        used: KeyMisuse,
        locator: Locator,
        key: AccessKeyId,
        (source, request): (Option<SourceAddress>, Option<RequestId>),
        now: MonoInstant,
    ) {
        let (is_due, untold) = self.is_due(used, locator, now);
        if untold > 0 {
            tracing::warn!(use = used.as_str(), untold, "more keys were used in this way in the last minute than are logged");
        }
        if !is_due {
            return;
        }
        let source = source.map(|SourceAddress(address)| tracing::field::display(address));
        let request = request.map(tracing::field::display);
        tracing::warn!(use = used.as_str(), %locator, %key, source, request, "{}", used.sentence());
    }

    /// Decides whether to log. Returns the number of warnings suppressed in the previous minute.
    fn is_due(&self, used: KeyMisuse, locator: Locator, now: MonoInstant) -> (bool, u64) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lately) = kinds.get_mut(used as usize) else { return (true, 0) };
        let mut untold = 0;
        if lately.since.is_none_or(|since| now.since(since) >= WARNING_INTERVAL) {
            untold = lately.untold;
            *lately = Window { since: Some(now), ..Window::default() };
        }
        if lately.told.contains(&locator) {
            return (false, untold);
        }
        if lately.told.len() >= MAX_REMEMBERED {
            lately.untold += 1;
            return (false, untold);
        }
        (lately.told.insert(locator), untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locator(number: usize) -> Locator {
        format!("{number:010}").parse().unwrap()
    }

    #[test]
    fn a_flood_of_one_kind_hides_no_other_and_is_summarized() {
        let (told, now) = (WarningThrottle::default(), MonoInstant::ZERO);
        for number in 0..500 {
            assert_eq!(told.is_due(KeyMisuse::InQuery, locator(number), now), (number < MAX_REMEMBERED, 0));
        }
        for kind in [KeyMisuse::Revoked, KeyMisuse::InBrowser] {
            assert_eq!(told.is_due(kind, locator(1), now), (true, 0));
            assert_eq!(told.is_due(kind, locator(1), now), (false, 0), "the same use of the same key");
        }
        let later = now + WARNING_INTERVAL;
        assert_eq!(told.is_due(KeyMisuse::InQuery, locator(1), later), (true, 400));
        assert_eq!(told.is_due(KeyMisuse::InQuery, locator(2), later), (true, 0));
    }

    #[test]
    fn one_key_takes_one_line() {
        let (told, now) = (WarningThrottle::default(), MonoInstant::ZERO);
        let lines = (0..10_000).filter(|_| told.is_due(KeyMisuse::Revoked, locator(7), now).0).count();
        assert_eq!(lines, 1);
        assert_eq!(told.is_due(KeyMisuse::Revoked, locator(8), now), (true, 0));
    }
}
