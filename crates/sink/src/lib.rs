//! Ships audit events to a file, to standard output, or to a webhook.
//!
//! The logs themselves are the outbox. A [`Shipper`] reads the events of all logs in the order of writing, hands them to its
//! [`Sink`], and notes its progress in the store. So every event arrives, in order, and some arrive twice after a crash; no event
//! is lost. A sink that fails or hangs delays neither other sinks nor any change.
//!
//! If several nodes have the same sink, one node ships. Another node takes over if the first falls silent while events wait.
//!
//! | sink | behaviour |
//! |---|---|
//! | [`FileSink`] | appends lines of JSON, synced to disk before they count as arrived |
//! | [`StandardOutput`] | writes lines of JSON |
//! | [`Webhook`] | posts each event, signed by the Standard Webhooks specification |
//!
//! An [`EventFormat`] is the format of the events.
//!
//! [`Tellers`] hand [`Notice`]s to the same places: messages for people that are no change, and are in no log.
//!
//! # A sink of your own
//!
//! [`Sink`] has one method to write. Events come as [`Event`]s, and [`Event::to_json_line`] is their form in exports;
//! `serde_json` reads it back into an [`Event`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::{Arc, Mutex};
//! use doorward_audit::Event;
//! use doorward_sink::{Shipper, Sink, SinkError};
//!
//! /// Stands for a message broker.
//! #[derive(Debug, Default)]
//! struct Topic(Arc<Mutex<Vec<String>>>);
//!
//! impl Sink for Topic {
//!     async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
//!         let mut messages = self.0.lock().map_err(|error| SinkError::other(error.to_string()))?;
//!         messages.extend(events.iter().map(Event::to_json_line));
//!         Ok(())
//!     }
//! }
//!
//! # let store = Arc::new(doorward_store_memory::MemoryStore::new());
//! # use doorward_store::AuditLog;
//! # use doorward_audit::{Action, Attribution, EventDraft};
//! # use doorward_types::{Environment, OrganizationId, Timestamp};
//! # let log = (OrganizationId::INSTALLATION, Environment::Test);
//! # let ada = Attribution::local("ada".parse()?);
//! # store.record(EventDraft::new(&ada, Timestamp::from_millis(3), Action::AccessKeyCreated, "key".to_owned(), log)).await?;
//! let topic = Topic::default();
//! let messages = Arc::clone(&topic.0);
//! let shipper = Shipper::new(store, "kafka".parse()?, topic)?;
//! // Ships until the future that it is given resolves.
//! shipper.run(tokio::time::sleep(std::time::Duration::from_millis(200))).await;
//! let event: Event = serde_json::from_str(&messages.lock().unwrap()[0])?;
//! assert_eq!(event.sequence, 1);
//! # Ok(()) }
//! ```

mod backoff;
mod boxed;
mod file;
mod format;
mod notice;
mod shipper;
mod shippers;
mod standard_output;
mod tellers;
mod webhook;

use std::fmt::Debug;
use std::time::Duration;

use doorward_audit::Event;
use doorward_client::SendError;

pub use boxed::BoxSink;
pub use file::FileSink;
pub use format::EventFormat;
pub use notice::{Notice, Receiver, Telling};
pub use shipper::Shipper;
pub use shippers::Shippers;
pub use standard_output::StandardOutput;
pub use tellers::Tellers;
pub use webhook::{Webhook, WebhookError, WebhookSecret, WebhookSecrets};

/// The receiver of events.
pub trait Sink: Debug + Send + Sync {
    /// Returns the maximum number of events in a batch. The default is one hundred.
    fn batch(&self) -> usize {
        100
    }

    /// Takes these events in this order. If it returns `Ok`, they have arrived; if it fails, they are handed over again.
    /// Implement it as `async fn deliver(…) -> Result<(), SinkError>`.
    ///
    /// # Errors
    ///
    /// [`SinkError`]. The log tells it once, and the shipper tries again.
    fn deliver(&mut self, events: &[Event]) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// The reason why events did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The file or standard output failed.
    #[error("it cannot be written")]
    Io(#[from] std::io::Error),
    /// Another error: see [`SinkError::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// The receiver answered with an error status.
    #[error("it answers {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The pause that the receiver asks for.
        retry_after: Option<Duration>,
    },
    /// The receiver cannot be reached, or does not answer in time.
    #[error(transparent)]
    Unreachable(Box<dyn std::error::Error + Send + Sync>),
}

impl SinkError {
    /// An error of a sink of your own: an error of any kind, or a text.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

impl From<SendError> for SinkError {
    fn from(error: SendError) -> Self {
        Self::Unreachable(error.into())
    }
}
