use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_types::{AccessKeyId, Locator, RequestId, Tick};

/// A use of a key that its owner should hear of. It is refused, counted, and told in the log; the audit log, which is of
/// changes, does not grow.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UnusualUse {
    /// The key was dead: someone has not rolled out the one that came after it.
    AfterDeath,
    /// A page in a browser sent it, where everyone can read it.
    InBrowser,
    /// It stood in the query string, which logs and histories keep.
    InQuery,
}

impl UnusualUse {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::AfterDeath, Self::InBrowser, Self::InQuery];

    /// The word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AfterDeath => "after_death",
            Self::InBrowser => "in_browser",
            Self::InQuery => "in_query",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::AfterDeath => "a dead key was used: whoever sends it needs the one that came after it",
            Self::InBrowser => "a key was used by a page in a browser, where everyone can read it: regenerate it",
            Self::InQuery => "a key stood in a query string, which logs and histories keep: regenerate it",
        }
    }
}

/// Where a request came from. A server puts it into the request's extensions, for the lines of the log to name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceAddress(pub IpAddr);

/// How often the same use of the same key is told.
const PAUSE: Duration = Duration::from_secs(60);

/// The number of keys that are told of in that time, for each kind of use: a flood of one kind hides no other kind, and one key uses up
/// one line.
const MOST: usize = 100;

/// Tells of unusual uses of keys that are known, each once a minute.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<[Lately; UnusualUse::ALL.len()]>);

/// All that was told of one kind of use since a minute ago at most.
#[derive(Debug, Default)]
struct Lately {
    since: Option<Tick>,
    told: HashSet<Locator>,
    /// The number of keys that were not told of: at most so many, since a key that comes again counts again.
    untold: u64,
}

impl Told {
    /// One line of the log, unless it was told of lately.
    pub(crate) fn tell(
        &self,
        used: UnusualUse,
        locator: Locator,
        key: AccessKeyId,
        (source, request): (Option<SourceAddress>, Option<RequestId>),
        now: Tick,
    ) {
        let (is_due, untold) = self.is_due(used, locator, now);
        if untold > 0 {
            tracing::warn!(use = used.as_str(), untold, "more keys were used so in the minute before than were told of");
        }
        if !is_due {
            return;
        }
        let source = source.map(|SourceAddress(address)| tracing::field::display(address));
        let request = request.map(tracing::field::display);
        tracing::warn!(use = used.as_str(), %locator, %key, source, request, "{}", used.sentence());
    }

    /// Decides whether to tell, and returns how much was left out in the minute that is over.
    fn is_due(&self, used: UnusualUse, locator: Locator, now: Tick) -> (bool, u64) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match used {
            UnusualUse::AfterDeath => 0,
            UnusualUse::InBrowser => 1,
            UnusualUse::InQuery => 2,
        };
        let Some(lately) = kinds.get_mut(place) else { return (true, 0) };
        let mut untold = 0;
        if lately.since.is_none_or(|since| now.since(since) >= PAUSE) {
            untold = lately.untold;
            *lately = Lately { since: Some(now), ..Lately::default() };
        }
        if lately.told.contains(&locator) {
            return (false, untold);
        }
        if lately.told.len() >= MOST {
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
    fn a_flood_of_one_kind_hides_no_other_and_is_summed_up() {
        let (told, now) = (Told::default(), Tick::ZERO);
        for number in 0..500 {
            assert_eq!(told.is_due(UnusualUse::InQuery, locator(number), now), (number < MOST, 0));
        }
        for kind in [UnusualUse::AfterDeath, UnusualUse::InBrowser] {
            assert_eq!(told.is_due(kind, locator(1), now), (true, 0));
            assert_eq!(told.is_due(kind, locator(1), now), (false, 0), "the same use of the same key");
        }
        let later = now + PAUSE;
        assert_eq!(told.is_due(UnusualUse::InQuery, locator(1), later), (true, 400));
        assert_eq!(told.is_due(UnusualUse::InQuery, locator(2), later), (true, 0));
    }

    #[test]
    fn one_key_takes_one_line() {
        let (told, now) = (Told::default(), Tick::ZERO);
        let lines = (0..10_000).filter(|_| told.is_due(UnusualUse::AfterDeath, locator(7), now).0).count();
        assert_eq!(lines, 1);
        assert_eq!(told.is_due(UnusualUse::AfterDeath, locator(8), now), (true, 0));
    }
}
