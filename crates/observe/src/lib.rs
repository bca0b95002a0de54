//! The logs and metrics of a service that serves the API: what operators see of it.
//!
//! | module | what it is for |
//! |---|---|
//! | `line` | [`Line`], which makes one harmless line of a log's event |
//! | `metrics` | [`Metrics`] for Prometheus |
//! | `traces` | spans for a collector of OpenTelemetry's (feature `otel`) |
//! | `watcher` | [`Watcher`], which hears of requests and connections, counts them, and logs limits now and then: start here |
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

mod line;
mod metrics;
#[cfg(feature = "otel")]
pub mod traces;
mod watcher;

pub use crate::line::Line;
pub use crate::metrics::Metrics;
pub use crate::watcher::Watcher;
