use async_trait::async_trait;
use doorward_audit::{ChainError, Event};
use doorward_types::{Name, SessionId, Timestamp};

use crate::StoreError;

/// The events of every log in the order of writing, for sinks, and the progress of each sink. The logs themselves are
/// the outbox, so an event needs no second write.
///
/// One node at a time holds a sink. Nodes do not trust each other's clocks: a node takes over a sink whose
/// [`SinkState::beat`] has not changed for the node's timeout, by compare-and-set on that beat.
#[async_trait]
pub trait Outbox: std::fmt::Debug + Send + Sync {
    /// Returns the events after this position, oldest first. An unreadable event does not hide later events.
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Returns every sink that ever shipped and was not deleted, by name.
    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError>;

    /// Acquires a sink whose beat is `beat`, or a new sink if `beat` is `None`. Returns false if another node was
    /// faster.
    async fn acquire_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError>;

    /// Records a heartbeat of the holder, and that all events up to this position have arrived. Returns false if
    /// another session holds the sink.
    async fn commit_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError>;

    /// Releases a sink, so that the next holder need not wait.
    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError>;

    /// Deletes a sink's progress. Returns false if there is no such sink. If it ships again, it begins at the first
    /// event.
    async fn delete_sink(&self, name: &Name) -> Result<bool, StoreError>;
}

/// An event for a sink.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboxEntry {
    /// The place of the event among the events of all logs, from 1. The event's hash does not cover it.
    pub position: u64,
    /// The event.
    pub event: Result<Event, ChainError>,
}

/// The progress of a sink.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SinkState {
    /// The sink's name in the configuration.
    pub name: Name,
    /// The position up to which all events have arrived.
    pub position: u64,
    /// The session that holds the sink.
    pub holder: Option<SessionId>,
    /// The number of heartbeats of all holders.
    pub beat: u64,
    /// The number of events that have not arrived.
    pub behind: u64,
    /// The time of the oldest event that has not arrived.
    pub behind_since: Option<Timestamp>,
}

impl SinkState {
    /// Creates the state of a sink.
    #[must_use]
    pub const fn new(
        name: Name,
        position: u64,
        holder: Option<SessionId>,
        beat: u64,
        behind: u64,
        behind_since: Option<Timestamp>,
    ) -> Self {
        Self { name, position, holder, beat, behind, behind_since }
    }
}
