use doorward_types::{Environment, Locator};

use crate::{Digest, KeyPrefix, PresentedOperatorToken, Random, RandomError, ShownOnce, format};

/// A newly generated key, with the only copy of its value.
#[derive(Debug)]
pub struct FreshKey {
    value: ShownOnce,
    locator: Locator,
    digest: Digest,
}

impl FreshKey {
    /// Generates a key.
    ///
    /// # Errors
    ///
    /// Fails if the random generator fails.
    pub fn generate(prefix: &KeyPrefix, environment: Environment, random: &dyn Random) -> Result<Self, RandomError> {
        let head = format!("{prefix}_{}", environment.key_label());
        let (value, locator) = format::write(&head, random)?;
        let digest = Digest::of(value.expose().as_bytes());
        Ok(Self { value, locator, digest })
    }

    /// Returns the digest, to be stored.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the public part of the text.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(&self) -> &ShownOnce {
        &self.value
    }

    /// Returns the value alone, for the answer that shows it.
    #[must_use]
    pub fn into_value(self) -> ShownOnce {
        self.value
    }
}

/// A newly generated operator token, with the only copy of its value.
#[derive(Debug)]
pub struct FreshOperatorToken(FreshKey);

impl FreshOperatorToken {
    /// Generates a token.
    ///
    /// # Errors
    ///
    /// Fails if the random generator fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let (value, locator) = format::write(PresentedOperatorToken::HEAD, random)?;
        let digest = Digest::of(value.expose().as_bytes());
        Ok(Self(FreshKey { value, locator, digest }))
    }

    /// Returns the digest, to be stored.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Returns the public part of the text.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.0.locator
    }

    /// Returns the value alone, for the answer that shows it.
    #[must_use]
    pub fn into_value(self) -> ShownOnce {
        self.0.value
    }
}
