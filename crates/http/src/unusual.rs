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

/// How many uses are told in that time: whoever sends millions fills no log.
const MOST: usize = 100;

/// Tells of unusual uses, each once a minute.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    since: Option<Tick>,
    told: HashSet<(UnusualUse, Locator)>,
}

impl Told {
    /// One line of the log, unless it was told of lately.
    pub(crate) fn tell(
        &self,
        used: UnusualUse,
        locator: Locator,
        key: Option<AccessKeyId>,
        (source, request): (Option<SourceAddress>, Option<RequestId>),
        now: Tick,
    ) {
        if !self.is_due(used, locator, now) {
            return;
        }
        let source = source.map(|SourceAddress(address)| tracing::field::display(address));
        let request = request.map(tracing::field::display);
        tracing::warn!(use = used.as_str(), %locator, key = key.map(tracing::field::display), source, request, "{}", used.sentence());
    }

    fn is_due(&self, used: UnusualUse, locator: Locator, now: Tick) -> bool {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.since.is_none_or(|since| now.since(since) >= PAUSE) {
            *lately = Lately { since: Some(now), told: HashSet::new() };
        }
        lately.told.len() < MOST && lately.told.insert((used, locator))
    }
}
