//! Allowed callback origins, matched exactly.
//!
//! Whoever receives an OAuth callback can take over an account, so that the list of those who may is read in one way only:
//!
//! - An entry is one origin: scheme, host, port. `app.example.com` is `https://app.example.com`, and none of its subdomains,
//!   its parent, `http`, or another port. `localhost:3000` is `http://localhost:3000`; each port is an entry of its own.
//! - A URL is judged twice: by the WHATWG parser (the crate `url`), and by a reading of our own that demands the literal text
//!   `scheme://host[:port]`, followed by `/`, `?`, `#` or the end. Both must name the same origin, and it must be listed.
//! - Nothing else: no pattern, no prefix, no suffix, no wildcard. What the two readings disagree on is refused.
//!
//! ```
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
//! ```

mod entry;
mod fault;
mod list;
mod origin;
mod reading;
mod spelling;

pub use entry::{AllowedOrigin, CustomSchemes};
pub use fault::{EntryError, EntryFault};
pub use list::{AllowList, Difference, Nearest, Refusal};
pub use origin::Origin;
pub use reading::{MAX_URL_LENGTH, UrlFault};
