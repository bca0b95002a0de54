//! Signed identities: a service behind a gateway verifies the sender of a request by itself.
//!
//! A gateway that forwards headers can be misconfigured, and a service cannot notice. An assertion is a JSON Web Token (RFC
//! 7519), signed with Ed25519 (RFC 8037), so no gateway can forge it. A service verifies it with the public keys at
//! `/.well-known/jwks.json` and any JWT library. It names the sender and the audience, and is valid for [`LIFETIME`].
//!
//! ```
//! use doorward_assertion::{AssertionKeys, Claims};
//! use doorward_types::{Clock, SystemClock};
//! use zeroize::Zeroizing;
//!
//! let now = SystemClock.now();
//! // A seed must be random; this one is only an example.
//! let keys = AssertionKeys::default().rotated(Zeroizing::new([7; 32]), now);
//! let claims = Claims {
//!     issuer: "https://keys.example.com",
//!     audience: "https://api.example.com",
//!     access_key: "key_01kb0000000000000000000000".parse()?,
//!     organization: "org_01kb0000000000000000000000".parse()?,
//!     environment: "production".parse()?,
//!     key_name: "production",
//! };
//! let token = keys.sign(&claims, now).expect("there is a key");
//! assert_eq!(token.split('.').count(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod token;

pub use keys::{AssertionKeys, AssertionKeysError, PUBLISH_LEAD};
pub use token::{Claims, LIFETIME};
