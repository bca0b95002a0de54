//! Logs: to standard error, as text or JSON. No line can hold a key, since nothing that holds one can be formatted.

use std::io::IsTerminal;

use anyhow::{Context, bail, ensure};
use doorward_observe::Line;
#[cfg(feature = "otel")]
use doorward_observe::traces::Traces;
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::arguments::LogFormat;

/// The MCP library tells of every message, arguments and all: only to whom asks for that by its name. Spans of requests are for
/// a collector: lines say the same.
const QUIET: &str = "rmcp=off,doorward_observe::traces=off";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The parts of the program that a filter can name: our crates, and the libraries that say anything.
const PARTS: [&str; 25] = [
    "doorward",
    "doorward_api",
    "doorward_audit",
    "doorward_auth",
    "doorward_client",
    "doorward_dashboard",
    "doorward_http",
    "doorward_link",
    "doorward_listen",
    "doorward_observe",
    "doorward_server",
    "doorward_sink",
    "doorward_store",
    "doorward_store_postgres",
    "doorward_store_sqlite",
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_sdk",
    "rmcp",
    "rustls",
    "tokio",
    "tokio_postgres",
    "tracing",
];

/// Reads a filter: a level, or levels of parts of the program, such as `info,doorward_store=debug`.
///
/// # Errors
///
/// If a level or a part is none: the filter would let nothing through, or something else than was meant.
pub(crate) fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    ensure!(!text.trim().is_empty(), "it is empty: use a level, such as `info`");
    for directive in text.split(',').map(str::trim) {
        let (part, level) = directive.split_once('=').map_or((None, directive), |(part, level)| (Some(part), level));
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            bail!(
                "`{level}` is no level: use off, error, warn, info, debug or trace, or PART=LEVEL such as doorward=debug"
            );
        }
        let Some(part) = part else { continue };
        let name = part.split(['[', ':']).next().unwrap_or_default();
        ensure!(PARTS.contains(&name), "no part of this program is called `{name}`: use one of {}", PARTS.join(", "));
    }
    EnvFilter::try_new(format!("{QUIET},{text}")).context("it is no filter")
}

/// Starts to log, and to trace if someone chose so.
///
/// # Errors
///
/// If spans cannot be sent to the endpoint, or the filter is none.
pub fn start(filter: &str, format: LogFormat, endpoint: Option<&str>, runtime: &Runtime) -> anyhow::Result<Logging> {
    let (filter, reload) = reload::Layer::new(self::filter(filter)?);
    let line = match format {
        LogFormat::Text => Line::TEXT,
        LogFormat::Json => Line::JSON,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(line);
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let start = |endpoint| {
            let traces = Traces::to(endpoint, runtime.handle().clone());
            traces.with_context(|| format!("spans cannot be sent by --otlp-endpoint {endpoint}"))
        };
        let traces = endpoint.map(start).transpose()?;
        registry.with(traces.as_ref().map(Traces::layer)).init();
        Ok(Logging { filter: Filter(reload), _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        let _ = (endpoint, runtime);
        registry.init();
        Ok(Logging { filter: Filter(reload) })
    }
}

/// What must live as long as there is something to tell.
#[derive(Debug)]
pub struct Logging {
    filter: Filter,
    #[cfg(feature = "otel")]
    _traces: Option<Traces>,
}

impl Logging {
    /// Returns what changes the filter later.
    pub(crate) fn filter(&self) -> Filter {
        self.filter.clone()
    }
}

/// The filter in force.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Handle<EnvFilter, Registry>);

impl Filter {
    /// Puts another filter in its place.
    pub(crate) fn replace(&self, filter: EnvFilter) -> anyhow::Result<()> {
        self.0.reload(filter).context("the log's filter is gone")
    }
}
