use std::fmt;

use doorward_types::Timestamp;

/// The reasons for which a connection is turned away, cut off or made to wait, as [`Observer::limited`] hears them.
pub const LIMIT_REASONS: [&str; 6] =
    ["full", "address", "not_reading", "not_accepted", "not_a_proxy", "no_proxy_header"];

/// Hears of connections and of the certificate, for metrics. Each method does nothing unless it is implemented.
#[expect(unused_variables, reason = "the names tell an implementation what it gets")]
pub trait Observer: fmt::Debug + Send + Sync {
    /// A connection was opened.
    fn opened(&self) {}

    /// A connection is gone.
    fn closed(&self) {}

    /// A connection was turned away, cut off or made to wait, for this reason.
    fn limited(&self, reason: &'static str) {}

    /// The certificate of the listener with this name ends at this time, if that is known, and its files can be read or not.
    fn certificate(&self, listener: &'static str, end: Option<Timestamp>, is_readable: bool) {}
}
