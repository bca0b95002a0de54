use async_trait::async_trait;
use doorward_audit::{ChainFault, Event};
use doorward_types::{Name, SessionId, Timestamp};

use crate::StoreError;

/// The events of every log in the order in which they were written, for those who ship them elsewhere; and how far each
/// such sink has come. The logs are the outbox: an event is in it by being in its log.
///
/// One node at a time holds a sink. None trusts another's clock: a sink whose [`SinkState::beat`] has stood still for as
/// long as the looker thinks fit is taken over, where it still stands at that beat.
#[async_trait]
pub trait Outbox: std::fmt::Debug + Send + Sync {
    /// The events after this position, oldest first. One that cannot be read does not hide those after it.
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError>;

    /// Every sink that has ever shipped and was not forgotten, by name.
    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError>;

    /// Takes a sink that is at this beat, or one that there has never been; whether it was had.
    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError>;

    /// Says that the holder lives, and that all up to this position has arrived; false where another one holds the sink.
    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError>;

    /// Lets go of a sink, so that the next one need not wait.
    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError>;

    /// Forgets how far a sink has come; whether there was one. Should it ship again, it begins at the first event.
    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError>;
}

/// An event on its way elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shipment {
    /// Its place among the events of all logs, from 1. It is no part of what the event's hash covers.
    pub position: u64,
    /// The event.
    pub event: Result<Event, ChainFault>,
}

/// How far a sink has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SinkState {
    /// What the configuration calls it.
    pub name: Name,
    /// Everything up to here has arrived.
    pub position: u64,
    /// Who ships at the moment.
    pub holder: Option<SessionId>,
    /// Counts what its holders have said.
    pub beat: u64,
    /// How many events have not arrived.
    pub behind: u64,
    /// When the oldest of them was written.
    pub behind_since: Option<Timestamp>,
}
