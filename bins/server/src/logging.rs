//! Logs: to standard error, as text or JSON. No line can hold a key, since nothing that holds one can be formatted.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts to log.
pub fn start(config: &Config) {
    // The MCP library tells of every message, arguments and all: only to who asks for that by its name.
    let filter = format!("rmcp=off,{}", config.log);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info,rmcp=off"));
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
