//! The embedded engine: one SQLite file that several processes (servers, the command line) may share.
//!
//! One thread writes and several read. A node's control plane ([`doorward_store::Coherence::control`]) has threads and
//! connections of its own, so that no request stands in its way. `synchronous=FULL`, always: with `NORMAL`, a power loss
//! can undo a commit in WAL mode, and a dead key comes back.
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
//! The file holds no key, only digests. Even so it is made with mode 0600.
//!
//! While the store is open, its files belong together: `-wal` and `-shm` beside the file itself. If one of them is moved,
//! removed, replaced or linked to, other programs see another store, and everything here ends with
//! [`doorward_store::Doubt::Moved`]. A store that was closed is one file. [`SqliteStore::backup`] and [`restore()`] copy a
//! store, and put a copy in its place, without a look at these files.

mod audit;
mod backup;
mod change;
mod coherence;
mod connection;
mod control;
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
mod lane;
mod links;
mod lost;
mod migrations;
mod opening;
mod operators;
mod outbox;
mod queue;
mod reader;
mod requests;
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
