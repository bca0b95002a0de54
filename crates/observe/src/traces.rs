//! Traces for a collector of OpenTelemetry's (feature `otel`): one span a request, named by the semantic conventions for HTTP.
//!
//! A span tells of the request what its log line tells, and never the path, a header, or a body.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use doorward_client::{Client, Endpoint};
use http::{Request, Response};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::field::Empty;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The target of spans of requests, for filters.
pub const TARGET: &str = "doorward_observe::traces";

/// The time that a collector may take for an answer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The way of spans to a collector. Dropping it sends the spans that are left.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends spans to `endpoint`, such as `http://localhost:4318/v1/traces`.
    ///
    /// # Errors
    ///
    /// Fails if it is no URL that can be asked.
    pub fn to(endpoint: &str, runtime: Handle) -> Result<Self, TracesError> {
        let place: Endpoint = endpoint.parse().map_err(TracesError::new)?;
        let client = Http { client: Client::new().map_err(TracesError::new)?, endpoint: place, runtime };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint)
            .build()
            .map_err(TracesError::new)?;
        let resource = Resource::builder().with_service_name("doorward").build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// Returns the layer that turns spans of requests into those of the provider, and passes over all else.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let spans = tracing_opentelemetry::layer().with_tracer(self.0.tracer("doorward")).with_location(false);
        spans.with_threads(false).with_filter(Targets::new().with_target(TARGET, tracing::Level::INFO))
    }
}

/// The reason why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TracesError(Box<dyn Error + Send + Sync>);

impl TracesError {
    fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Returns the span of a request, under the span that the client names, if it names one (W3C Trace Context).
pub fn request<B>(request: &Request<B>, route: &'static str) -> Span {
    let method = request.method().as_str();
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        network.protocol.version = ?request.version(),
        http.response.status_code = Empty,
        error.r#type = Empty,
        doorward.request_id = Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        let _ = span.set_parent(parent);
    }
    span
}

/// Notes the answer.
pub fn answered<B>(span: &Span, response: &Response<B>) {
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("error.type", status);
    }
    if let Some(id) = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()) {
        span.record("doorward.request_id", id);
    }
}

/// The client that all requests of ours go out by. Spans leave from a thread of their own, which no runtime drives.
#[derive(Debug)]
struct Http {
    client: Client,
    endpoint: Endpoint,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, endpoint) = (self.client.clone(), self.endpoint.clone());
        let (head, body) = request.into_parts();
        let sent = self.runtime.spawn(async move { client.post(&endpoint, head.headers, body, EXPORT_TIMEOUT).await });
        Ok(sent.await??)
    }
}
