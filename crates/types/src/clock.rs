use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

/// What time it is, in the two senses that Doorward needs apart.
///
/// The *time of day* goes into records and is trusted for nothing. *Elapsed time* carries the promise that a dead key
/// is refused everywhere: two durations on two clocks are compared, and no time of day ever crosses machines.
/// A clock is always an argument, so that tests move it instead of sleeping.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Elapsed time for the hot path: a few nanoseconds to read, may lag by [`Clock::tick_lag`], may stop in suspend.
    fn tick(&self) -> Tick;

    /// The most by which [`Clock::tick`] lags behind.
    fn tick_lag(&self) -> Duration;

    /// Elapsed time on the two precise clocks, for everything but the hot path.
    fn reading(&self) -> Reading;
}

/// A moment of the day: milliseconds since the Unix epoch, shown in RFC 3339 form.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads what RFC 3339 allows, such as `2026-11-24T13:00:00Z`, or a date, which stands for its first moment in UTC.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
        moment.map(|moment| Self(moment.as_millisecond())).map_err(|_| TimestampError)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

/// The text is no moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a time reads 2026-11-24T13:00:00Z, or 2026-11-24 for the start of that day in UTC")]
pub struct TimestampError;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment on a clock of elapsed time: nanoseconds since a start that means nothing outside this process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// Before every other.
    pub const ZERO: Self = Self(0);

    /// The moment this many nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// One look at both precise clocks, since each has a fault that the other lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// CLOCK_BOOTTIME: goes on in suspend; its rate is steered by NTP.
    pub boottime: Tick,
    /// CLOCK_MONOTONIC_RAW: the hardware's own rate; stops in suspend.
    pub raw: Tick,
}

impl Reading {
    /// The time since `earlier` by the clock that saw more of it: what a verifier must assume.
    #[must_use]
    pub fn longest_since(self, earlier: Self) -> Duration {
        self.boottime.since(earlier.boottime).max(self.raw.since(earlier.raw))
    }

    /// The time since `earlier` by the clock that saw less of it: what a writer may count.
    #[must_use]
    pub fn shortest_since(self, earlier: Self) -> Duration {
        self.boottime.since(earlier.boottime).min(self.raw.since(earlier.raw))
    }
}

/// The machine's own clocks, with the coarse one on the hot path.
///
/// It costs 4 ns to read, a tenth of what a precise one costs, lags by up to a tick of the kernel, and stops in suspend:
/// right for machines that do not suspend. [`PreciseClock`] is for the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The machine's own clocks, with CLOCK_BOOTTIME on the hot path: it goes on in suspend, and each verification pays for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PreciseClock;

#[cfg(target_os = "linux")]
mod ids {
    use rustix::time::ClockId;

    pub(super) const COARSE: ClockId = ClockId::MonotonicCoarse;
    pub(super) const BOOTTIME: ClockId = ClockId::Boottime;
    pub(super) const RAW: ClockId = ClockId::MonotonicRaw;
}

/// Elsewhere one precise clock stands for all three: slower on the hot path, and as safe as that clock is in suspend.
#[cfg(not(target_os = "linux"))]
mod ids {
    use rustix::time::ClockId;

    pub(super) const COARSE: ClockId = ClockId::Monotonic;
    pub(super) const BOOTTIME: ClockId = ClockId::Monotonic;
    pub(super) const RAW: ClockId = ClockId::Monotonic;
}

fn tick_of(clock: rustix::time::ClockId) -> Tick {
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Tick(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn tick(&self) -> Tick {
        tick_of(ids::COARSE)
    }

    fn tick_lag(&self) -> Duration {
        // One tick of a kernel built with HZ=100, the slowest in use.
        Duration::from_millis(10)
    }

    fn reading(&self) -> Reading {
        Reading { boottime: tick_of(ids::BOOTTIME), raw: tick_of(ids::RAW) }
    }
}

impl Clock for PreciseClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn tick(&self) -> Tick {
        tick_of(ids::BOOTTIME)
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> Reading {
        SystemClock.reading()
    }
}

/// A clock that stands still until it is moved, for tests of embedding services as much as for ours.
///
/// ```
/// use doorward_types::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::default();
/// let before = clock.tick();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.tick().since(before), Duration::from_secs(3));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicI64,
    nanos: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this time of day.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { millis: AtomicI64::new(now.0), nanos: AtomicU64::new(0) }
    }

    /// Lets this much time pass, on all of the clocks at once.
    pub fn advance(&self, duration: Duration) {
        self.millis.fetch_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Starts on 2026-01-01, a date that is easy to recognize in a failing test.
    fn default() -> Self {
        Self::new(Timestamp(1_767_225_600_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.millis.load(Ordering::SeqCst))
    }

    fn tick(&self) -> Tick {
        Tick(self.nanos.load(Ordering::SeqCst))
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> Reading {
        Reading { boottime: self.tick(), raw: self.tick() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_shows_as_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp(1_767_225_600_007).to_string(), "2026-01-01T00:00:00.007Z");
        assert_eq!(serde_json::to_string(&Timestamp(0)).unwrap(), "\"1970-01-01T00:00:00.000Z\"");
    }

    #[test]
    fn a_reading_counts_suspend_for_the_verifier_and_not_for_the_writer() {
        let before = Reading { boottime: Tick(0), raw: Tick(0) };
        let after = Reading { boottime: Tick(9_000_000_000), raw: Tick(2_000_000_000) };
        assert_eq!(after.longest_since(before), Duration::from_secs(9));
        assert_eq!(after.shortest_since(before), Duration::from_secs(2));
    }

    #[test]
    fn the_machines_clocks_go_forward_and_agree_within_the_lag() {
        let clock = SystemClock;
        let (tick, reading) = (clock.tick(), clock.reading());
        assert!(tick > Tick::ZERO && reading.raw > Tick::ZERO && reading.boottime > Tick::ZERO);
        assert!(clock.tick() >= tick);
        assert!(clock.now() > Timestamp(1_700_000_000_000));
    }
}
