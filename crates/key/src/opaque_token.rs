use std::fmt;

use zeroize::Zeroizing;

use crate::{Digest, Random, RandomError, anatomy};

/// The digits of a token: 43 of base 62 are 256 bits.
const LENGTH: usize = 43;

/// A text that means nothing but to whoever stored its digest: the `state` of one try to link an account (RFC 6749, section 10.12), a
/// link to sign in by, a session in a browser. Whoever brings it back is taken for who got it.
pub struct OpaqueToken(Zeroizing<String>);

impl OpaqueToken {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Where the generator fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut digits = Zeroizing::new([0; LENGTH]);
        anatomy::draw(random, &mut *digits)?;
        let text = str::from_utf8(&*digits).map_err(|_| RandomError)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Reads what a browser brought back; none where it is no such token.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        let well_formed = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the one place that it goes out in.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn what_was_made_is_read_back_and_nothing_else_is() {
        let state = OpaqueToken::generate(&SystemRandom).unwrap();
        assert_eq!(OpaqueToken::presented(state.expose()).unwrap().digest(), state.digest());
        assert_ne!(OpaqueToken::generate(&SystemRandom).unwrap().digest(), state.digest());
        for text in ["", "a", &"a".repeat(42), &"a".repeat(44), &"-".repeat(43), &"ü".repeat(21)] {
            assert!(OpaqueToken::presented(text).is_none(), "{text}");
        }
        assert_eq!(format!("{state:?}"), "OpaqueToken(…)");
    }
}
