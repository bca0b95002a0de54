//! The embedded engine: one SQLite file that several processes (servers, the command line) may share.
//!
//! One thread writes and several read. A node's control plane ([`doorward_store::NodeRegistry::control`]) has its own
//! threads and connections, so that requests do not delay it. `synchronous` is always `FULL`: with `NORMAL`, a power
//! loss can undo a commit in WAL mode, and a revoked key would work again.
//!
//! ```no_run
//! # async fn example() -> Result<(), doorward_store::StoreError> {
//! use doorward_store::OpenMode;
//! use doorward_store_sqlite::SqliteStore;
//!
//! let store = SqliteStore::open("doorward.db", OpenMode::Create).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The file holds digests and no keys. Its mode is 0600 nevertheless.
//!
//! While the store is open, it consists of the file and of `-wal` and `-shm` beside it. If one of these files is moved,
//! removed, replaced or hard-linked, other programs see another store. Every call then fails with
//! [`doorward_store::Doubt::Moved`]. A closed store is one file. [`SqliteStore::backup`] copies an open store, and
//! [`restore()`] replaces a store by a copy.

mod audit;
mod backup;
mod change;
mod coherence;
mod connection;
mod connection_thread;
mod copy;
mod engine;
mod error;
#[cfg(test)]
mod faults;
mod files;
#[cfg(test)]
mod floods;
mod identity;
mod keys;
mod links;
mod logs;
mod lost;
mod migrations;
mod opening;
mod queue;
mod reader;
mod restore;
mod row;
mod sealing;
mod settings;
mod sign_ins;
mod store;
mod tables;
mod tool_calls;
mod usage;
mod writer;

pub use crate::backup::{BackedUp, BackupProgress};
pub use crate::restore::{Restored, restore};
pub use crate::store::SqliteStore;

doorward_store_sql::implement_shared_parts!(SqliteStore);
