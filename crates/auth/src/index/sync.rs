//! The atomics of [`row`](super::row) and [`marks`](super::marks). The test with loom has others in their place.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
