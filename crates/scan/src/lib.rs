//! Finds access keys and operators' tokens that leaked: in files, folders, archives, and the history of a repository.
//!
//! A text counts if its checksum is right, so that look-alikes do not. A finding names the place, the public locator and the
//! digest of the value, for a look into a store. It never holds the value.
//!
//! | item | what it is for |
//! |---|---|
//! | [`Finder`] | bytes in memory |
//! | [`Stream`] | a text that comes in parts |
//! | [`Scanner`] | files, folders, archives, repositories |
//! | [`rules`] | rules for the scanners of others |
//!
//! Values are found as they are, in UTF-16, percent-encoded, and in base64.
//!
//! ```
//! use doorward_key::{FreshKey, KeyPrefix, SystemRandom};
//! use doorward_scan::Finder;
//! use doorward_types::Environment;
//!
//! let prefix = KeyPrefix::default();
//! let fresh = FreshKey::generate(&prefix, Environment::Test, &SystemRandom)?;
//! let text = format!("first line\nkey = {}\n", fresh.value().expose());
//! let found = Finder::new(&prefix).find(text.as_bytes());
//! assert_eq!((found.len(), found[0].line, found[0].locator), (1, 2, fresh.locator()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod decode;
mod finder;
mod git;
mod limits;
mod report;
pub mod rules;
mod scanner;
mod sighting;
mod stream;

pub use finder::Finder;
pub use git::{GitError, hooks_folder};
pub use limits::Limits;
pub use report::{Finding, Place, Report, Unread};
pub use scanner::Scanner;
pub use sighting::{Encoding, Kind, Sighting};
pub use stream::Stream;
