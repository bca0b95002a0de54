//! The text of an access key: `dw_test_4fG7hJ2kLm_9aQ…`.
//!
//! | part | length | meaning |
//! |---|---|---|
//! | prefix | 1–16 | `dw`, or the prefix of an embedding service: [`KeyPrefix`] |
//! | environment | 4 | `prod` or `test`: a hint; the stored record decides |
//! | locator | 10 | public; finds the record |
//! | secret | 30 | 178 bits of the operating system's randomness, without modulo bias |
//! | checksum | 6 | CRC-32 of the text before it; catches typing errors, and is not a MAC |
//!
//! A text is read as a [`PresentedKey`], which is only a claim: `doorward-auth` decides whether the key is active. A new key is a
//! [`FreshKey`], whose value is shown once. Stores keep only its [`Digest`].
//!
//! ```
//! use doorward_key::{FreshKey, KeyPrefix, PresentedKey, SystemRandom};
//! use doorward_types::Environment;
//!
//! let prefix = KeyPrefix::default();
//! let fresh = FreshKey::generate(&prefix, Environment::Test, &SystemRandom)?;
//! let presented = PresentedKey::parse(&prefix, fresh.value().expose().as_bytes())?;
//! assert_eq!(presented.locator(), fresh.locator());
//! assert!(presented.digest() == fresh.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The value cannot be printed by accident:
//!
//! ```compile_fail
//! # use doorward_key::{FreshKey, KeyPrefix, SystemRandom};
//! # use doorward_types::Environment;
//! let fresh = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom).unwrap();
//! println!("{}", fresh.value()); // `ShownOnce` has no `Display`
//! ```

mod digest;
mod error;
mod format;
mod fresh;
mod imported;
mod offered;
mod opaque_token;
mod prefix;
mod presented;
mod random;
mod shown_once;

pub use digest::Digest;
pub use error::KeyError;
pub use fresh::{FreshKey, FreshOperatorToken};
pub use imported::{ImportError, ImportFormat, ImportedDigest, PresentedForeignKey};
pub use offered::{OfferedKey, OfferedKeyError};
pub use opaque_token::OpaqueToken;
pub use prefix::{KeyPrefix, PrefixError};
pub use presented::{KeyCandidate, PresentedKey, PresentedOperatorToken};
pub use random::{Random, RandomError, SystemRandom};
pub use shown_once::ShownOnce;
