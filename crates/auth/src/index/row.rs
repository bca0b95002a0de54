//! One row: what a verification reads of a secret, and the only memory that readers and the writer share.
//!
//! The loom test compiles this very file against loom's atomics, which is why they come from `super::sync`.

use doorward_key::Digest;
use doorward_types::Environment;

use super::sync::{AtomicU32, AtomicU64, Ordering};

const LIVE: u64 = 1;
const TEST: u64 = 2;
const FLAG_BITS: u32 = 4;

/// 48 bytes. The tag says whose row it is and whether it lives; it is zero where the row is vacant.
#[repr(align(64))]
pub(crate) struct Row {
    tag: AtomicU64,
    digest: [AtomicU64; 4],
    uses: AtomicU32,
}

/// What a reader saw of a row at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    pub(crate) const VACANT: Self = Self(0);

    fn of(code: u64, environment: Environment) -> Self {
        let environment = match environment {
            Environment::Production => 0,
            Environment::Test => TEST,
        };
        Self(code << FLAG_BITS | environment | LIVE)
    }

    pub(crate) const fn code(self) -> u64 {
        self.0 >> FLAG_BITS
    }

    pub(crate) const fn is_live(self) -> bool {
        self.0 & LIVE != 0
    }

    /// Whether this is the live row of this code and environment.
    pub(crate) fn is(self, code: u64, environment: Environment) -> bool {
        self == Self::of(code, environment)
    }
}

impl Row {
    pub(crate) fn vacant() -> Self {
        Self { tag: AtomicU64::new(0), digest: std::array::from_fn(|_| AtomicU64::new(0)), uses: AtomicU32::new(0) }
    }

    /// Whoever sees a live tag sees the digest that was written before it.
    pub(crate) fn tag(&self) -> Tag {
        Tag(self.tag.load(Ordering::Acquire))
    }

    /// Never changes once the row is live.
    pub(crate) fn digest(&self) -> Digest {
        let [a, b, c, d] = &self.digest;
        Digest::from_words([a, b, c, d].map(|word| word.load(Ordering::Relaxed)))
    }

    /// Fills a vacant row. Only the writer calls this, once for each row.
    pub(crate) fn publish(&self, code: u64, environment: Environment, digest: &Digest) {
        for (word, value) in self.digest.iter().zip(digest.words()) {
            word.store(*value, Ordering::Relaxed);
        }
        self.tag.store(Tag::of(code, environment).0, Ordering::Release);
    }

    /// The secret is dead. The row stays, so that searches go on past it.
    pub(crate) fn withdraw(&self) {
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag & !LIVE, Ordering::Release);
    }

    /// Counts uses.
    pub(crate) fn add_uses(&self, count: u32) {
        self.uses.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes the count, which starts again.
    pub(crate) fn take_uses(&self) -> u32 {
        // Most rows were not used: looking does not take their line away from the core that may use it next.
        if self.uses.load(Ordering::Relaxed) == 0 { 0 } else { self.uses.swap(0, Ordering::Relaxed) }
    }
}
