//! The observer of the API and of connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_http::{Rejection, SourceAddress};
use doorward_listen::Throttle;
use doorward_types::{Environment, Timestamp};
use http::{Method, StatusCode};

use crate::metrics::Metrics;

/// Counts what the API and connections do. The log has a line about limits now and then.
#[derive(Debug)]
pub struct Watcher {
    metrics: Arc<Metrics>,
    throttle: Throttle<(&'static str, &'static str)>,
}

impl Watcher {
    /// Returns a watcher that counts in these metrics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, throttle: Throttle::default() }
    }

    /// Counts a sign-in at the page that was refused, by the way in.
    pub fn sign_in_refused(&self, source: Option<SourceAddress>, by: &'static str) {
        self.metrics.sign_in_refused(by);
        if let Some(untold) = self.throttle.is_due(("sign-in", by)) {
            let address = source.map(|SourceAddress(address)| tracing::field::display(address));
            tracing::warn!(address, by, untold, "a sign-in at the page was refused");
        }
    }
}

impl doorward_listen::Observer for Watcher {
    fn opened(&self) {
        self.metrics.connection_opened();
    }

    fn closed(&self) {
        self.metrics.connection_closed();
    }

    fn limited(&self, reason: &'static str) {
        self.metrics.connection_limited(reason);
    }

    fn certificate(&self, end: Option<Timestamp>, is_readable: bool) {
        self.metrics.certificate(end, is_readable);
    }
}

impl doorward_api::Observer for Watcher {
    fn answered(&self, method: &Method, route: &'static str, status: StatusCode, took: Duration) {
        self.metrics.answered(method, route, status.as_u16(), took);
    }

    fn verified(&self, outcome: Result<Environment, &Rejection>) {
        self.metrics.verified(outcome);
    }

    fn operator_refused(&self, address: Option<IpAddr>) {
        self.metrics.operator_refused();
        if let Some(untold) = self.throttle.is_due(("operator", "token")) {
            let address = address.map(tracing::field::display);
            tracing::warn!(address, untold, "a token that was presented for an operator's was refused");
        }
    }

    fn limited(&self, kind: &'static str, by: &'static str, who: &str) {
        self.metrics.request_limited(kind, by);
        if let Some(untold) = self.throttle.is_due((kind, by)) {
            tracing::warn!(kind, by, who, untold, "a client was limited");
        }
    }
}
