//! The listener of scrapers and probes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use doorward::api::Api;
use doorward_listen::Inherited;
use doorward_observe::Metrics;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

/// The default address of metrics and probes.
const DEFAULT_ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9464);

/// The name of a listener for scrapers that a supervisor passes on.
pub(crate) const LISTENER: &str = "metrics";

/// Listens for scrapers, unless a supervisor does. If no address was chosen and the default address is taken, such as by a second server on the same
/// machine, the server runs without metrics.
///
/// # Errors
///
/// Fails if the chosen address is not available.
pub(crate) async fn listen(
    inherited: &mut Inherited,
    chosen: Option<SocketAddr>,
) -> anyhow::Result<Option<TcpListener>> {
    if let Some(listener) = inherited.named(LISTENER).context("the listener for metrics cannot be used")? {
        return Ok(Some(listener));
    }
    let address = chosen.unwrap_or(SocketAddr::from(DEFAULT_ADDRESS));
    match TcpListener::bind(address).await {
        Ok(listener) => {
            tracing::info!(address = %listener.local_addr()?, "serving metrics");
            Ok(Some(listener))
        }
        Err(error) if chosen.is_none() => {
            tracing::warn!(%address, %error, "no metrics are served; choose another address with --metrics-listen");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen for metrics on {address}")),
    }
}

/// Answers scrapers and probes, independently of the clients' listener.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, api: Api) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_one(stream, Arc::clone(&metrics), api.clone()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve_one(stream: TcpStream, metrics: Arc<Metrics>, api: Api) {
    let service = service_fn(async |request: Request<Incoming>| {
        let mut response = Response::new(Full::default());
        let (content_type, text, status) = match request.uri().path() {
            "/metrics" => match metrics.text(api.verifier(), &api.counters()) {
                Ok(text) => (OPEN_METRICS, text, StatusCode::OK),
                Err(_) => (JSON, String::new(), StatusCode::INTERNAL_SERVER_ERROR),
            },
            "/healthz" => (JSON, r#"{"status":"ok"}"#.to_owned(), StatusCode::OK),
            "/readyz" if api.is_ready() => (JSON, r#"{"status":"ready"}"#.to_owned(), StatusCode::OK),
            "/readyz" => (JSON, r#"{"status":"not ready"}"#.to_owned(), StatusCode::SERVICE_UNAVAILABLE),
            _ => (JSON, String::new(), StatusCode::NOT_FOUND),
        };
        *response.status_mut() = status;
        *response.body_mut() = Full::new(Bytes::from(text));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok::<_, std::convert::Infallible>(response)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a scraper's connection broke");
    }
}
