use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A source of time of day and of elapsed time.
///
/// The *time of day* goes into records; no decision relies on it. *Elapsed time* carries the promise that every node refuses a
/// dead key: it compares two durations on two clocks, and never sends a time of day between machines. A clock is always an
/// argument, so that tests move it instead of sleeping.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the time of day.
    fn now(&self) -> Timestamp;

    /// Returns elapsed time for the hot path: a few nanoseconds to read, may lag by [`Clock::tick_lag`], may stop in suspend.
    fn tick(&self) -> MonoInstant;

    /// Returns the maximum lag of [`Clock::tick`].
    fn tick_lag(&self) -> Duration;

    /// Returns elapsed time on the two precise clocks, for everything except the hot path.
    fn reading(&self) -> ClockReading;
}

/// A time of day: milliseconds since the Unix epoch, shown in RFC 3339 form.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time this many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
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

    /// Reads an RFC 3339 time, such as `2026-11-24T13:00:00Z`, or a date, which means its start in UTC.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
        moment.map(|moment| Self(moment.as_millisecond())).map_err(|_| TimestampError)
    }
}

crate::as_text!(Timestamp);

/// The text is not a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a time has the form 2026-11-24T13:00:00Z, or 2026-11-24 for the start of that day in UTC")]
#[non_exhaustive]
pub struct TimestampError;

/// A reading of a clock of elapsed time: nanoseconds since a start that has no meaning outside this process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MonoInstant(u64);

impl MonoInstant {
    /// The earliest tick.
    pub const ZERO: Self = Self(0);

    /// Returns the tick this many nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoInstant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A reading of both precise clocks, since each clock has a fault that the other lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClockReading {
    /// CLOCK_BOOTTIME: continues in suspend; NTP steers its rate.
    pub boottime: MonoInstant,
    /// CLOCK_MONOTONIC_RAW: has the hardware's own rate; stops in suspend.
    pub raw: MonoInstant,
}

impl ClockReading {
    /// Creates a reading from the times of both clocks.
    #[must_use]
    pub const fn new(boottime: MonoInstant, raw: MonoInstant) -> Self {
        Self { boottime, raw }
    }

    /// Returns the longer of the two times since `earlier`: a verifier must assume it.
    #[must_use]
    pub fn longest_since(self, earlier: Self) -> Duration {
        self.boottime.since(earlier.boottime).max(self.raw.since(earlier.raw))
    }

    /// Returns the shorter of the two times since `earlier`: a writer may rely on it.
    #[must_use]
    pub fn shortest_since(self, earlier: Self) -> Duration {
        self.boottime.since(earlier.boottime).min(self.raw.since(earlier.raw))
    }
}

/// The machine's clocks, with the coarse clock on the hot path.
///
/// A read costs 4 ns, a tenth of a precise clock's. The clock lags by up to a tick of the kernel, and stops in suspend, so it is
/// right for machines that do not suspend. Use [`PreciseClock`] for other machines.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The machine's clocks, with CLOCK_BOOTTIME on the hot path: it continues in suspend, at a cost for each verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct PreciseClock;

#[cfg(target_os = "linux")]
mod ids {
    use rustix::time::ClockId;

    pub(super) const COARSE: ClockId = ClockId::MonotonicCoarse;
    pub(super) const BOOTTIME: ClockId = ClockId::Boottime;
    pub(super) const RAW: ClockId = ClockId::MonotonicRaw;
}

/// Other systems use one precise clock for all three: slower on the hot path, and as safe as that clock is in suspend.
#[cfg(not(target_os = "linux"))]
mod ids {
    use rustix::time::ClockId;

    pub(super) const COARSE: ClockId = ClockId::Monotonic;
    pub(super) const BOOTTIME: ClockId = ClockId::Monotonic;
    pub(super) const RAW: ClockId = ClockId::Monotonic;
}

fn tick_of(clock: rustix::time::ClockId) -> MonoInstant {
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    MonoInstant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn tick(&self) -> MonoInstant {
        tick_of(ids::COARSE)
    }

    fn tick_lag(&self) -> Duration {
        // One tick of a kernel built with HZ=100, the slowest in use.
        Duration::from_millis(10)
    }

    fn reading(&self) -> ClockReading {
        ClockReading { boottime: tick_of(ids::BOOTTIME), raw: tick_of(ids::RAW) }
    }
}

impl Clock for PreciseClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn tick(&self) -> MonoInstant {
        tick_of(ids::BOOTTIME)
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> ClockReading {
        SystemClock.reading()
    }
}

/// A clock that stands still until a test moves it, also for the tests of embedding services.
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
    /// Creates a clock that shows this time of day.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { millis: AtomicI64::new(now.0), nanos: AtomicU64::new(0) }
    }

    /// Moves all of the clocks forward by this duration.
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

    fn tick(&self) -> MonoInstant {
        MonoInstant(self.nanos.load(Ordering::SeqCst))
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> ClockReading {
        ClockReading { boottime: self.tick(), raw: self.tick() }
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
        let before = ClockReading { boottime: MonoInstant(0), raw: MonoInstant(0) };
        let after = ClockReading { boottime: MonoInstant(9_000_000_000), raw: MonoInstant(2_000_000_000) };
        assert_eq!(after.longest_since(before), Duration::from_secs(9));
        assert_eq!(after.shortest_since(before), Duration::from_secs(2));
    }

    #[test]
    fn the_machines_clocks_go_forward_and_agree_within_the_lag() {
        let clock = SystemClock;
        let (tick, reading) = (clock.tick(), clock.reading());
        assert!(tick > MonoInstant::ZERO && reading.raw > MonoInstant::ZERO && reading.boottime > MonoInstant::ZERO);
        assert!(clock.tick() >= tick);
        assert!(clock.now() > Timestamp(1_700_000_000_000));
    }
}
