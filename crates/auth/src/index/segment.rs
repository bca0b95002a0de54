//! A segment: a part of the table that is rebuilt as a whole.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use super::marks::Marks;
use super::row::{Fingerprint, Line, Row, Tag};
use super::sync::Ordering;
use crate::principal::Identity;

/// A segment with more live rows is split in two. A segment of this size is rebuilt in well under a millisecond.
pub(super) const SPLIT_ABOVE: usize = 4_096;

/// The fill level at which a segment is rebuilt. At three quarters, most searches end in their first line.
const FULL: (usize, usize) = (3, 4);

/// A hash table with open addressing and linear probing, line by line. It is never full.
///
/// A segment is a handle, so that the directory has the address of the rows. This saves one load in each search.
#[derive(Clone)]
pub(super) struct Segment {
    lines: Arc<[Line]>,
    aside: Arc<Aside>,
    /// The number of upper bits of the hash that all rows share.
    depth: u32,
}

/// The data of a segment that a search does not need.
struct Aside {
    /// The identities, one for each used row.
    identities: Box<[OnceLock<Arc<Identity>>]>,
    marks: Marks,
    /// The number of used rows. Only the writer reads it.
    used: AtomicUsize,
}

/// A row that a search found.
pub(super) struct Found<'a> {
    slot: usize,
    pub(super) row: &'a Row,
    /// The tag that the search read. The row's tag may have changed since.
    pub(super) tag: Tag,
}

impl Segment {
    pub(super) fn with_room_for(live: usize, depth: u32) -> Self {
        // Add an eighth of free room, so that the next rebuild is not needed soon.
        let lines = ((live + live / 8 + 8) * FULL.1 / FULL.0).div_ceil(Line::ROWS);
        let aside = Aside {
            identities: (0..lines * Line::ROWS).map(|_| OnceLock::new()).collect(),
            marks: Marks::for_lines(lines),
            used: AtomicUsize::new(0),
        };
        Self { lines: (0..lines).map(|_| Line::vacant()).collect(), aside: Arc::new(aside), depth }
    }

    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    /// Returns the first line of a search. It uses the middle bits of the hash, because the upper bits chose the
    /// segment.
    fn start(&self, hash: u64) -> usize {
        usize::try_from((((hash >> 16) & 0xffff_ffff) * self.lines.len() as u64) >> 32).unwrap_or(0)
    }

    /// Prefetches the first line of a search.
    pub(super) fn touch(&self, hash: u64) {
        std::hint::black_box(self.lines.get(self.start(hash)).map(|line| line.rows()[0].tag()));
    }

    /// Returns the first row of a search with a wanted tag, or the vacant row that ends the search.
    pub(super) fn probe(&self, hash: u64, wanted: impl Fn(Tag) -> bool) -> Option<Found<'_>> {
        let start = self.start(hash);
        let (before, behind) = self.lines.split_at_checked(start)?;
        for (number, line) in (start..).zip(behind).chain((0..).zip(before)) {
            if let Some((place, row, tag)) = line.search(&wanted) {
                return Some(Found { slot: number * Line::ROWS + place, row, tag });
            }
        }
        None
    }

    /// Returns the live row with this code.
    pub(super) fn find(&self, hash: u64, code: u64) -> Option<Found<'_>> {
        self.probe(hash, |tag| tag.is_of(code)).filter(|found| found.tag.is_of(code))
    }

    pub(super) fn identity(&self, found: &Found<'_>) -> Option<&Arc<Identity>> {
        self.aside.identities.get(found.slot)?.get()
    }

    /// Writes the first vacant row. Readers see the whole row or nothing. Returns `None` if no row is vacant. The
    /// writer rebuilds a segment before that.
    pub(super) fn insert(&self, hash: u64, code: u64, identity: Arc<Identity>) -> Option<()> {
        let Found { slot, row, .. } = self.probe(hash, |_| false)?;
        let (environment, digest) = (identity.live.key.environment, &identity.live.secret.digest);
        let (fingerprint, is_held) = (Fingerprint::of(digest), identity.live.hold().is_some());
        self.aside.identities.get(slot)?.set(identity).ok()?;
        row.publish(code, environment, is_held, fingerprint);
        self.aside.used.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    /// Counts uses of a row.
    pub(super) fn count(&self, found: &Found<'_>, uses: u32) {
        self.aside.marks.count(found.slot / Line::ROWS, found.row, uses);
    }

    /// Takes the uses of all rows, also of revoked secrets. Calls `taken` with each row's code and uses. Two rows may
    /// have the same code.
    pub(super) fn drain_counts(&self, taken: impl FnMut(u64, u32)) {
        self.aside.marks.drain_counts(&self.lines, taken);
    }

    /// Returns the code and the identity of each live row.
    fn live(&self) -> impl Iterator<Item = (u64, &Arc<Identity>)> {
        let tags = self.lines.iter().flat_map(Line::rows).map(Row::tag).zip(&self.aside.identities);
        tags.filter(|(tag, _)| tag.is_active()).filter_map(|(tag, identity)| Some((tag.code(), identity.get()?)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.aside.used.load(Ordering::Relaxed) * FULL.1 >= self.lines.len() * Line::ROWS * FULL.0
    }

    /// Returns the live rows in a new segment with room for at least `expected` rows, or in two segments. Uses stay in
    /// this segment until they are taken.
    pub(super) fn rebuilt(&self, expected: usize, hash: impl Fn(u64) -> u64) -> Vec<Self> {
        let with_hash = |(code, identity)| (hash(code), code, identity);
        let live: Vec<_> = self.live().map(with_hash).collect();
        let halves = if live.len() > SPLIT_ABOVE { 2 } else { 1 };
        let depth = self.depth + halves as u32 - 1;
        let half_of = |hash: u64| if halves == 2 { (hash >> (64 - depth) & 1) as usize } else { 0 };
        let count = |half| live.iter().filter(|(hash, ..)| half_of(*hash) == half).count();
        let room = |half| Self::with_room_for(count(half).max(expected), depth);
        let rebuilt: Vec<_> = (0..halves).map(room).collect();
        for (hash, code, identity) in live {
            rebuilt.get(half_of(hash)).and_then(|segment| segment.insert(hash, code, Arc::clone(identity)));
        }
        rebuilt
    }

    /// Returns true if this is the only handle. Then no thread can count further uses here, and all earlier uses are
    /// visible.
    pub(super) fn is_unreachable(&mut self) -> bool {
        Arc::get_mut(&mut self.lines).is_some()
    }

    /// Returns the number of bytes that a verification may touch: rows, and a mark for each line.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + self.lines.len().div_ceil(8)
    }
}

#[cfg(test)]
impl Segment {
    pub(super) fn active_rows(&self) -> usize {
        self.live().count()
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len() * Line::ROWS
    }

    pub(super) fn marked_lines(&self) -> u32 {
        self.aside.marks.marked()
    }
}
