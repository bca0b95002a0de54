//! Files that hold secrets, for a service that keeps its keys in files.
//!
//! | item | purpose |
//! |---|---|
//! | [`SealingKeySource`] | the keys that seal credentials at rest, checked against the store and followed: start here |
//! | [`read`], [`credential`] | a secret in a file, or in a credential of systemd |
//! | [`follow`] | a file that is read again when it changes |
//! | [`KeyFile`] | a file that a command replaces as a whole |
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use std::sync::Arc;
//! use doorward_auth::Core;
//! use doorward_secret_files::SealingKeySource;
//! use doorward_store_memory::MemoryStore;
//!
//! let store = Arc::new(MemoryStore::new());
//! let core = Core::new(store.clone());
//! // The first start makes the key. Later starts read it.
//! let source = SealingKeySource::file(folder.path().join("sealing-key")).made_if_missing();
//! let keys = source.load(&*store, &core).await?;
//! assert_eq!(keys.ids(), [keys.sealing()]);
//! # Ok(()) }
//! ```

#[cfg(unix)]
mod key_file;
mod sealing;
mod secret_file;
mod temporary;

#[cfg(unix)]
pub use key_file::{KeyFile, KeyFileError};
pub use sealing::{SealingKeySource, SealingSourceError};
pub use secret_file::{SecretFileError, credential, follow, read};
