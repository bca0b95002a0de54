//! Settings of a store's connections.

use std::time::Duration;

/// The level of `synchronous` at which no commit is lost with the power. With NORMAL, a power loss can undo a commit in WAL
/// mode, and a dead key comes back.
pub(crate) const FULL: &str = "FULL";

/// The settings. Only tests use others than the default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) synchronous: &'static str,
    /// The time after which no further write joins a transaction.
    pub(crate) group_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { synchronous: FULL, group_time: Duration::from_millis(10) }
    }
}
