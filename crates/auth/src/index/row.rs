//! One row: what a verification reads of a secret, and the only memory that readers and the writer share.
//!
//! The loom test compiles this very file against loom's atomics, which is why they come from `super::sync`.

use doorward_key::Digest;
use doorward_types::Environment;
use subtle::ConstantTimeEq;

use super::sync::{AtomicU32, AtomicU64, Ordering};

const LIVE: u64 = 1;
const TEST: u64 = 2;
const FLAG_BITS: u32 = 4;

/// 32 bytes, two to a cache line. The tag says whose row it is and whether it lives; it is zero where the row is vacant.
pub(crate) struct Row {
    tag: AtomicU64,
    digest: [AtomicU64; 2],
    digest_end: AtomicU32,
    uses: AtomicU32,
}

/// The first 160 bits of a digest: enough that nobody finds a second text with the same, short enough that a row is half a
/// cache line.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint([u64; 3]);

impl Fingerprint {
    pub(crate) fn of(digest: &Digest) -> Self {
        let [a, b, c, _] = *digest.words();
        Self([a, b, c & 0xffff_ffff])
    }
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

    /// Whether this is the live row of this code, whatever its environment.
    pub(crate) const fn is_of(self, code: u64) -> bool {
        self.0 | TEST == code << FLAG_BITS | LIVE | TEST
    }
}

impl Row {
    pub(crate) fn vacant() -> Self {
        let digest = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { tag: AtomicU64::new(0), digest, digest_end: AtomicU32::new(0), uses: AtomicU32::new(0) }
    }

    /// Whoever sees a live tag sees the digest that was written before it.
    pub(crate) fn tag(&self) -> Tag {
        Tag(self.tag.load(Ordering::Acquire))
    }

    /// Whether this is the live row of this code, environment and fingerprint. Takes the same time whatever differs.
    pub(crate) fn is(&self, code: u64, environment: Environment, fingerprint: Fingerprint) -> bool {
        let tag = self.tag.load(Ordering::Acquire);
        let [a, b] = self.digest.each_ref().map(|word| word.load(Ordering::Relaxed));
        let end = u64::from(self.digest_end.load(Ordering::Relaxed));
        let [also_a, also_b, also_end] = fingerprint.0;
        let difference = (tag ^ Tag::of(code, environment).0) | (a ^ also_a) | (b ^ also_b) | (end ^ also_end);
        difference.ct_eq(&0).into()
    }

    /// Fills a vacant row. Only the writer calls this, once for each row.
    pub(crate) fn publish(&self, code: u64, environment: Environment, fingerprint: Fingerprint) {
        let [a, b, end] = fingerprint.0;
        for (word, value) in self.digest.iter().zip([a, b]) {
            word.store(value, Ordering::Relaxed);
        }
        self.digest_end.store(end as u32, Ordering::Relaxed);
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
