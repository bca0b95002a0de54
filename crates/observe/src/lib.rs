//! The logs and metrics of a service that serves the API.
//!
//! | module | purpose |
//! |---|---|
//! | `access_log` | [`AccessLog`], which writes one line for each request |
//! | `line` | [`Line`], which makes one harmless line of a log's event |
//! | `logging` | [`Logging`], which starts a log whose [`Filter`] can be replaced |
//! | `metrics`, `process` | [`Metrics`] for Prometheus |
//! | `notices` | [`Notices`], which tell people of the misuse of keys |
//! | `reminder` | [`remind`], which reminds people of keys that are due for rotation |
//! | `sinks` | [`watch_sinks`], which measures how far the sinks of audit events lag |
//! | `traces` | spans for a collector of OpenTelemetry's (feature `otel`) |
//! | `watcher` | [`Watcher`], which observes requests and connections, counts them, and logs limits now and then: start here |
//!
//! ```
//! use std::sync::Arc;
//!
//! use doorward_observe::{Metrics, Watcher};
//!
//! let metrics = Arc::new(Metrics::new("1.0.0"));
//! let watcher = Arc::new(Watcher::new(Arc::clone(&metrics)));
//! let of_requests: Arc<dyn doorward_api::Observer> = Arc::<Watcher>::clone(&watcher);
//! let of_connections: Arc<dyn doorward_listen::Observer> = watcher;
//! ```

mod access_log;
mod line;
mod logging;
mod method;
mod metrics;
mod notices;
mod process;
mod reminder;
mod sinks;
#[cfg(feature = "otel")]
pub mod traces;
mod watcher;

pub use crate::access_log::AccessLog;
pub use crate::line::{Line, Style};
pub use crate::logging::{Filter, FilterError, FilterHandle, Log, Logging};
pub use crate::metrics::Metrics;
pub use crate::notices::Notices;
pub use crate::reminder::remind;
pub use crate::sinks::watch_sinks;
pub use crate::watcher::Watcher;
