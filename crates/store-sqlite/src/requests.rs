//! The coherence protocol on the lanes of requests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::{
    Coherence, LiveSecret, Observation, OriginEntry, Position, Revision, Session, SessionStatus, Sourced, StoreError,
    StoreIdentity,
};
use doorward_types::{Locator, SessionId};

use crate::SqliteStore;
use crate::control::Control;

/// A node gets a handle with lanes of its own.
#[async_trait]
impl Coherence for SqliteStore {
    fn control(&self) -> Option<Arc<dyn Coherence>> {
        let polls = self.engine.lane("doorward-poll", 1);
        let reads = self.engine.lane("doorward-control", 1);
        Some(Arc::new(Control::new(&self.engine, polls, reads)))
    }

    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        self.requests.identity().await
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        self.requests.claim_prefix(prefix).await
    }

    async fn register(&self, session: Session) -> Result<(), StoreError> {
        self.requests.register(session).await
    }

    async fn live_secrets(
        &self,
        after: Option<&LiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<LiveSecret>>, StoreError> {
        self.requests.live_secrets(after, limit).await
    }

    async fn live_secret(&self, locator: Locator) -> Result<Sourced<Option<LiveSecret>>, StoreError> {
        self.requests.live_secret(locator).await
    }

    async fn live_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        self.requests.live_origins(after, limit).await
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        self.requests.position().await
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        self.requests.poll(session, since).await
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        self.requests.acknowledge(session, position).await
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.requests.report_lost(change).await
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        self.requests.ask(revision).await
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        self.requests.sessions().await
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.requests.retire(sessions).await
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.requests.remove(sessions).await
    }

    fn poll_interval(&self) -> Duration {
        self.requests.poll_interval()
    }
}
