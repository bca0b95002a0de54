//! A part of the table, which is rebuilt as a whole.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use super::marks::Marks;
use super::row::{Fingerprint, Line, Row, Tag};
use super::sync::Ordering;
use crate::principal::Identity;

/// A segment that grows past this many live rows is split in two: small enough to rebuild in well under a millisecond.
pub(super) const SPLIT_ABOVE: usize = 4_096;

/// A segment is rebuilt when three quarters full: most searches then end in the line that they begin in.
const FULL: (usize, usize) = (3, 4);

/// Open addressing with linear probing, line by line, never full.
///
/// A segment is a handle, so that the directory holds the place of the rows: one step less on the way to them.
#[derive(Clone)]
pub(super) struct Segment {
    lines: Arc<[Line]>,
    aside: Arc<Aside>,
    /// The number of upper bits of the hash that all rows share.
    depth: u32,
}

/// The data of a segment that a search does not need.
struct Aside {
    /// One for each row that is not vacant.
    identities: Box<[OnceLock<Arc<Identity>>]>,
    marks: Marks,
    /// The number of rows that are not vacant. Only the writer reads it.
    used: AtomicUsize,
}

/// A row that a search found.
pub(super) struct Found<'a> {
    slot: usize,
    pub(super) row: &'a Row,
    /// The tag that the search read. The row may have another tag by now.
    pub(super) tag: Tag,
}

impl Segment {
    pub(super) fn with_room_for(live: usize, depth: u32) -> Self {
        // An eighth of free room, so that the next rebuild is far off.
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

    /// The line where a search begins. By the middle bits of the hash: the upper ones chose the segment.
    fn start(&self, hash: u64) -> usize {
        usize::try_from((((hash >> 16) & 0xffff_ffff) * self.lines.len() as u64) >> 32).unwrap_or(0)
    }

    /// Asks for the line where a search begins.
    pub(super) fn touch(&self, hash: u64) {
        std::hint::black_box(self.lines.get(self.start(hash)).map(|line| line.rows()[0].tag()));
    }

    /// Returns the first row on the way of a search with a wanted tag, or the vacant row where the search ends.
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

    /// Writes into the first vacant row. Readers see all of it or nothing. Returns none if there is no vacant row: the
    /// writer rebuilds a segment before it comes to that.
    pub(super) fn insert(&self, hash: u64, code: u64, identity: Arc<Identity>) -> Option<()> {
        let Found { slot, row, .. } = self.probe(hash, |_| false)?;
        let (environment, digest) = (identity.live.key.environment, &identity.live.secret.digest);
        let fingerprint = Fingerprint::of(digest);
        self.aside.identities.get(slot)?.set(identity).ok()?;
        row.publish(code, environment, fingerprint);
        self.aside.used.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    /// Counts uses of a row.
    pub(super) fn count(&self, found: &Found<'_>, uses: u32) {
        self.aside.marks.count(found.slot / Line::ROWS, found.row, uses);
    }

    /// Takes the uses of all rows, dead rows too. Calls `taken` with each row's code and uses; two rows may have one
    /// code.
    pub(super) fn take_uses(&self, taken: impl FnMut(u64, u32)) {
        self.aside.marks.take_uses(&self.lines, taken);
    }

    /// The code and the identity of each live row.
    fn live(&self) -> impl Iterator<Item = (u64, &Arc<Identity>)> {
        let tags = self.lines.iter().flat_map(Line::rows).map(Row::tag).zip(&self.aside.identities);
        tags.filter(|(tag, _)| tag.is_live()).filter_map(|(tag, identity)| Some((tag.code(), identity.get()?)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.aside.used.load(Ordering::Relaxed) * FULL.1 >= self.lines.len() * Line::ROWS * FULL.0
    }

    /// Returns the live rows in a new segment with room for `expected` rows at least, or in two segments. Uses stay
    /// behind, to be taken from this segment.
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

    /// Returns whether this is the only handle: then no thread can count uses here any more, and every use counted
    /// before is seen.
    pub(super) fn is_unreachable(&mut self) -> bool {
        Arc::get_mut(&mut self.lines).is_some()
    }

    /// The memory that a verification may touch: rows, and a mark for each line.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + self.lines.len().div_ceil(8)
    }
}

#[cfg(test)]
impl Segment {
    pub(super) fn live_rows(&self) -> usize {
        self.live().count()
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len() * Line::ROWS
    }

    pub(super) fn marked_lines(&self) -> u32 {
        self.aside.marks.marked()
    }
}
