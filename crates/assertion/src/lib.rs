//! Signed identities: who sent a request, for services behind a gateway to verify by themselves.
//!
//! A gateway that hands on headers can be misconfigured, and a service cannot tell. An assertion is a JSON Web Token
//! (RFC 7519), signed with Ed25519 (RFC 8037), that no gateway can forge: a service verifies it with the public keys at
//! `/.well-known/jwks.json` by any library for such tokens. It says who sent the request, to which audience, for
//! [`LIFETIME`].
//!
//! ```
//! use doorward_assertion::{AssertionKeys, Claims};
//! use doorward_types::{Clock, SystemClock};
//! use zeroize::Zeroizing;
//!
//! let now = SystemClock.now();
//! // A seed must be random; this one is for show.
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

pub use keys::{AssertionKeys, AssertionKeysError, LEAD};
pub use token::{Claims, LIFETIME};
