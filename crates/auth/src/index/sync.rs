//! The atomics of [`row`](super::row) and [`marks`](super::marks). The loom test replaces them.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
