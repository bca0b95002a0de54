//! The state of a ceremony, sealed in a cookie of the browser that began it. The server keeps nothing.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_key::Random;
use doorward_records::SealingKeys;
use doorward_types::Timestamp;
use http::{HeaderMap, HeaderValue};

use crate::cookies;
use crate::passkey_error::PasskeyError;

/// The time for which a challenge can be answered: that of the browser's own dialog.
pub(crate) const LIFETIME: Duration = Duration::from_mins(5);

const COOKIE: &str = "__Host-doorward-passkey";

/// The ceremony. A state that was sealed for one opens no other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Adding,
    SignIn,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Adding => "passkey",
            Self::SignIn => "passkey-sign-in",
        }
    }
}

/// Returns the cookie with a ceremony's state. The ceremony that was begun last replaces one before it.
pub(super) fn seal(
    purpose: Purpose,
    state: &[u8],
    key: &SealingKeys,
    random: &dyn Random,
    now: Timestamp,
) -> Result<HeaderValue, PasskeyError> {
    let ends_at = (now + LIFETIME).as_millis().to_be_bytes();
    let sealed = key.seal_for(purpose.as_str(), &[&ends_at, state].concat(), random)?;
    let (value, lifetime) = (BASE64_URL_SAFE_NO_PAD.encode(sealed.as_bytes()), LIFETIME.as_secs());
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={lifetime}");
    cookies::sensitive(cookie).map_err(PasskeyError::begin)
}

/// Returns the state of the ceremony that this browser began, if its time is not over.
pub(super) fn open(purpose: Purpose, headers: &HeaderMap, key: &SealingKeys, now: Timestamp) -> Option<Vec<u8>> {
    let opened = cookies::opened(headers, COOKIE, purpose.as_str(), key)?;
    let (ends_at, state) = opened.split_first_chunk()?;
    (now.as_millis() < i64::from_be_bytes(*ends_at)).then(|| state.to_vec())
}

#[cfg(test)]
mod tests {
    use doorward_key::SystemRandom;
    use doorward_records::SealingKey;
    use http::header::COOKIE as HEADER;
    use zeroize::Zeroizing;

    use super::*;

    fn key(byte: u8) -> SealingKeys {
        SealingKey::new(&Zeroizing::new([byte; 32])).into()
    }

    #[test]
    fn a_state_is_read_in_time_for_its_purpose_and_from_no_other_sealer() {
        let now = Timestamp::from_millis(1_000);
        let set = seal(Purpose::SignIn, b"state", &key(7), &SystemRandom, now).unwrap();
        let (pair, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=300");
        let read = |purpose, pair: &str, byte, at| {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_str(pair).unwrap())]);
            open(purpose, &headers, &key(byte), at)
        };
        let last = now + LIFETIME - Duration::from_millis(1);
        assert_eq!(read(Purpose::SignIn, pair, 7, now).as_deref(), Some(b"state".as_slice()));
        assert!(read(Purpose::SignIn, pair, 7, last).is_some());
        assert!(read(Purpose::SignIn, pair, 7, now + LIFETIME).is_none());
        assert!(read(Purpose::SignIn, pair, 8, now).is_none(), "sealed by someone else");
        assert!(read(Purpose::Adding, pair, 7, now).is_none(), "for another ceremony");
        let forged = format!("{COOKIE}={}", BASE64_URL_SAFE_NO_PAD.encode(b"\x7fxxxxxxxstate"));
        assert!(read(Purpose::SignIn, &forged, 7, now).is_none());
        assert!(read(Purpose::SignIn, "", 7, now).is_none());
    }
}
