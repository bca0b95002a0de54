//! The log and the traces, as the configuration has them.

#[cfg(feature = "otel")]
use anyhow::Context;
#[cfg(feature = "otel")]
use doorward_observe::traces::Traces;
use doorward_observe::{Log, Logging, Style};
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
    let logging = {
        let start = |endpoint: &String| {
            let traces = Traces::to(endpoint, runtime.handle().clone());
            traces.with_context(|| format!("spans cannot be sent by --otlp-endpoint {endpoint}"))
        };
        logging.with_traces(config.otlp_endpoint.as_ref().map(start).transpose()?)
    };
    Ok(logging.start())
}
