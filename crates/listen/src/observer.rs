use std::fmt;

use doorward_types::Timestamp;

/// Hears of connections and of the certificate, for metrics. Each method does nothing unless it is implemented.
#[expect(unused_variables, reason = "the names tell an implementation what it gets")]
pub trait Observer: fmt::Debug + Send + Sync {
    /// A connection was opened.
    fn opened(&self) {}

    /// A connection is gone.
    fn closed(&self) {}

    /// A connection was turned away, cut off or made to wait, for this reason.
    fn limited(&self, reason: &'static str) {}

    /// The certificate ends at this time, if that is known, and its files can be read or not.
    fn certificate(&self, end: Option<Timestamp>, is_readable: bool) {}
}
