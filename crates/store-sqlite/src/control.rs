//! A handle of the coherence protocol.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::{
    Coherence, LiveSecret, Observation, OriginEntry, Position, Revision, Session, SessionStatus, Sourced, StoreError,
    StoreIdentity,
};
use doorward_store_sql::{Statement, coherence as rows, sql};
use doorward_types::{Locator, SessionId};
use rusqlite::Connection;

use crate::engine::Engine;
use crate::lane::Lane;
use crate::queue::Urgency;
use crate::{coherence, identity, row};

/// The coherence protocol on lanes of its own. Its writes go before all others. Dropping it closes its connections.
pub(crate) struct Control {
    polls: Arc<Lane>,
    pub(crate) reads: Arc<Lane>,
    engine: Arc<Engine>,
}

impl Control {
    pub(crate) fn new(engine: &Arc<Engine>, polls: Arc<Lane>, reads: Arc<Lane>) -> Self {
        Self { polls, reads, engine: Arc::clone(engine) }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(Urgency::Control, work).await
    }

    async fn execute(&self, statement: Statement) -> Result<(), StoreError> {
        self.write(move |connection| row::write_some(connection, &statement).map(drop)).await
    }

    async fn for_each(&self, text: &'static str, sessions: &[SessionId]) -> Result<(), StoreError> {
        let statements: Vec<_> = sessions.iter().map(|session| sql(text).bind(session)).collect();
        self.write(move |connection| row::write_all(connection, &statements)).await
    }
}

#[async_trait]
impl Coherence for Control {
    fn control(&self) -> Option<Arc<dyn Coherence>> {
        None
    }

    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        self.reads.read(|connection| identity::sourced(connection, identity::of(connection)?)).await
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        self.execute(rows::claim_prefix(prefix)).await
    }

    async fn register(&self, session: Session) -> Result<(), StoreError> {
        self.write(move |connection| coherence::register(connection, session)).await
    }

    async fn live_secrets(
        &self,
        after: Option<&LiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<LiveSecret>>, StoreError> {
        let after = after.cloned();
        let page = move |connection: &Connection| coherence::live_secrets(connection, after.as_ref(), limit);
        self.reads.read(move |connection| identity::sourced(connection, page(connection)?)).await
    }

    async fn live_secret(&self, locator: Locator) -> Result<Sourced<Option<LiveSecret>>, StoreError> {
        let find = move |connection: &Connection| coherence::live_secret(connection, locator);
        self.reads.read(move |connection| identity::sourced(connection, find(connection)?)).await
    }

    async fn live_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        let after = after.cloned();
        let page = move |connection: &Connection| coherence::live_origins(connection, after.as_ref(), limit);
        self.reads.read(move |connection| identity::sourced(connection, page(connection)?)).await
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        self.reads.read(|connection| identity::sourced(connection, coherence::position(connection)?)).await
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        self.polls.run(move |reader| coherence::poll(reader, session, since)).await
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        self.write(move |connection| coherence::acknowledge(connection, session, position)).await
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        // A change that was noted before needs no row.
        self.execute(rows::report_lost(change)).await
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        self.execute(rows::ask(revision)).await
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        self.reads.read(|connection| identity::sourced(connection, coherence::sessions(connection)?)).await
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.for_each("UPDATE sessions SET retired = TRUE WHERE id = $1", sessions).await
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.for_each("DELETE FROM sessions WHERE id = $1", sessions).await
    }

    fn poll_interval(&self) -> Duration {
        // A poll costs microseconds, and a change from another process takes effect with the next one.
        Duration::from_millis(10)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}
