//! The API with the page beside it, as connections are served with them; and the word on what they do.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use doorward::api::{Api, Body, Mount, Observer};
use doorward::dashboard::{Dashboard, SignInRefused};
use doorward::http::{Rejection, SourceAddress};
use doorward::types::{Environment, Timestamp};
use doorward_listen::{Handler, Throttle};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::metrics::Metrics;
#[cfg(feature = "otel")]
use crate::traces;

/// The API, each request of which is a span.
#[derive(Clone, Debug)]
pub(crate) struct Site(pub(crate) Api);

impl Handler for Site {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        #[cfg(feature = "otel")]
        let span = traces::request(&request, self.0.pattern(request.uri().path()));
        let response = self.0.answer(request, Some(peer)).await;
        #[cfg(feature = "otel")]
        traces::answered(&span, &response);
        response
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    async fn idle(&self) {
        self.0.idle().await;
    }
}

/// The paths of the page *Settings → API Keys*.
const PAGE: &[&str] = &["/dashboard", "/dashboard/", "/dashboard/{*rest}"];

/// Returns the page, whose refused sign-ins are counted.
pub(crate) fn page(dashboard: Dashboard, watcher: Arc<Watcher>) -> Mount {
    Mount::new(PAGE, &[Method::GET, Method::POST], move |request| {
        let (dashboard, watcher) = (dashboard.clone(), Arc::clone(&watcher));
        async move {
            let source = request.extensions().get::<SourceAddress>().copied();
            let reply = dashboard.answer(request).await;
            if let Some(refused) = reply.extensions().get::<SignInRefused>() {
                watcher.sign_in_refused(source, *refused);
            }
            reply
        }
    })
}

/// Counts what the API and connections do. The log has a line about limits now and then.
#[derive(Debug)]
pub(crate) struct Watcher {
    metrics: Arc<Metrics>,
    throttle: Throttle<(&'static str, &'static str)>,
}

impl Watcher {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, throttle: Throttle::default() }
    }

    fn sign_in_refused(&self, source: Option<SourceAddress>, by: SignInRefused) {
        let by = match by {
            SignInRefused::Link => "link",
            SignInRefused::Provider => "provider",
        };
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

impl Observer for Watcher {
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
