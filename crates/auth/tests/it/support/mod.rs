//! Tokio's time as a clock, and a store to which each call goes a way of the test's choice.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

pub(crate) mod scripted;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{ChangeRequest, Core, OperatorPrincipal};
use doorward_records::Store;
use doorward_store::{Session, SessionStatus};
use doorward_store_memory::MemoryStore;
use doorward_types::{Clock, Reading, SessionId, Tick, Timestamp};

#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
pub(crate) fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("ada".parse().expect("a name"))
}

pub(crate) fn request() -> ChangeRequest {
    operator().request()
}

/// The core of a process of its own over this store, on tokio's time.
pub(crate) fn process(store: Arc<dyn Store>) -> Core {
    Core::new(store).with_clock(Arc::new(TokioClock(tokio::time::Instant::now())))
}

pub(crate) fn simulated() -> Core {
    process(Arc::new(MemoryStore::new()))
}

/// Registers a session that never says a word.
pub(crate) async fn silent(core: &Core, lease: Duration) -> SessionId {
    let id = SessionId::from_u128(1);
    core.store().register(Session { id, lease }).await.expect("a store");
    id
}

/// All sessions, in the order of their ids.
pub(crate) async fn sessions(core: &Core) -> Vec<SessionStatus> {
    core.store().sessions().await.and_then(|found| Ok(found.proved_of_any_store()?.1)).expect("a store")
}

/// Shows tokio's time, which stands still while there is work to do, and jumps when there is none.
#[derive(Debug)]
struct TokioClock(tokio::time::Instant);

impl TokioClock {
    fn elapsed(&self) -> Tick {
        Tick::ZERO + self.0.elapsed() + Duration::from_secs(100)
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000) + self.0.elapsed()
    }

    fn tick(&self) -> Tick {
        self.elapsed()
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> Reading {
        Reading { boottime: self.elapsed(), raw: self.elapsed() }
    }
}
