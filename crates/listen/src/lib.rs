//! Connections of a service that strangers reach: accepted up to a number, read and written within deadlines, drained on stopping.
//!
//! | module | what it is for |
//! |---|---|
//! | `serve` | [`serve()`], which accepts connections and hands requests to a [`Handler`]: start here |
//! | `proxies`, `proxy_protocol` | [`Proxies`] in front, and the client's address as they say it |
//! | `connections` | [`Room`] for connections, in all and for each address |
//! | `wire` | the refusals that come before HTTP, with a problem body |
//! | `activation`, `supervisor` | [`Inherited`] listeners, and what a supervisor such as systemd hears |
//! | `stopping`, `hangups` | signals: the way to the end, and SIGHUP |
//! | `progress` | clients that do not read |
//! | `tls`, `certificate` | [`Tls`], whose certificate is read again when its files change |
//! | `observer`, `throttle` | what metrics and logs hear |
//!
//! ```no_run
//! # async fn run<H: doorward_listen::Handler>(handler: H, observer: std::sync::Arc<dyn doorward_listen::Observer>) -> std::io::Result<()> {
//! use doorward_listen::{Entrance, Limits, Room, Stage, serve};
//! use tokio::{net::TcpListener, sync::watch};
//!
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! let room = Room::new(Limits::new(Some(1_000), None), observer);
//! let (stage, heard) = watch::channel(Stage::Serving);
//! let served = tokio::spawn(serve(Entrance::new(listener), handler, room, heard));
//! // Later, on a signal:
//! stage.send_replace(Stage::Ending);
//! served.await?;
//! # Ok(()) }
//! ```

mod activation;
mod certificate;
mod connections;
mod hangups;
mod observer;
mod progress;
mod proxies;
mod proxy_protocol;
mod serve;
mod stopping;
pub mod supervisor;
mod throttle;
mod tls;
mod tls_error;
mod wire;

pub use crate::activation::Inherited;
pub use crate::connections::{Limits, Room};
pub use crate::hangups::Hangups;
pub use crate::observer::{LIMIT_REASONS, Observer};
pub use crate::proxies::{Network, NetworkError, Proxies};
pub use crate::serve::{Acceptor, Client, Entrance, Handler, Stage, serve};
pub use crate::stopping::stages_by_signal;
pub use crate::throttle::Throttle;
pub use crate::tls::{Tls, TlsFiles};
pub use crate::tls_error::TlsError;
