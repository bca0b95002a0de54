//! A clock on tokio's time, and a store whose calls a test can intercept.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

pub(crate) mod scripted;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{ChangeRequest, Core, OperatorPrincipal};
use doorward_store::{KeyEngine, Session, SessionStatus};
use doorward_store_memory::MemoryStore;
use doorward_types::{Clock, ClockReading, MonoInstant, SessionId, Timestamp};

#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
pub(crate) fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("ada".parse().expect("a name"))
}

pub(crate) fn request() -> ChangeRequest {
    operator().request()
}

/// Returns the core of a separate process on this store, on tokio's time.
pub(crate) fn process(store: Arc<dyn KeyEngine>) -> Core {
    Core::new(store).with_clock(Arc::new(TokioClock(tokio::time::Instant::now())))
}

pub(crate) fn simulated() -> Core {
    process(Arc::new(MemoryStore::new()))
}

/// Registers a session that never acknowledges anything.
pub(crate) async fn silent(core: &Core, lease: Duration) -> SessionId {
    let id = SessionId::from_u128(1);
    core.store().register(Session { id, lease }).await.expect("a store");
    id
}

/// Returns all sessions in the order of their ids.
pub(crate) async fn sessions(core: &Core) -> Vec<SessionStatus> {
    core.store().sessions().await.and_then(|found| Ok(found.proved_of_any_store()?.1)).expect("a store")
}

/// A clock on tokio's time, which stands still while there is work, and jumps ahead otherwise.
#[derive(Debug)]
struct TokioClock(tokio::time::Instant);

impl TokioClock {
    fn elapsed(&self) -> MonoInstant {
        MonoInstant::ZERO + self.0.elapsed() + Duration::from_secs(100)
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000) + self.0.elapsed()
    }

    fn tick(&self) -> MonoInstant {
        self.elapsed()
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> ClockReading {
        ClockReading::new(self.elapsed(), self.elapsed())
    }
}

/// An independent checksum: computed bit by bit, and written in base 62.
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
pub(crate) fn with_checksum(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut rest = !crc;
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(rest % 62) as usize]);
        rest /= 62;
    }
    digits.reverse();
    format!("{body}{}", String::from_utf8(digits).unwrap())
}

/// A value with the locator of this one, another secret, and a correct checksum.
pub(crate) fn guess_of(value: &str) -> String {
    let (head, secret) = (&value[..value.len() - 36], &value[value.len() - 36..value.len() - 6]);
    with_checksum(&format!("{head}{}", secret.chars().rev().collect::<String>()))
}
