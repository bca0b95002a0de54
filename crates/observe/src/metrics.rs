//! Prometheus metrics. No key id, name or locator is ever a label.

use std::sync::atomic::{AtomicU64, Ordering};

use doorward_auth::{ROTATION_PERIOD, Verifier};
use doorward_http::{Counters, KeyMisuse};
use doorward_listen::LIMIT_REASONS;
use doorward_types::Environment;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::process::Process;

/// The labels of a metric: names with values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The labels of a metric whose values come from names.
type NamedLabels<const N: usize> = [(&'static str, String); N];

/// The metrics of a program. A [`Watcher`](crate::Watcher) counts requests and connections in them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    verifications: Family<Labels<2>, Counter>,
    unusual_uses: Family<Labels<1>, Counter>,
    current: Gauge,
    lease_left: Gauge<f64, AtomicU64>,
    poll_age: Gauge<f64, AtomicU64>,
    pub(crate) change_wait: Histogram,
    pub(crate) store_errors: Family<Labels<2>, Counter>,
    pub(crate) tool_calls: Family<NamedLabels<2>, Histogram, fn() -> Histogram>,
    access_log_lost: Counter,
    due: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_limited: Family<Labels<1>, Counter>,
    pub(crate) requests_limited: Family<Labels<2>, Counter>,
    pub(crate) operator_refusals: Counter,
    pub(crate) sign_in_refusals: Family<Labels<1>, Counter>,
    pub(crate) sink_lag_events: Family<NamedLabels<1>, Gauge>,
    pub(crate) sink_lag_seconds: Family<NamedLabels<1>, Gauge>,
    pub(crate) certificate_end: Family<Labels<1>, Gauge>,
    pub(crate) certificate_readable: Family<Labels<1>, Gauge>,
    process: Process,
}

/// The values of the label `by`: a request waited for the store when it failed, or the node itself.
pub(crate) const REQUEST: &str = "request";
pub(crate) const NODE: &str = "node";

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RequestLabels {
    pub(crate) http_request_method: &'static str,
    pub(crate) http_route: &'static str,
    pub(crate) http_response_status_code: u16,
}

/// Buckets in seconds: those of the semantic conventions, and finer buckets below, since answers take microseconds.
fn durations() -> Histogram {
    Histogram::new([0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

const fn verification(environment: &'static str, outcome: &'static str) -> Labels<2> {
    [("environment", environment), ("outcome", outcome)]
}

/// Registers a metric, and returns it.
fn add<M: Clone + Default + Metric>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Returns metrics at zero, of a program of this version.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut whole = Registry::default();
        let requests = Family::new_with_constructor(durations as fn() -> Histogram);
        // By the name of OpenTelemetry's semantic conventions, which is no program's own.
        let help = "Time that requests took, by method, route and status";
        whole.register_with_unit("http_server_request_duration", help, Unit::Seconds, requests.clone());
        let process = Process::register(&mut whole);
        let registry = whole.sub_registry_with_prefix("doorward");
        registry.register("build", "The running program", Info::new([("version", version)]));
        let help = "Credentials presented for an access key, by environment (of accepted ones) and outcome";
        let verifications = add(registry, "verifications", help);
        let help = "Uses of revoked keys, and of keys that a page in a browser or a query string sent";
        let unusual_uses = add(registry, "unusual_uses", help);
        let current = add(registry, "node_current", "1 if this node can prove that it is up to date, else 0");
        let help = "Seconds until this node answers 503, unless it reads the store";
        let lease_left = add(registry, "lease_left_seconds", help);
        let help = "Seconds since this node last read the store with success";
        let poll_age = add(registry, "poll_age_seconds", help);
        let change_wait = durations();
        let help = "Time from the commit of a change by this node until every node had it";
        registry.register_with_unit("change_wait", help, Unit::Seconds, change_wait.clone());
        let help = "Failures of the store, by kind, and by who waited for it: a request, or the node itself";
        let store_errors: Family<Labels<2>, Counter> = add(registry, "store_errors", help);
        for by in [REQUEST, NODE] {
            drop(store_errors.get_or_create(&[("kind", "unavailable"), ("by", by)]));
        }
        let tool_calls = Family::new_with_constructor(durations as fn() -> Histogram);
        let help = "Time that calls of the MCP server's tools took, by tool and outcome";
        registry.register_with_unit("tool_call_duration", help, Unit::Seconds, tool_calls.clone());
        let help = "Lines of the access log that are missing, since standard output was not read in time or could not be written";
        let access_log_lost = add(registry, "access_log_lines_lost", help);
        let due = add(registry, "production_keys_due", "Production keys that are due for rotation");
        let connections = add(registry, "connections", "Connections of clients that are open");
        let help = "Connections that were turned away, cut off or made to wait, by reason";
        let connections_limited: Family<Labels<1>, Counter> = add(registry, "connections_limited", help);
        // An increase is seen only from a number on: without the zero, the first burst would raise no alarm.
        for reason in LIMIT_REASONS {
            drop(connections_limited.get_or_create(&[("reason", reason)]));
        }
        let help =
            "Requests that were refused since too much of their kind was under way, by kind and by whose limit it was";
        let requests_limited = add(registry, "requests_limited", help);
        let help = "Operators' tokens that were refused";
        let operator_refusals = add(registry, "operator_refusals", help);
        let help = "Sign-ins at the page that were refused, by the way in: a link, a passkey, or the identity provider";
        let sign_in_refusals: Family<Labels<1>, Counter> = add(registry, "sign_in_refusals", help);
        for by in ["link", "passkey", "provider"] {
            drop(sign_in_refusals.get_or_create(&[("by", by)]));
        }
        let sink_lag_events = add(registry, "sink_lag_events", "Audit events that have not arrived at a sink yet");
        let sink_lag_seconds =
            add(registry, "sink_lag_seconds", "Age of the oldest audit event that has not arrived at a sink yet");
        // Without TLS, neither has a value: a zero would raise an alarm.
        let help = "End of the first certificate in the file of --tls-cert, in seconds since 1970";
        let certificate_end = add(registry, "tls_certificate_expiry_timestamp_seconds", help);
        let help = "1 if the files of --tls-cert and --tls-key can be read, else 0";
        let certificate_readable = add(registry, "tls_certificate_readable", help);
        Self {
            registry: whole,
            requests,
            verifications,
            unusual_uses,
            current,
            lease_left,
            poll_age,
            change_wait,
            store_errors,
            tool_calls,
            access_log_lost,
            due,
            connections,
            connections_limited,
            requests_limited,
            operator_refusals,
            sign_in_refusals,
            sink_lag_events,
            sink_lag_seconds,
            certificate_end,
            certificate_readable,
            process,
        }
    }

    /// Takes over how many lines the access log has lost.
    pub(crate) fn lost_lines(&self, count: u64) {
        // Each request comes here: as a rule, it only reads.
        if count > self.access_log_lost.get() {
            self.access_log_lost.inner().fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Takes over what the layer counted. The larger number stays, so that two scrapes at once turn no counter back.
    fn counted(&self, counters: &Counters) {
        let verified = |environment, outcome, count| {
            let verifications = self.verifications.get_or_create(&verification(environment, outcome));
            verifications.inner().fetch_max(count, Ordering::Relaxed);
        };
        for environment in Environment::ALL {
            verified(environment.as_str(), "accepted", counters.accepted(environment));
        }
        for (code, count) in counters.refused().filter(|(_, count)| *count > 0) {
            verified("none", code.as_str(), count);
        }
        for misuse in KeyMisuse::ALL {
            let unusual_uses = self.unusual_uses.get_or_create(&[("kind", misuse.as_str())]);
            unusual_uses.inner().fetch_max(counters.misused(misuse), Ordering::Relaxed);
        }
    }

    /// Returns all metrics in the text form of OpenMetrics, with what this node knows now and what its layer has counted.
    ///
    /// # Errors
    ///
    /// Fails if a metric cannot be written.
    pub fn text(&self, verifier: &Verifier, counters: &Counters) -> Result<String, std::fmt::Error> {
        self.counted(counters);
        self.current.set(verifier.is_current().into());
        self.lease_left.set(verifier.lease_left().map_or(0.0, |left| left.as_secs_f64()));
        self.poll_age.set(verifier.poll_age().as_secs_f64());
        let _ = self.process.read();
        let (due, _) = verifier.production_keys_older_than(ROTATION_PERIOD);
        self.due.set(i64::try_from(due).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
