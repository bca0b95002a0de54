use zeroize::Zeroizing;

use crate::{Digest, Random, RandomError, format};

/// The number of base-62 digits in a token: 43 digits are 256 bits.
const LENGTH: usize = 43;

/// A random bearer text whose digest is stored: the `state` of an account link (RFC 6749, section 10.12), a sign-in link, or a
/// browser's session. A client that presents the text counts as the client that received it.
pub struct OpaqueToken(Zeroizing<String>);

impl OpaqueToken {
    /// Generates a token.
    ///
    /// # Errors
    ///
    /// Fails if the random generator fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut digits = Zeroizing::new([0; LENGTH]);
        format::draw(random, &mut *digits)?;
        let text = str::from_utf8(&*digits).map_err(|_| RandomError)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Reads the text that a browser sent. Returns `None` if it is not a token.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        let well_formed = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the text, for the single place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digest, to be stored.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

doorward_types::debug_as!(OpaqueToken, "OpaqueToken(…)");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn only_a_generated_token_is_read_back() {
        let state = OpaqueToken::generate(&SystemRandom).unwrap();
        assert_eq!(OpaqueToken::presented(state.expose()).unwrap().digest(), state.digest());
        assert_ne!(OpaqueToken::generate(&SystemRandom).unwrap().digest(), state.digest());
        for text in ["", "a", &"a".repeat(42), &"a".repeat(44), &"-".repeat(43), &"ü".repeat(21)] {
            assert!(OpaqueToken::presented(text).is_none(), "{text}");
        }
        assert_eq!(format!("{state:?}"), "OpaqueToken(…)");
    }
}
