//! Logs: to standard error, as text or JSON. No line can hold a key, since nothing that holds one can be formatted.

use std::io::IsTerminal;

use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Config, LogFormat};
#[cfg(feature = "otel")]
use crate::traces::Traces;

/// Starts to log, and to trace where someone chose so.
///
/// # Errors
///
/// Where spans cannot be sent to the endpoint.
pub fn start(config: &Config, runtime: &Runtime) -> anyhow::Result<Logging> {
    // The MCP library tells of every message, arguments and all: only to who asks for that by its name. Spans of requests are for a
    // collector: lines say the same.
    let quiet = "rmcp=off,doorward_server::traces=off";
    let filter = EnvFilter::try_new(format!("{quiet},{}", config.log));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(format!("{quiet},info")));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let traces = config.otlp_endpoint.as_deref().map(|endpoint| Traces::to(endpoint, runtime.handle().clone()));
        let traces = traces.transpose()?;
        registry.with(traces.as_ref().map(Traces::layer)).init();
        Ok(Logging { _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        let _ = runtime;
        registry.init();
        Ok(Logging {})
    }
}

/// What must live as long as there is something to tell.
#[derive(Debug, Default)]
pub struct Logging {
    #[cfg(feature = "otel")]
    _traces: Option<Traces>,
}
