use doorward_types::{Environment, Locator};

use crate::{Digest, KeyPrefix, PresentedOperatorToken, Random, RandomError, ShownOnce, anatomy};

/// A key that was just made, with the only copy of its value.
#[derive(Debug)]
pub struct FreshKey {
    value: ShownOnce,
    locator: Locator,
    digest: Digest,
}

impl FreshKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// Where the generator fails.
    pub fn generate(prefix: &KeyPrefix, environment: Environment, random: &dyn Random) -> Result<Self, RandomError> {
        let head = format!("{prefix}_{}", environment.key_label());
        let (value, locator) = anatomy::write(&head, random)?;
        let digest = Digest::of(value.expose().as_bytes());
        Ok(Self { value, locator, digest })
    }

    /// What is stored of it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The public part of its text.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &ShownOnce {
        &self.value
    }

    /// The value alone, to be handed on to the answer that shows it.
    #[must_use]
    pub fn into_value(self) -> ShownOnce {
        self.value
    }
}

/// An operator's token that was just made, with the only copy of its value.
#[derive(Debug)]
pub struct FreshOperatorToken(FreshKey);

impl FreshOperatorToken {
    /// Makes a token.
    ///
    /// # Errors
    ///
    /// Where the generator fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let (value, locator) = anatomy::write(PresentedOperatorToken::HEAD, random)?;
        let digest = Digest::of(value.expose().as_bytes());
        Ok(Self(FreshKey { value, locator, digest }))
    }

    /// What is stored of it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The public part of its text.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.0.locator
    }

    /// The value alone, to be handed on to the answer that shows it.
    #[must_use]
    pub fn into_value(self) -> ShownOnce {
        self.0.value
    }
}
