//! The log and the traces, as the configuration has them.

#[cfg(feature = "otel")]
use anyhow::Context;
#[cfg(feature = "otel")]
use doorward_observe::traces::Traces;
use doorward_observe::{Log, Logging, Style};
#[cfg(feature = "otel")]
use tokio::runtime::Handle;
use tokio::runtime::Runtime;

use crate::config::Config;

/// Starts to log, and to trace if the configuration names a collector.
///
/// # Errors
///
/// Fails if the filter is invalid, or if spans cannot be sent to the collector.
#[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "only spans need the runtime"))]
pub fn start(config: &Config, runtime: &Runtime) -> anyhow::Result<Log> {
    let logging = Logging::new(config.log.parse()?, Style::from(config.log_format));
    #[cfg(feature = "otel")]
    let logging = logging.with_traces(traces(config, runtime.handle())?);
    Ok(logging.start())
}

/// Returns the sender of spans, if the configuration names a collector.
///
/// # Errors
///
/// Fails if spans cannot be sent to the collector.
#[cfg(feature = "otel")]
pub fn traces(config: &Config, runtime: &Handle) -> anyhow::Result<Option<Traces>> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let traces = Traces::to(endpoint, runtime.clone());
    traces.map(Some).with_context(|| format!("spans cannot be sent by --otlp-endpoint {endpoint}"))
}
