use std::fmt;

use crate::Receipt;

/// Hears of a core's dealings with its store, for metrics. Each method does nothing unless it is implemented.
#[expect(unused_variables, reason = "the names tell an implementation what it gets")]
pub trait Observer: fmt::Debug + Send + Sync {
    /// A change of this process is in effect on every node.
    fn took_effect(&self, receipt: &Receipt) {}

    /// The store failed at work that no request waits for: a poll, an acknowledgement, or the writing of counted uses. The
    /// kinds are those of [`StoreError::failure`](doorward_store::StoreError::failure).
    fn store_failed(&self, kind: &'static str) {}
}

/// The observer of a core without observers.
#[derive(Debug)]
pub(crate) struct Silent;

impl Observer for Silent {}
