//! Allowed callback origins, matched exactly.
//!
//! An attacker who receives an OAuth callback can take over an account. So the list of allowed origins has only one reading:
//!
//! - An entry is one origin: scheme, host, port. `app.example.com` is `https://app.example.com`, without its subdomains, its
//!   parent, `http`, or another port. `localhost:3000` is `http://localhost:3000`; each port needs its own entry.
//! - Two parsers read a URL: the WHATWG parser (the crate `url`), and Doorward's own, which demands the literal text
//!   `scheme://host[:port]`, followed by `/`, `?`, `#` or the end. Both must return the same origin, and it must be listed.
//! - Nothing else is supported: no pattern, no prefix, no suffix, no wildcard. If the two parsers disagree, the URL is refused.
//!
//! ```
//! # #[cfg(feature = "check")] {
//! use doorward_origin::{AllowList, AllowedOrigin};
//!
//! let list: AllowList = ["app.example.com", "localhost:3000"].map(|entry| entry.parse().unwrap()).into_iter().collect();
//! assert!(list.check("https://app.example.com/callback?state=1").is_ok());
//! assert!(list.check("http://localhost:3000").is_ok());
//! for other in ["http://app.example.com/", "https://app.example.com.evil.example/", "https://app.example.com@evil.example/"] {
//!     assert!(list.check(other).is_err());
//! }
//! let refusal = list.check("https://app.example.com:8443/").unwrap_err();
//! assert_eq!(
//!     refusal.to_string(),
//!     "unauthorized origin: `https://app.example.com:8443` is not on the list; the nearest entry, `app.example.com`, has \
//!      another port; the entry that allows it is `app.example.com:8443`"
//! );
//! # }
//! ```
//!
//! Without the feature `check` (on by default), this crate has only the types of lists, for engines: nothing reads an
//! entry or checks a URL, and the crate `url` is not needed.

#[cfg(feature = "check")]
mod check;
mod entry;
#[cfg(feature = "check")]
mod error;
mod list;
mod origin;
#[cfg(feature = "check")]
mod parsing;
#[cfg(feature = "check")]
mod reading;
#[cfg(feature = "check")]
mod spelling;

#[cfg(feature = "check")]
pub use check::{Difference, Nearest, OriginError};
pub use entry::{AllowedOrigin, CustomSchemes};
#[cfg(feature = "check")]
pub use error::{EntryError, EntryErrorKind};
pub use list::AllowList;
pub use origin::Origin;
#[cfg(feature = "check")]
pub use reading::{MAX_URL_LENGTH, UrlError};
