use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::{Method, StatusCode};

/// Hears of what the API does, for metrics and logs. Each method does nothing unless it is implemented.
///
/// [`Api::counters`](crate::Api::counters) counts the credentials that were presented for access keys.
#[expect(unused_variables, reason = "the names tell an implementation what it gets")]
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was answered. `route` is the pattern of its path, or `none`: never the path, which may hold a key.
    fn answered(&self, method: &Method, route: &'static str, status: StatusCode, took: Duration) {}

    /// A token was presented for an operator's, and refused.
    fn operator_refused(&self, source: Option<IpAddr>) {}

    /// A request was refused since too much of its kind was under way. `by` is the kind of limit, `who` its holder.
    fn limited(&self, kind: &'static str, by: &'static str, who: &str) {}
}

/// The observer of an API without observers.
#[derive(Debug)]
pub(crate) struct Silent;

impl Observer for Silent {}
