//! Prometheus metrics. No key id, name or locator is ever a label.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use doorward_auth::{ROTATION_PERIOD, Verifier};
use doorward_http::{Rejection, UnusualUse};
use doorward_types::{Environment, Name, Timestamp};
use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The metrics of a program. A [`Watcher`](crate::Watcher) counts requests and connections in them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    verifications: Family<VerificationLabels, Counter>,
    accepted: Accepted,
    unusual_uses: Family<UnusualLabels, Counter>,
    current: Gauge,
    due: Gauge,
    connections: Gauge,
    connections_limited: Family<LimitLabels, Counter>,
    requests_limited: Family<WorkLabels, Counter>,
    operator_refusals: Counter,
    sign_in_refusals: Family<SignInLabels, Counter>,
    sink_lag_events: Family<SinkLabels, Gauge>,
    sink_lag_seconds: Family<SinkLabels, Gauge>,
    certificate_end: Family<ListenerLabels, Gauge>,
    certificate_readable: Family<ListenerLabels, Gauge>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    http_request_method: &'static str,
    http_route: &'static str,
    http_response_status_code: u16,
}

/// In seconds: those of the semantic conventions, and finer ones below, since answers take microseconds.
fn durations() -> Histogram {
    Histogram::new([0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct VerificationLabels {
    environment: &'static str,
    outcome: &'static str,
}

/// Two of the verifications' counters, held so that most requests need not look theirs up.
#[derive(Debug)]
struct Accepted {
    production: Counter,
    test: Counter,
}

impl Accepted {
    fn of(verifications: &Family<VerificationLabels, Counter>) -> Self {
        let of = |environment: Environment| {
            let labels = VerificationLabels { environment: environment.as_str(), outcome: "accepted" };
            verifications.get_or_create(&labels).clone()
        };
        Self { production: of(Environment::Production), test: of(Environment::Test) }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct UnusualLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SignInLabels {
    by: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WorkLabels {
    kind: &'static str,
    by: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SinkLabels {
    sink: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ListenerLabels {
    listener: &'static str,
}

/// The listener of clients, which is the one that speaks TLS.
const CLIENTS: ListenerLabels = ListenerLabels { listener: "clients" };

impl Metrics {
    /// Returns metrics at zero, of a program of this version.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut whole = Registry::default();
        let requests = Family::new_with_constructor(durations as fn() -> Histogram);
        // By the name of OpenTelemetry's semantic conventions, which is no program's own.
        let help = "How long requests took, by method, route and status";
        whole.register_with_unit("http_server_request_duration", help, Unit::Seconds, requests.clone());
        let registry = whole.sub_registry_with_prefix("doorward");
        let verifications = Family::<VerificationLabels, Counter<u64, AtomicU64>>::default();
        let unusual_uses = Family::<UnusualLabels, Counter<u64, AtomicU64>>::default();
        registry.register(
            "unusual_uses",
            "Keys that were used after their death, by a page in a browser, or in a query string",
            unusual_uses.clone(),
        );
        for used in UnusualUse::ALL {
            drop(unusual_uses.get_or_create(&UnusualLabels { kind: used.as_str() }));
        }
        let current = Gauge::default();
        registry.register(
            "verifications",
            "Credentials presented for an access key, by environment (of accepted ones) and outcome",
            verifications.clone(),
        );
        let due = Gauge::default();
        registry.register("production_keys_due", "Production keys that are due for rotation", due.clone());
        registry.register("node_current", "Whether this node can prove that it is up to date", current.clone());
        registry.register("build", "The running program", Info::new([("version", version)]));
        let connections = Gauge::default();
        registry.register("connections", "Connections of clients that are open", connections.clone());
        let connections_limited = Family::<LimitLabels, Counter<u64, AtomicU64>>::default();
        registry.register(
            "connections_limited",
            "Connections that were turned away, cut off or made to wait, by reason",
            connections_limited.clone(),
        );
        let requests_limited = Family::<WorkLabels, Counter<u64, AtomicU64>>::default();
        registry.register(
            "requests_limited",
            "Requests that were refused since too much of their kind was under way, by kind and by whose limit it was",
            requests_limited.clone(),
        );
        let operator_refusals = Counter::default();
        registry.register(
            "operator_refusals",
            "Tokens that were presented for an operator's, and refused",
            operator_refusals.clone(),
        );
        let sign_in_refusals = Family::<SignInLabels, Counter>::default();
        registry.register(
            "sign_in_refusals",
            "Sign-ins at the page that were refused, by the way in: a link, or the identity provider",
            sign_in_refusals.clone(),
        );
        let sink_lag_events = Family::<SinkLabels, Gauge>::default();
        let sink_lag_seconds = Family::<SinkLabels, Gauge>::default();
        registry.register(
            "sink_lag_events",
            "Audit events that have not arrived at a sink yet",
            sink_lag_events.clone(),
        );
        registry.register("sink_lag_seconds", "How long ago the oldest of them was written", sink_lag_seconds.clone());
        // Without TLS, neither is there: a zero would be an alarm.
        let certificate_end = Family::<ListenerLabels, Gauge>::default();
        registry.register(
            "tls_certificate_expiry_timestamp_seconds",
            "When the first certificate of the file of --tls-cert ends, in seconds since 1970",
            certificate_end.clone(),
        );
        let certificate_readable = Family::<ListenerLabels, Gauge>::default();
        registry.register(
            "tls_certificate_readable",
            "Whether the files of --tls-cert and --tls-key can be read",
            certificate_readable.clone(),
        );
        let accepted = Accepted::of(&verifications);
        Self {
            registry: whole,
            requests,
            verifications,
            accepted,
            unusual_uses,
            current,
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
        }
    }

    /// Counts an answer, and how long it took.
    pub fn answered(&self, method: &Method, route: &'static str, status: u16, took: Duration) {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = known.into_iter().find(|name| *name == method.as_str()).unwrap_or("_OTHER");
        let labels =
            RequestLabels { http_request_method: method, http_route: route, http_response_status_code: status };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a verification, and the unusual use of a key.
    pub fn verified(&self, outcome: Result<Environment, &Rejection>) {
        match outcome {
            Ok(Environment::Production) => {
                self.accepted.production.inc();
            }
            Ok(Environment::Test) => {
                self.accepted.test.inc();
            }
            Err(rejection) => {
                let labels = VerificationLabels { environment: "none", outcome: rejection.code().as_str() };
                self.verifications.get_or_create(&labels).inc();
                if let Some(used) = rejection.unusual_use() {
                    self.unusual_uses.get_or_create(&UnusualLabels { kind: used.as_str() }).inc();
                }
            }
        }
    }

    /// Counts a connection that was opened.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// Counts a connection that is gone.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// Counts a connection that was limited, by its reason.
    pub fn connection_limited(&self, reason: &'static str) {
        self.connections_limited.get_or_create(&LimitLabels { reason }).inc();
    }

    /// Counts a sign-in that was refused, by the way in.
    pub fn sign_in_refused(&self, by: &'static str) {
        self.sign_in_refusals.get_or_create(&SignInLabels { by }).inc();
    }

    /// Counts a token that was presented for an operator's, and refused.
    pub fn operator_refused(&self) {
        self.operator_refusals.inc();
    }

    /// Counts a request that was refused since too much of its kind was under way.
    pub fn request_limited(&self, kind: &'static str, by: &'static str) {
        self.requests_limited.get_or_create(&WorkLabels { kind, by }).inc();
    }

    /// Notes how many events a sink lags behind, and for how many seconds.
    pub fn sink_lags(&self, sink: &Name, events: u64, seconds: i64) {
        let labels = SinkLabels { sink: sink.to_string() };
        self.sink_lag_events.get_or_create(&labels).set(i64::try_from(events).unwrap_or(i64::MAX));
        self.sink_lag_seconds.get_or_create(&labels).set(seconds);
    }

    /// Notes when the certificate ends, and whether its files can be read.
    pub fn certificate(&self, end: Option<Timestamp>, is_readable: bool) {
        if let Some(end) = end {
            self.certificate_end.get_or_create(&CLIENTS).set(end.as_millis() / 1_000);
        }
        self.certificate_readable.get_or_create(&CLIENTS).set(is_readable.into());
    }

    /// Returns all metrics in the text form of OpenMetrics, with what this node knows now.
    ///
    /// # Errors
    ///
    /// Fails if a metric cannot be written.
    pub fn text(&self, verifier: &Verifier) -> Result<String, std::fmt::Error> {
        self.current.set(verifier.is_current().into());
        let (due, _) = verifier.production_keys_older_than(ROTATION_PERIOD);
        self.due.set(i64::try_from(due).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
