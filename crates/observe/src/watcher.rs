//! The observer of the API and of connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_api::Answered;
use doorward_auth::Receipt;
use doorward_http::SourceAddress;
use doorward_listen::Throttle;
use doorward_types::Timestamp;

use crate::access_log::AccessLog;
use crate::method;
use crate::metrics::{Metrics, NODE, REQUEST, RequestLabels};

/// Counts what the API and connections do. The log has a line about limits now and then.
#[derive(Debug)]
pub struct Watcher {
    metrics: Arc<Metrics>,
    throttle: Throttle<(&'static str, &'static str)>,
    access_log: Option<AccessLog>,
}

impl Watcher {
    /// Returns a watcher that counts in these metrics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, throttle: Throttle::default(), access_log: None }
    }

    /// Writes a line for each request, too.
    #[must_use]
    pub fn with_access_log(self, access_log: Option<AccessLog>) -> Self {
        Self { access_log, ..self }
    }

    /// Counts a sign-in at the page that was refused, by the way in.
    pub fn sign_in_refused(&self, source: Option<SourceAddress>, by: &'static str) {
        self.metrics.sign_in_refusals.get_or_create(&[("by", by)]).inc();
        if let Some(untold) = self.throttle.is_due(("sign-in", by)) {
            let address = source.map(|SourceAddress(address)| tracing::field::display(address));
            tracing::warn!(address, by, untold, "a sign-in at the page was refused");
        }
    }
}

impl doorward_listen::Observer for Watcher {
    fn opened(&self) {
        self.metrics.connections.inc();
    }

    fn closed(&self) {
        self.metrics.connections.dec();
    }

    fn limited(&self, reason: &'static str) {
        self.metrics.connections_limited.get_or_create(&[("reason", reason)]).inc();
    }

    fn certificate(&self, listener: &'static str, end: Option<Timestamp>, is_readable: bool) {
        if let Some(end) = end {
            self.metrics.certificate_end.get_or_create(&[("listener", listener)]).set(end.as_millis() / 1_000);
        }
        self.metrics.certificate_readable.get_or_create(&[("listener", listener)]).set(is_readable.into());
    }
}

impl doorward_auth::Observer for Watcher {
    fn took_effect(&self, receipt: &Receipt) {
        self.metrics.change_wait.observe(receipt.waited().as_secs_f64());
    }

    fn store_failed(&self, kind: &'static str) {
        self.metrics.store_errors.get_or_create(&[("kind", kind), ("by", NODE)]).inc();
    }
}

impl doorward_api::Observer for Watcher {
    fn answered(&self, request: &Answered<'_>) {
        let labels = RequestLabels {
            http_request_method: method::name(request.method),
            http_route: request.route,
            http_response_status_code: request.status.as_u16(),
        };
        self.metrics.requests.get_or_create(&labels).observe(request.took.as_secs_f64());
        if let Some(log) = &self.access_log {
            log.write(request);
            self.metrics.lost_lines(log.lost());
        }
    }

    fn store_failed(&self, kind: &'static str) {
        self.metrics.store_errors.get_or_create(&[("kind", kind), ("by", REQUEST)]).inc();
    }

    fn tool_called(&self, tool: &str, succeeded: bool, took: Duration) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let labels = [("tool", tool.to_owned()), ("outcome", outcome.to_owned())];
        self.metrics.tool_calls.get_or_create(&labels).observe(took.as_secs_f64());
    }

    fn operator_refused(&self, address: Option<IpAddr>) {
        self.metrics.operator_refusals.inc();
        if let Some(untold) = self.throttle.is_due(("operator", "token")) {
            let address = address.map(tracing::field::display);
            tracing::warn!(address, untold, "a token that was presented for an operator's was refused");
        }
    }

    fn limited(&self, kind: &'static str, by: &'static str, who: &str) {
        self.metrics.requests_limited.get_or_create(&[("kind", kind), ("by", by)]).inc();
        if let Some(untold) = self.throttle.is_due((kind, by)) {
            tracing::warn!(kind, by, who, untold, "a client was limited");
        }
    }
}
