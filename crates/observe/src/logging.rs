//! The log of a program: lines on standard error, by a filter that can be replaced while the program runs. No line can hold a key:
//! nothing that holds a key can be formatted.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::line::{Line, Style};
#[cfg(feature = "otel")]
use crate::traces::Traces;

/// The MCP library logs every message with its arguments: only a filter that names the library shows them. Spans of requests are
/// for a collector: lines say the same.
const SILENCED_TARGETS: &str = "rmcp=off,doorward_observe::traces=off";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The parts of a program that a filter can name: Doorward's crates, and the libraries that log anything.
const LOG_TARGETS: [&str; 26] = [
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
    "doorward_secret_files",
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

/// A filter of log lines: a level, or levels of parts of the program, such as `info,doorward_store=debug`.
#[derive(Debug)]
pub struct Filter(EnvFilter);

/// The reason why a text is not a filter. It would let nothing through, or the wrong lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The text is empty.
    #[error("it is empty: use a level, such as `info`")]
    Empty,
    /// The filter has a form that is not known.
    #[error("it is not a filter")]
    Malformed(#[from] ParseError),
    /// A level does not exist.
    #[error("`{0}` is not a level: use off, error, warn, info, debug or trace, or PART=LEVEL such as doorward=debug")]
    NoSuchLevel(String),
    /// A part does not exist.
    #[error("no part of this program is called `{0}`: use one of {parts}", parts = LOG_TARGETS.join(", "))]
    NoSuchPart(String),
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Err(FilterError::Empty);
        }
        for directive in text.split(',').map(str::trim) {
            let (part, level) = match directive.split_once('=') {
                Some((part, level)) => (Some(part), level),
                None => (None, directive),
            };
            if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
                return Err(FilterError::NoSuchLevel(level.to_owned()));
            }
            let name = part.map(|part| part.split(['[', ':']).next().unwrap_or_default());
            if let Some(name) = name.filter(|name| !LOG_TARGETS.contains(name)) {
                return Err(FilterError::NoSuchPart(name.to_owned()));
            }
        }
        Ok(Self(EnvFilter::try_new(format!("{SILENCED_TARGETS},{text}"))?))
    }
}

/// The log of a program that has not started to log yet.
#[derive(Debug)]
pub struct Logging {
    filter: Filter,
    style: Style,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
}

impl Logging {
    /// Logs lines of this style that pass the filter.
    #[must_use]
    pub const fn new(filter: Filter, style: Style) -> Self {
        Self {
            filter,
            style,
            #[cfg(feature = "otel")]
            traces: None,
        }
    }

    /// Sends spans of requests to a collector, too.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Starts to log.
    ///
    /// # Panics
    ///
    /// Panics if this program logs already.
    #[must_use]
    pub fn start(self) -> Log {
        let (filter, handle) = reload::Layer::new(self.filter.0);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .event_format(Line::from(self.style));
        let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
        #[cfg(feature = "otel")]
        registry.with(self.traces.as_ref().map(Traces::layer)).init();
        #[cfg(not(feature = "otel"))]
        registry.init();
        Log {
            filter: FilterHandle(handle),
            #[cfg(feature = "otel")]
            _traces: self.traces,
        }
    }
}

/// The log of a running program. Dropping it sends the spans that are left.
#[derive(Debug)]
pub struct Log {
    filter: FilterHandle,
    #[cfg(feature = "otel")]
    _traces: Option<Traces>,
}

impl Log {
    /// Returns the filter in force, which can be replaced.
    #[must_use]
    pub fn filter(&self) -> FilterHandle {
        self.filter.clone()
    }
}

/// The filter in force.
#[derive(Clone, Debug)]
pub struct FilterHandle(Handle<EnvFilter, Registry>);

impl FilterHandle {
    /// Puts another filter in its place.
    ///
    /// # Errors
    ///
    /// Fails if the log has ended.
    pub fn replace(&self, filter: Filter) -> Result<(), reload::Error> {
        self.0.reload(filter.0)
    }
}
