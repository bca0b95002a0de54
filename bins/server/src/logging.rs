//! Logs: to standard error, as text or JSON. No line can hold a key, since nothing that holds one can be formatted.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts to log.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
