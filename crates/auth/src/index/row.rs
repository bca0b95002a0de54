//! A row: the part of a secret that a verification reads, and the only memory that readers and the writer share.
//!
//! The atomics come from `super::sync`, so that the loom test can compile this file with loom's atomics.

use doorward_key::Digest;
use doorward_types::Environment;
use subtle::ConstantTimeEq;

use super::sync::{AtomicU32, AtomicU64, Ordering};

const ACTIVE_FLAG: u64 = 1;
const TEST_FLAG: u64 = 2;
const HELD_FLAG: u64 = 4;
const FLAG_BITS: u32 = 4;

/// A cache line of rows.
#[repr(align(64))]
pub(crate) struct Line([Row; Line::ROWS]);

impl Line {
    /// The number of rows in a line. A search reads the tags of all rows in a line.
    pub(crate) const ROWS: usize = 2;

    pub(crate) fn vacant() -> Self {
        Self(std::array::from_fn(|_| Row::vacant()))
    }

    pub(crate) const fn rows(&self) -> &[Row; Self::ROWS] {
        &self.0
    }

    /// Returns the first row with a wanted tag, or the first vacant row, with its place in the line and the tag that
    /// the search read. The caller must decide by this tag: a second read may give another tag.
    ///
    /// The tags are read in order. A changed record is written to a later row before its old row is withdrawn, so a
    /// search that sees the old row withdrawn also sees the later row.
    ///
    /// The source has one branch: it tests if the search ends in this line. So the time should reveal only the number
    /// of full lines, which `cargo xtask bench verify` checks.
    #[expect(clippy::indexing_slicing, reason = "a line has as many rows as a bit has values")]
    pub(crate) fn search(&self, wanted: impl Fn(Tag) -> bool) -> Option<(usize, &Row, Tag)> {
        let tags = self.0.each_ref().map(Row::tag);
        let [first, second] = tags.map(|tag| wanted(tag) | (tag == Tag::VACANT));
        let place = usize::from(!first);
        (first | second).then(|| (place, &self.0[place], tags[place]))
    }
}

/// A row of 32 bytes, half a cache line. The tag names the row's secret and has its `LIVE` bit. A vacant row's tag is
/// zero.
pub(crate) struct Row {
    tag: AtomicU64,
    digest: [AtomicU64; 2],
    digest_end: AtomicU32,
    uses: AtomicU32,
}

/// The first 160 bits of a digest: long enough that no second text with the same bits can be found, and short enough
/// that a row is half a cache line.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint([u64; 3]);

impl Fingerprint {
    pub(crate) fn of(digest: &Digest) -> Self {
        let [a, b, c, _] = *digest.words();
        Self([a, b, c & 0xffff_ffff])
    }
}

/// A row's tag, read at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    pub(crate) const VACANT: Self = Self(0);

    fn of(code: u64, environment: Environment) -> Self {
        let environment = match environment {
            Environment::Production => 0,
            Environment::Test => TEST_FLAG,
        };
        Self(code << FLAG_BITS | environment | ACTIVE_FLAG)
    }

    pub(crate) const fn code(self) -> u64 {
        self.0 >> FLAG_BITS
    }

    pub(crate) const fn is_active(self) -> bool {
        self.0 & ACTIVE_FLAG != 0
    }

    /// Returns true if the secret is refused although it is active, see [`doorward_store::Hold`].
    pub(crate) const fn is_held(self) -> bool {
        self.0 & HELD_FLAG != 0
    }

    /// Returns true if this is the tag of the code's live row, in either environment, held or not.
    pub(crate) const fn is_of(self, code: u64) -> bool {
        const ANY: u64 = TEST_FLAG | HELD_FLAG;
        self.0 | ANY == code << FLAG_BITS | ACTIVE_FLAG | ANY
    }
}

impl Row {
    pub(crate) fn vacant() -> Self {
        let digest = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { tag: AtomicU64::new(0), digest, digest_end: AtomicU32::new(0), uses: AtomicU32::new(0) }
    }

    /// Returns the tag. A reader that sees a live tag also sees the digest, which was written first.
    pub(crate) fn tag(&self) -> Tag {
        Tag(self.tag.load(Ordering::Acquire))
    }

    /// Returns true if this row with this tag is the live row of this code, environment and fingerprint, held or
    /// not. Takes the same time for every difference.
    ///
    /// The tag must come from this row. Rows are filled once, so the digest belongs even to an old tag.
    pub(crate) fn is(&self, seen: Tag, code: u64, environment: Environment, fingerprint: Fingerprint) -> bool {
        let [a, b] = self.digest.each_ref().map(|word| word.load(Ordering::Relaxed));
        let end = u64::from(self.digest_end.load(Ordering::Relaxed));
        let [also_a, also_b, also_end] = fingerprint.0;
        let difference =
            ((seen.0 & !HELD_FLAG) ^ Tag::of(code, environment).0) | (a ^ also_a) | (b ^ also_b) | (end ^ also_end);
        difference.ct_eq(&0).into()
    }

    /// Fills a vacant row. Only the writer calls this, once for each row.
    pub(crate) fn publish(&self, code: u64, environment: Environment, is_held: bool, fingerprint: Fingerprint) {
        let [a, b, end] = fingerprint.0;
        for (word, value) in self.digest.iter().zip([a, b]) {
            word.store(value, Ordering::Relaxed);
        }
        self.digest_end.store(end as u32, Ordering::Relaxed);
        let held = if is_held { HELD_FLAG } else { 0 };
        self.tag.store(Tag::of(code, environment).0 | held, Ordering::Release);
    }

    /// Marks the secret as revoked. The row stays, so that searches continue past it.
    pub(crate) fn withdraw(&self) {
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag & !ACTIVE_FLAG, Ordering::Release);
    }

    /// Counts uses. Returns true if the count was zero. The caller must then mark the row's line, see [`super::marks`].
    #[must_use]
    pub(crate) fn add_uses(&self, count: u32) -> bool {
        self.uses.fetch_add(count, Ordering::Relaxed) == 0
    }

    /// Returns the count.
    pub(crate) fn uses(&self) -> u32 {
        self.uses.load(Ordering::Relaxed)
    }

    /// Returns the count and sets it to zero.
    pub(crate) fn drain_counts(&self) -> u32 {
        // This row may be unused, though the line is marked. A load does not take the line from the core that may use
        // it next.
        if self.uses() == 0 { 0 } else { self.uses.swap(0, Ordering::Relaxed) }
    }
}
