//! The uses of keys, in words and in a picture.

use std::time::Duration;

use doorward_auth::Impact;
use doorward_store::{RetiredSecret, Secret, SecretUsage, UsageBucket};
use doorward_types::{Environment, Locator, SecretState, Timestamp};

use super::when::{ago, between, long};
use super::{RelativeTime, counted, grouped};
use crate::state::Parts;

/// The number of bars in the chart: one for each hour.
const BARS: usize = 24;

/// The height of the chart, in its own units.
const BAR_HEIGHT: u64 = 32;

/// The time after a regeneration in which the page tells who still sends the old key.
pub(super) const JUST_ROTATED: Duration = Duration::from_hours(24);

/// A secret of the production key.
pub(super) struct SecretRow {
    /// The public beginning of the text, which scanners and logs show.
    pub(super) public_name: String,
    pub(super) imported: bool,
    pub(super) created: RelativeTime,
    pub(super) last_used: Option<RelativeTime>,
    pub(super) last_hour: String,
}

/// The uses of the production key, hour by hour, on one scale: those of the current secret, and on top those of the next.
pub(super) struct Chart {
    pub(super) current: String,
    pub(super) next: Option<String>,
    /// The uses of the busiest hour.
    pub(super) most: String,
    pub(super) bars: Vec<Bar>,
}

/// An hour. The heights are on the scale of the chart, which has [`BAR_HEIGHT`].
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) title: String,
    pub(super) current: Piece,
    pub(super) next: Option<Piece>,
}

pub(super) struct Piece {
    pub(super) y: u64,
    pub(super) height: u64,
}

/// A part of the calls of the last hour.
pub(super) struct Share {
    pub(super) percent: u64,
    pub(super) of: String,
}

pub(super) struct Verdict {
    pub(super) text: String,
    pub(super) safe: bool,
}

/// The known uses, and the time of the look.
pub(super) struct UsageView {
    pub(super) usage: Vec<SecretUsage>,
    pub(super) spans: Vec<UsageBucket>,
    pub(super) now: Timestamp,
}

impl UsageView {
    pub(super) fn of(&self, locator: Locator) -> Option<&SecretUsage> {
        self.usage.iter().find(|usage| usage.locator == locator)
    }

    pub(super) fn secret(&self, parts: &Parts, environment: Environment, secret: Secret) -> SecretRow {
        SecretRow {
            public_name: parts.public_name(environment, secret.locator),
            imported: secret.imported.is_some(),
            created: RelativeTime::new(secret.created_at, self.now),
            last_used: self.of(secret.locator).map(|usage| RelativeTime::new(usage.last_used_at, self.now)),
            last_hour: grouped(self.last_hour(secret.locator)),
        }
    }

    pub(super) fn last_hour(&self, locator: Locator) -> u64 {
        self.of(locator).map_or(0, |usage| usage.uses_last_hour)
    }

    /// Returns the share of the calls of the last hour with the next secret.
    pub(super) fn share(&self, current: Locator, next: Locator) -> Share {
        let (next, all) = (self.last_hour(next), self.last_hour(current) + self.last_hour(next));
        Share { percent: (next * 100).checked_div(all).unwrap_or_default(), of: counted(all, "call") }
    }

    /// Returns who is hurt if these secrets die.
    pub(super) fn hurt<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) -> String {
        let used: Vec<_> = secrets.into_iter().filter_map(|secret| self.of(secret.locator)).collect();
        let Some(last) = used.iter().map(|usage| usage.last_used_at).max() else {
            return "Nobody has used it so far.".to_owned();
        };
        let ago = ago(between(last, self.now));
        match used.iter().map(|usage| usage.uses_last_hour).sum() {
            0 => format!("The last call was {ago}, and none in the last hour."),
            uses => format!("{} in the last hour, the last one {ago}: such calls are refused.", counted(uses, "call")),
        }
    }

    fn hours(&self, locator: Locator) -> [u64; BARS] {
        let mut hours = [0_u64; BARS];
        let spans_an_hour = 3_600 / doorward_store::USAGE_BUCKET.as_secs();
        for found in self.spans.iter().filter(|found| found.locator == locator) {
            let ago = u64::try_from(SecretUsage::span(self.now) - found.span).unwrap_or_default() / spans_an_hour;
            let place = usize::try_from(ago).ok().and_then(|ago| (BARS - 1).checked_sub(ago));
            if let Some(hour) = place.and_then(|place| hours.get_mut(place)) {
                *hour += found.uses;
            }
        }
        hours
    }

    /// Returns the uses of both secrets on one scale.
    pub(super) fn chart(&self, current: Locator, next: Option<Locator>) -> Chart {
        let (current, next) = (self.hours(current), next.map(|next| self.hours(next)));
        let of_next = |place: usize| next.and_then(|next| next.get(place).copied()).unwrap_or_default();
        let most = current.iter().enumerate().map(|(place, uses)| uses + of_next(place)).max().unwrap_or_default();
        // Even a single use must be visible.
        let height = |uses: u64| if uses == 0 { 0 } else { (uses * BAR_HEIGHT / most.max(1)).max(1) };
        let bars = current.iter().enumerate().map(|(place, uses)| {
            let (below, above) = (height(*uses), height(of_next(place)));
            // The smaller piece got at least one unit, and both must fit.
            let below = below.min(BAR_HEIGHT - above);
            let hour = (self.now - Duration::from_hours((BARS - 1 - place) as u64)).to_string();
            let hour = hour.get(11..13).unwrap_or_default();
            let title = match next {
                Some(_) => format!(
                    "{hour}:00 UTC: {} with the current key, {} with the next",
                    grouped(*uses),
                    grouped(of_next(place))
                ),
                None => format!("{hour}:00 UTC: {}", counted(*uses, "use")),
            };
            Bar {
                x: place * 8,
                title,
                current: Piece { y: BAR_HEIGHT - below, height: below },
                next: next.map(|_| Piece { y: BAR_HEIGHT - below - above, height: above }),
            }
        });
        Chart {
            current: counted(current.iter().sum(), "use"),
            next: next.map(|next| counted(next.iter().sum(), "use")),
            most: counted(most, "use"),
            bars: bars.collect(),
        }
    }
}

/// The old key after a regeneration.
pub(super) struct Rotated {
    /// The public beginning of the old key.
    pub(super) old: String,
    pub(super) at: RelativeTime,
    /// The calls with the old key that were refused.
    pub(super) refused: u64,
    /// The same, in words.
    pub(super) said: String,
}

/// Returns what has happened since the last regeneration of a production key, if it was within [`JUST_ROTATED`].
pub(super) fn rotated(parts: &Parts, retired: &[RetiredSecret], now: Timestamp) -> Option<Rotated> {
    let was_current = |retired: &&RetiredSecret| {
        retired.environment == Environment::Production && retired.state == SecretState::Current
    };
    let old = retired.iter().filter(was_current).max_by_key(|retired| retired.retired_at)?;
    if between(old.retired_at, now) > JUST_ROTATED {
        return None;
    }
    Some(Rotated {
        old: parts.public_name(old.environment, old.locator),
        at: RelativeTime::new(old.retired_at, now),
        refused: old.refused,
        said: refused_since(old, now),
    })
}

/// Returns who still sends a revoked secret, in words.
pub(super) fn refused_since(retired: &RetiredSecret, now: Timestamp) -> String {
    let Some(last) = retired.last_refused_at.filter(|_| retired.refused > 0) else {
        return "No call with it was refused since.".to_owned();
    };
    let from = retired.last_refused_from.map(|from| format!(" from {from}")).unwrap_or_default();
    format!("{} refused since, the last one {}{from}.", counted(retired.refused, "call"), ago(between(last, now)))
}

/// Returns the consequences of a regeneration, in words.
pub(super) fn verdict(impact: &Impact, now: Timestamp) -> Verdict {
    let last_used = impact.dying.first().and_then(|current| current.usage);
    let last_used = last_used.map(|usage| between(usage.last_used_at, now));
    let text = match (last_used, impact.refused().next()) {
        (None, _) => "Nobody has ever used the old key: safe to regenerate.".to_owned(),
        (Some(gap), None) => format!("Nobody has used the old key for {}: safe to regenerate.", long(gap)),
        (Some(gap), Some(_)) => {
            format!("The old key was last used {}. Regenerating now would refuse those calls.", ago(gap))
        }
    };
    let rest = if impact.is_successor_unused() { " Nobody uses the next key yet: roll it out first." } else { "" };
    Verdict { text: format!("{text}{rest}"), safe: impact.is_safe() }
}

#[cfg(test)]
mod tests {
    use doorward_auth::{QUIET_PERIOD, StagedKey};
    use doorward_key::Digest;

    use super::*;

    fn secret(locator: &str, generation: u32, state: SecretState) -> Secret {
        let (locator, digest) = (locator.parse().unwrap(), Digest::from_bytes([0; 32]));
        Secret::new(state, locator, digest, generation, Timestamp::from_millis(0))
    }

    fn known(uses: &[(&Secret, Duration)], now: Timestamp) -> UsageView {
        let usage = |(secret, ago): &(&Secret, Duration)| SecretUsage::new(secret.locator, now - *ago, 1);
        UsageView { usage: uses.iter().map(usage).collect(), spans: vec![], now }
    }

    #[test]
    fn the_verdict_describes_the_effect_of_regenerating() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let current = secret("aaaaaaaaaa", 1, SecretState::Current);
        let staged = secret("bbbbbbbbbb", 2, SecretState::Staged);
        let (minutes, days) = (Duration::from_mins(4), Duration::from_hours(48));
        let unrolled = " Nobody uses the next key yet: roll it out first.";
        for (uses, text, safe) in [
            (
                vec![(&current, minutes), (&staged, minutes)],
                "The old key was last used 4 minutes ago. Regenerating now would refuse those calls.".to_owned(),
                false,
            ),
            (
                vec![(&current, days), (&staged, minutes)],
                "Nobody has used the old key for 2 days: safe to regenerate.".to_owned(),
                true,
            ),
            (vec![(&staged, minutes)], "Nobody has ever used the old key: safe to regenerate.".to_owned(), true),
            (vec![], format!("Nobody has ever used the old key: safe to regenerate.{unrolled}"), false),
            // A daily job that ran yesterday at this time has not run again yet.
            (
                vec![(&current, QUIET_PERIOD - Duration::from_millis(1)), (&staged, minutes)],
                "The old key was last used 23 hours ago. Regenerating now would refuse those calls.".to_owned(),
                false,
            ),
        ] {
            let impact = Impact::of(&[current, staged], &known(&uses, now).usage, StagedKey::Promote, now);
            let verdict = verdict(&impact, now);
            assert_eq!((verdict.text, verdict.safe), (text, safe));
        }
    }

    #[test]
    fn the_chart_has_a_bar_for_each_hour_and_includes_every_use() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let current = secret("aaaaaaaaaa", 1, SecretState::Current);
        let span = |ago: i64, uses| UsageBucket::new(current.locator, SecretUsage::span(now) - ago, uses);
        let spans = vec![span(0, 10), span(5, 20), span(6, 60), span(143, 1), span(144, 1_000)];
        let chart = UsageView { spans, ..known(&[], now) }.chart(current.locator, None);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.current.height).collect();
        let quiet = [0; 21];
        assert_eq!(heights, [&[1][..], &quiet, &[32, 16]].concat());
        assert_eq!((chart.current.as_str(), chart.most.as_str()), ("91 uses", "60 uses"));
        assert!(chart.bars.iter().all(|bar| bar.current.y + bar.current.height == 32 && bar.next.is_none()));
    }

    /// Five calls beside half a million are a line, and not a full bar.
    #[test]
    fn both_keys_have_one_scale_and_a_share() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let (current, next) =
            (secret("aaaaaaaaaa", 1, SecretState::Current), secret("bbbbbbbbbb", 2, SecretState::Staged));
        let span = |secret: &Secret, uses| UsageBucket::new(secret.locator, SecretUsage::span(now), uses);
        let spans = vec![span(&current, 562_063), span(&next, 5)];
        let usage = [(current, 562_063), (next, 5)].map(|(secret, uses)| SecretUsage::new(secret.locator, now, uses));
        let view = UsageView { usage: usage.to_vec(), spans, now };
        let chart = view.chart(current.locator, Some(next.locator));
        let last = chart.bars.last().unwrap();
        let above = last.next.as_ref().unwrap();
        assert_eq!((last.current.height, above.height, above.y), (31, 1, 0));
        assert!(last.title.ends_with("UTC: 562,063 with the current key, 5 with the next"), "{}", last.title);
        let share = view.share(current.locator, next.locator);
        assert_eq!((share.percent, share.of.as_str()), (0, "562,068 calls"));
        assert_eq!(view.share(next.locator, current.locator).percent, 99);
        assert_eq!(view.hurt(&[next]), "5 calls in the last hour, the last one just now: such calls are refused.");
        let unused = secret("cccccccccc", 1, SecretState::Current);
        assert_eq!(view.hurt(&[unused]), "Nobody has used it so far.");
    }
}
