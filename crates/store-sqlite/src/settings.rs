//! Settings for a store's connections.

use std::time::Duration;

/// The level of `synchronous` at which a power loss undoes no commit. With NORMAL, a power loss can undo a commit in
/// WAL mode, and a revoked key would work again.
pub(crate) const FULL: &str = "FULL";

/// The settings. Only tests change the defaults.
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
