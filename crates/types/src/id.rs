use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;

/// What a fresh id is made of: the time, so that ids sort by age, and 80 bits of the caller's randomness.
#[derive(Clone, Copy, Debug)]
pub struct IdSeed {
    /// When the record is made.
    pub now: Timestamp,
    /// Fresh random bytes; 74 of their 80 bits end up in the id (RFC 9562, section 5.7).
    pub random: [u8; 10],
}

/// The text is no id of the wanted kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// It starts with another prefix, or with none.
    #[error("the id should start with `{0}_`")]
    Prefix(&'static str),
    /// What follows the prefix is not 26 characters of Crockford's base 32, in lower case, below 2¹²⁸.
    #[error("after `{0}_` an id has 26 characters of 0-9 and a-z without i, l, o and u")]
    Suffix(&'static str),
}

/// Crockford's base 32 in lower case, as the TypeID specification (version 0.3) has it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// The most bytes of a prefix and its underscore.
const MAX_PREFIX: usize = 8;

/// The text of an id, on the stack: requests are named, and name others, too often for a piece at a time.
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

/// The values of the alphabet's letters, and 32 for every other byte. Loading a million keys reads two million ids.
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
        #[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[serde(try_from = "String")]
        pub struct $name(Uuid);

        const _: () = assert!($prefix.len() < MAX_PREFIX);

        impl $name {
            /// What the text of such an id starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id (UUID version 7), which sorts after those of earlier milliseconds.
            #[must_use]
            pub fn new(seed: IdSeed) -> Self {
                let millis = u64::try_from(seed.now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &seed.random).into_uuid())
            }

            /// The id as 128 bits, for compact tables in memory.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// The id with these 128 bits.
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

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Text::of(concat!($prefix, "_"), self.0).as_str())
            }
        }
    };
}

typed_id!(
    /// Names an access key through all its regenerations.
    AccessKeyId,
    "key"
);
typed_id!(
    /// Names an entry of an organization's list of allowed callback origins.
    AllowedOriginId,
    "ori"
);
typed_id!(
    /// Names one try to link a registered user's account elsewhere.
    LinkSessionId,
    "ls"
);
typed_id!(
    /// Names an operator of the management side.
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
    /// Names one run of one verifying node: fresh at each start, never a host's name.
    SessionId,
    "node"
);
typed_id!(
    /// Names one call of a tool, in one environment.
    ToolCallId,
    "tc"
);

impl OrganizationId {
    /// Stands for the installation itself, in the audit events that concern no organization.
    pub const INSTALLATION: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_follows_the_typeid_specification() {
        // Valid vectors of the specification (version 0.3), with our prefix.
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
    fn anything_else_is_refused_with_its_reason() {
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
}
