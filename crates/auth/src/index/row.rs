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

/// A cache line of rows.
#[repr(align(64))]
pub(crate) struct Line([Row; Line::ROWS]);

impl Line {
    /// The number of rows in a line. A search reads the tags of all of them.
    pub(crate) const ROWS: usize = 2;

    pub(crate) fn vacant() -> Self {
        Self(std::array::from_fn(|_| Row::vacant()))
    }

    pub(crate) const fn rows(&self) -> &[Row; Self::ROWS] {
        &self.0
    }

    /// Returns the first row with a wanted tag, or the first vacant row: its place in the line, the row, and the tag
    /// that the search read. The caller judges by this tag. A tag that is read again may have changed.
    ///
    /// The tags are read in order. A changed record is written to a later row before its old row is withdrawn, so a
    /// search that sees the old row withdrawn also sees the later row.
    ///
    /// The source has one branch: whether the search ends in this line. The time should tell only how many lines were
    /// full; `cargo xtask bench verify` measures whether it does.
    #[expect(clippy::indexing_slicing, reason = "a line has as many rows as a bit has values")]
    pub(crate) fn search(&self, wanted: impl Fn(Tag) -> bool) -> Option<(usize, &Row, Tag)> {
        let tags = self.0.each_ref().map(Row::tag);
        let [first, second] = tags.map(|tag| wanted(tag) | (tag == Tag::VACANT));
        let place = usize::from(!first);
        (first | second).then(|| (place, &self.0[place], tags[place]))
    }
}

/// 32 bytes, two to a cache line. The tag names the row's secret and says whether it is live. A vacant row's tag is
/// zero.
pub(crate) struct Row {
    tag: AtomicU64,
    digest: [AtomicU64; 2],
    digest_end: AtomicU32,
    uses: AtomicU32,
}

/// The first 160 bits of a digest: enough that nobody finds a second text with the same, short enough that a row is
/// half a cache line.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint([u64; 3]);

impl Fingerprint {
    pub(crate) fn of(digest: &Digest) -> Self {
        let [a, b, c, _] = *digest.words();
        Self([a, b, c & 0xffff_ffff])
    }
}

/// A row's tag, as a reader saw it at one moment.
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

    /// Returns whether this is the tag of the code's live row, in either environment.
    pub(crate) const fn is_of(self, code: u64) -> bool {
        self.0 | TEST == code << FLAG_BITS | LIVE | TEST
    }
}

impl Row {
    pub(crate) fn vacant() -> Self {
        let digest = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { tag: AtomicU64::new(0), digest, digest_end: AtomicU32::new(0), uses: AtomicU32::new(0) }
    }

    /// A reader that sees a live tag also sees the digest, which was written first.
    pub(crate) fn tag(&self) -> Tag {
        Tag(self.tag.load(Ordering::Acquire))
    }

    /// Returns whether this row, seen with this tag, is the live row of this code, environment and fingerprint. Takes
    /// the same time whatever differs.
    ///
    /// The tag must come from this row. Rows are filled once, so the digest belongs to the tag however old the tag is.
    pub(crate) fn is(&self, seen: Tag, code: u64, environment: Environment, fingerprint: Fingerprint) -> bool {
        let [a, b] = self.digest.each_ref().map(|word| word.load(Ordering::Relaxed));
        let end = u64::from(self.digest_end.load(Ordering::Relaxed));
        let [also_a, also_b, also_end] = fingerprint.0;
        let difference = (seen.0 ^ Tag::of(code, environment).0) | (a ^ also_a) | (b ^ also_b) | (end ^ also_end);
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

    /// Marks the secret as dead. The row stays, so that searches go on past it.
    pub(crate) fn withdraw(&self) {
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag & !LIVE, Ordering::Release);
    }

    /// Counts uses. Returns whether the count was zero: then the caller marks the row's line, see [`super::marks`].
    #[must_use]
    pub(crate) fn add_uses(&self, count: u32) -> bool {
        self.uses.fetch_add(count, Ordering::Relaxed) == 0
    }

    /// Returns the count.
    pub(crate) fn uses(&self) -> u32 {
        self.uses.load(Ordering::Relaxed)
    }

    /// Returns the count, and sets it to zero.
    pub(crate) fn take_uses(&self) -> u32 {
        // The line's other row may be unused. A load does not take the line away from the core that may use it next.
        if self.uses() == 0 { 0 } else { self.uses.swap(0, Ordering::Relaxed) }
    }
}
