//! Connections of a service that strangers reach: accepted up to a number, read and written within deadlines, drained on stopping.
//!
//! | module | what it is for |
//! |---|---|
//! | `serve` | [`serve()`], which accepts connections and hands requests to a [`Handler`]: start here |
//! | `connections` | [`Room`] for connections, in all and for each address |
//! | `wire` | the refusals that come before HTTP, with a problem body |
//! | `stopping` | the way to the end, by signals |
//! | `progress` | clients that do not read |
//! | `tls`, `certificate` | [`Tls`], whose certificate is read again when its files change |
//! | `observer`, `throttle` | what metrics and logs hear |
//!
//! ```no_run
//! # async fn run<H: doorward_listen::Handler>(handler: H, observer: std::sync::Arc<dyn doorward_listen::Observer>) -> std::io::Result<()> {
//! use doorward_listen::{Limits, Room, Stage, serve};
//! use tokio::{net::TcpListener, sync::watch};
//!
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! let room = Room::new(Limits::new(Some(1_000), None), observer);
//! let (stage, heard) = watch::channel(Stage::Serving);
//! let served = tokio::spawn(serve(listener, None, handler, room, heard));
//! // Later, on a signal:
//! stage.send_replace(Stage::Ending);
//! served.await?;
//! # Ok(()) }
//! ```

mod certificate;
mod connections;
mod observer;
mod progress;
mod serve;
mod stopping;
mod throttle;
mod tls;
mod tls_error;
mod wire;

pub use crate::connections::{Limits, Room};
pub use crate::observer::Observer;
pub use crate::serve::{Acceptor, Handler, Stage, serve};
pub use crate::stopping::stages_by_signal;
pub use crate::throttle::Throttle;
pub use crate::tls::{Tls, TlsFiles};
pub use crate::tls_error::TlsError;
