//! Formats times for people and for machines.

use std::time::Duration;

use doorward_types::Timestamp;

/// The distance from now below which a time is `just now`.
const JUST_NOW: Duration = Duration::from_secs(5);

/// A time, relative to another time.
#[derive(Clone, Debug)]
pub(crate) struct RelativeTime {
    /// RFC 3339, for `datetime`.
    pub(crate) exact: String,
    /// Such as `4 minutes ago`.
    pub(crate) said: String,
    /// Such as `2026-11-24 13:00 UTC`.
    pub(crate) absolute: String,
}

impl RelativeTime {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.to_string();
        let absolute = match (exact.get(..10), exact.get(11..16)) {
            (Some(date), Some(time)) => format!("{date} {time} UTC"),
            _ => exact.clone(),
        };
        let said = match between(at, now) {
            gap if at <= now || gap < JUST_NOW => ago(gap),
            gap => format!("in {}", long(gap)),
        };
        Self { exact, said, absolute }
    }
}

/// Returns how long ago something was.
pub(crate) fn ago(gap: Duration) -> String {
    if gap < JUST_NOW { "just now".to_owned() } else { format!("{} ago", long(gap)) }
}

/// Returns the distance between two times.
pub(crate) fn between(one: Timestamp, other: Timestamp) -> Duration {
    Duration::from_millis(one.as_millis().abs_diff(other.as_millis()))
}

/// Returns a duration in its most readable unit.
pub(crate) fn long(gap: Duration) -> String {
    const UNITS: [(u64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = gap.as_secs();
    // "26 hours" is more precise than "1 day", but "2 hours" is easier to read than "119 minutes".
    let (length, name) = UNITS.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or_else(|| {
        UNITS.into_iter().find(|(length, _)| seconds >= *length && *length == 60).unwrap_or((1, "second"))
    });
    let count = seconds / length;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_one_unit() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        for (seconds, said) in [
            (0, "just now"),
            (4, "just now"),
            (30, "30 seconds ago"),
            (60, "1 minute ago"),
            (240, "4 minutes ago"),
            (7_000, "116 minutes ago"),
            (7_200, "2 hours ago"),
            (86_400, "24 hours ago"),
            (2 * 86_400, "2 days ago"),
            (59 * 86_400, "59 days ago"),
            (60 * 86_400, "2 months ago"),
            (365 * 86_400, "12 months ago"),
            (730 * 86_400, "2 years ago"),
        ] {
            assert_eq!(RelativeTime::new(now - Duration::from_secs(seconds), now).said, said);
        }
        let due = RelativeTime::new(now + Duration::from_hours(24 * 40), now);
        assert_eq!((due.said.as_str(), due.absolute.as_str()), ("in 40 days", "2027-02-24 08:00 UTC"));
    }
}
