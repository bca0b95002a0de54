//! Audit events, shipped elsewhere: into a file, to standard output, to a webhook.
//!
//! The logs themselves are the outbox: a [`Shipper`] reads the events of all logs in the order in which they were written,
//! hands them to its [`Sink`], and notes in the store how far it has come. So every event arrives, in order, and after a
//! crash some arrive twice; none is lost. A sink that fails or hangs holds up itself and no one else, and no change.
//!
//! Of several nodes with the same sink, one ships. Another one takes over where it falls silent with events to ship.
//!
//! | sink | what it does |
//! |---|---|
//! | [`FileSink`] | appends lines of JSON, synced before they count as arrived |
//! | [`StandardOutput`] | writes lines of JSON |
//! | [`Webhook`] | posts each event, signed as Standard Webhooks have it |
//!
//! A [`Shape`] says what an event looks like there.

mod file;
mod shape;
mod shipper;
mod standard_output;
mod webhook;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::Event;
use doorward_client::SendError;

pub use file::FileSink;
pub use shape::Shape;
pub use shipper::Shipper;
pub use standard_output::StandardOutput;
pub use webhook::{Webhook, WebhookError, WebhookSecret, WebhookSecrets};

/// Where events arrive.
#[async_trait]
pub trait Sink: Debug + Send + Sync {
    /// The most events at a time.
    fn batch(&self) -> usize;

    /// Takes these events, in this order. Once it returns, they have arrived; where it fails, they are handed over again.
    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError>;
}

/// Why events did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A file, or standard output.
    #[error("it cannot be written")]
    Io(#[from] std::io::Error),
    /// The receiver answered, and not with success.
    #[error("it answers {status}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The receiver cannot be reached, or does not answer in time.
    #[error(transparent)]
    Unreachable(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl From<SendError> for SinkError {
    fn from(error: SendError) -> Self {
        Self::Unreachable(error.into())
    }
}
