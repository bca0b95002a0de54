use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::Timestamp;

/// The input of a fresh id: the time, so that ids sort by age, and 80 random bits from the caller. An [`IdSequence`] makes
/// seeds that also sort within a millisecond.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IdSeed {
    /// The time of the record's creation.
    pub now: Timestamp,
    /// Fresh random bytes; 74 of their 80 bits go into the id (RFC 9562, section 5.7).
    pub random: [u8; 10],
}

impl IdSeed {
    /// Creates a seed. All of `random` must be fresh.
    #[must_use]
    pub const fn new(now: Timestamp, random: [u8; 10]) -> Self {
        Self { now, random }
    }
}

/// Makes the seeds of ids that sort in the order in which they were made, also within one millisecond.
///
/// The twelve bits after the time count up, from a random start in each millisecond (RFC 9562, section 6.2, method 1). A full
/// counter goes on in the next millisecond.
///
/// ```
/// use doorward_types::{IdSequence, OrganizationId, Timestamp};
///
/// let (ids, now) = (IdSequence::default(), Timestamp::from_millis(1_767_225_600_000));
/// let [first, second] = [[0xff; 10], [0; 10]].map(|random| OrganizationId::new(ids.seed(now, random)));
/// assert!(first < second);
/// ```
#[derive(Debug, Default)]
pub struct IdSequence {
    /// The millisecond and the counter of the newest seed.
    newest: AtomicU64,
}

/// The bits of a counter: all that UUID version 7 has between the version and the variant.
const COUNTER_BITS: u32 = 12;

/// The most milliseconds that ids may be ahead of the clock. A clock that was set back by more gives the time again: ids that
/// tell a time of long ago sort wrong beside those of other nodes.
const MAX_AHEAD: u64 = 1_000;

impl IdSequence {
    /// Returns the seed of the next id. All of `random` must be fresh.
    pub fn seed(&self, now: Timestamp, random: [u8; 10]) -> IdSeed {
        let millis = millis_of(now);
        let [high, low, rest @ ..] = random;
        let start = u64::from(u16::from_be_bytes([high, low])) & ((1 << COUNTER_BITS) - 1);
        let after = |newest: u64| match newest >> COUNTER_BITS {
            last if (millis..=millis + MAX_AHEAD).contains(&last) => newest + 1,
            _ => millis << COUNTER_BITS | start,
        };
        let (Ok(newest) | Err(newest)) =
            self.newest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |newest| Some(after(newest)));
        let next = after(newest);
        let [.., high, low] = (next & ((1 << COUNTER_BITS) - 1)).to_be_bytes();
        let now = Timestamp::from_millis(i64::try_from(next >> COUNTER_BITS).unwrap_or(i64::MAX));
        let [a, b, c, d, e, f, g, h] = rest;
        IdSeed { now, random: [high, low, a, b, c, d, e, f, g, h] }
    }
}

/// The milliseconds that an id has room for: 48 bits.
fn millis_of(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(0) & ((1 << 48) - 1)
}

/// The text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The prefix is missing or different.
    #[error("the id should start with `{0}_`")]
    Prefix(&'static str),
    /// The part after the prefix is not 26 characters of Crockford's base 32, in lower case, below 2¹²⁸.
    #[error("after `{0}_` an id has 26 characters of 0-9 and a-z without i, l, o and u")]
    Suffix(&'static str),
}

/// Crockford's base 32 in lower case (TypeID specification, version 0.3).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// The maximum length of a prefix with its underscore, in bytes.
const MAX_PREFIX: usize = 8;

/// The text of an id, on the stack: each request has ids, and an allocation for each would be slow.
struct Text {
    bytes: [u8; MAX_PREFIX + SUFFIX_LENGTH],
    start: usize,
}

impl Text {
    /// `prefix` ends with the underscore.
    fn of(prefix: &str, uuid: Uuid) -> Self {
        let mut bytes = [b'0'; MAX_PREFIX + SUFFIX_LENGTH];
        let mut bits = uuid.as_u128();
        for letter in bytes.iter_mut().rev().take(SUFFIX_LENGTH) {
            *letter = *ALPHABET.get(bits as usize & 31).unwrap_or(&b'0');
            bits >>= 5;
        }
        let start = MAX_PREFIX - prefix.len();
        for (byte, letter) in bytes.iter_mut().skip(start).zip(prefix.bytes()) {
            *byte = letter;
        }
        Self { bytes, start }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(self.start..).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// The values of the alphabet's letters, and 32 for every other byte. A table, since loading a million keys parses two million
/// ids.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const VALUES: [u8; 256] = {
    let mut table = [32; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
};

#[expect(clippy::indexing_slicing, reason = "a byte is within a table of 256")]
fn decode(suffix: &str) -> Option<Uuid> {
    if suffix.len() != SUFFIX_LENGTH || !matches!(suffix.as_bytes().first(), Some(b'0'..=b'7')) {
        return None;
    }
    let (mut bits, mut worst) = (0_u128, 0);
    for byte in suffix.bytes() {
        let digit = VALUES[usize::from(byte)];
        worst |= digit;
        bits = bits << 5 | u128::from(digit);
    }
    (worst < 32).then(|| Uuid::from_u128(bits))
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        const _: () = assert!($prefix.len() < MAX_PREFIX);

        impl $name {
            /// The first part of the id's text, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Creates a fresh id (UUID version 7), which sorts after the ids of earlier milliseconds.
            #[must_use]
            pub fn new(seed: IdSeed) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(millis_of(seed.now), &seed.random).into_uuid())
            }

            /// Returns the id as 128 bits, for compact tables in memory.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// Returns the id with these 128 bits.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Text::of(concat!($prefix, "_"), self.0).as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let suffix = text.strip_prefix(concat!($prefix, "_")).ok_or(IdError::Prefix($prefix))?;
                decode(suffix).map(Self).ok_or(IdError::Suffix($prefix))
            }
        }

        $crate::as_text!($name);
    };
}

typed_id!(
    /// Names an access key. A regeneration keeps it.
    AccessKeyId,
    "key"
);
typed_id!(
    /// Names an entry of an organization's list of allowed callback origins.
    AllowedOriginId,
    "ori"
);
typed_id!(
    /// Names one attempt to link a registered user's account.
    LinkSessionId,
    "ls"
);
typed_id!(
    /// Names an operator.
    OperatorId,
    "op"
);
typed_id!(
    /// Names an organization, the tenant.
    OrganizationId,
    "org"
);
typed_id!(
    /// Names a registered user of one environment.
    RegisteredUserId,
    "ru"
);
typed_id!(
    /// Names one request, in answers, logs and audit events.
    RequestId,
    "req"
);
typed_id!(
    /// Names one run of a verifying node. It is fresh at each start, and never a host's name.
    SessionId,
    "node"
);
typed_id!(
    /// Names one tool call in one environment.
    ToolCallId,
    "tc"
);

impl OrganizationId {
    /// Names the installation itself, in audit events that concern no organization.
    pub const INSTALLATION: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_follows_the_typeid_specification() {
        // Valid vectors of the specification (version 0.3), with Doorward's prefix.
        for (suffix, uuid) in [
            ("00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
            ("00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
            ("0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
            ("0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
            ("7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ("0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
            ("01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ] {
            let id: OrganizationId = format!("org_{suffix}").parse().unwrap();
            assert_eq!(id, OrganizationId(uuid.parse().unwrap()));
            assert_eq!(id.to_string(), format!("org_{suffix}"));
        }
    }

    #[test]
    fn an_invalid_id_is_refused_with_its_reason() {
        let prefix = Err(IdError::Prefix("org"));
        let suffix = Err(IdError::Suffix("org"));
        for (text, expected) in [
            ("", prefix),
            ("org", prefix),
            ("key_01h455vb4pex5vsknk084sn02q", prefix),
            ("ORG_01h455vb4pex5vsknk084sn02q", prefix),
            ("org_", suffix),
            ("org_01h455vb4pex5vsknk084sn02", suffix),
            ("org_01h455vb4pex5vsknk084sn02qq", suffix),
            ("org_8zzzzzzzzzzzzzzzzzzzzzzzzz", suffix),
            ("org_01H455VB4PEX5VSKNK084SN02Q", suffix),
            ("org_01h455vb4pex5vsknk084sn0il", suffix),
            ("org_01h455vb4pex5vsknk084sn0é", suffix),
            (" org_01h455vb4pex5vsknk084sn02q", prefix),
        ] {
            assert_eq!(text.parse::<OrganizationId>(), expected, "{text}");
        }
    }

    #[test]
    fn ids_sort_by_age_as_values_and_as_text() {
        let at = |millis, fill| AccessKeyId::new(IdSeed { now: Timestamp::from_millis(millis), random: [fill; 10] });
        let (older, newer) = (at(1_000, 255), at(1_001, 0));
        assert!(older < newer);
        assert!(older.to_string() < newer.to_string());
    }

    #[test]
    fn ids_of_one_sequence_sort_in_the_order_in_which_they_were_made() {
        let (ids, now) = (IdSequence::default(), Timestamp::from_millis(1_767_225_600_000));
        let random = |count: u32| {
            let mut random = [0; 10];
            random[..4].copy_from_slice(&count.wrapping_mul(0x9e37_79b9).to_le_bytes());
            random
        };
        // Over a full counter too.
        let made: Vec<_> = (0..10_000).map(|count| AccessKeyId::new(ids.seed(now, random(count)))).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()));
        // A clock that goes back a little changes nothing.
        let before = now - std::time::Duration::from_millis(500);
        assert!(AccessKeyId::new(ids.seed(before, random(1))) > made[9_999]);
        // A clock that goes back far gives the time again.
        let long_before = now - std::time::Duration::from_secs(60);
        assert_eq!(ids.seed(long_before, random(1)).now, long_before);
        assert!(AccessKeyId::new(ids.seed(now, random(2))) < AccessKeyId::new(ids.seed(now, random(3))));
    }

    #[test]
    fn the_first_id_of_a_millisecond_is_all_random() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let seed = IdSequence::default().seed(now, [0xa7; 10]);
        assert_eq!(AccessKeyId::new(seed), AccessKeyId::new(IdSeed { now, random: [0xa7; 10] }));
    }
}
