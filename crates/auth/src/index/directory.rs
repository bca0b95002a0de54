//! The directory of segments, and the draft of a whole table.

use std::sync::Arc;

use doorward_store::ActiveSecret;
use doorward_types::{Environment, SecretState};

use super::code::{code, hash};
use super::creation_times::{Entry, ProductionTimes};
use super::formats::ImportFormats;
use super::segment::{SPLIT_ABOVE, Segment};
use crate::principal::Identity;

/// The segment of each hash, by the upper `bits` bits of the hash. A segment with a smaller depth is in several places.
#[derive(Clone)]
pub(super) struct Directory {
    bits: u32,
    segments: Vec<Segment>,
}

impl Directory {
    pub(super) fn empty() -> Self {
        Self { bits: 0, segments: vec![Segment::with_room_for(0, 0)] }
    }

    fn place(&self, hash: u64) -> usize {
        // Shift in two steps: the machine cannot shift by all 64 bits.
        (hash >> 1 >> (63 - self.bits)) as usize
    }

    pub(super) fn segment(&self, hash: u64) -> Option<&Segment> {
        self.segments.get(self.place(hash))
    }

    /// Returns each segment once.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Segment> {
        let places = self.segments.iter().enumerate();
        let first = |place: usize, segment: &Segment| place.is_multiple_of(1 << (self.bits - segment.depth()));
        places.filter(move |(place, segment)| first(*place, segment)).map(|(_, segment)| segment)
    }

    /// Rebuilds the segment of a hash, with more room than for its rows and for `expected` rows. Returns the replaced
    /// segment.
    pub(super) fn rebuild_at(&mut self, place: u64, multiplier: u64, expected: usize) -> Option<Segment> {
        let full = self.segment(place)?.clone();
        let rebuilt = full.rebuilt(expected, |code| hash(code, multiplier));
        let depth = rebuilt.first().map_or(full.depth(), Segment::depth);
        if depth > self.bits {
            self.segments = self.segments.iter().flat_map(|segment| [segment.clone(), segment.clone()]).collect();
            self.bits = depth;
        }
        // The full segment was in all places that share its rows' upper bits. Each half takes its own places.
        let span = 1_usize << (self.bits - full.depth());
        let first = self.place(place) & !(span - 1);
        for (offset, segment) in self.segments.iter_mut().skip(first).take(span).enumerate() {
            if let Some(half) = rebuilt.get(offset * rebuilt.len() / span) {
                *segment = half.clone();
            }
        }
        Some(full)
    }

    /// Writes a secret, and replaces its old row.
    pub(super) fn write(&self, hash: u64, code: u64, live: ActiveSecret, times: &mut ProductionTimes) {
        let Some(segment) = self.segment(hash) else { return };
        let old = segment.find(hash, code);
        let known = old.as_ref().and_then(|old| segment.identity(old)).map(|identity| &identity.live);
        if known == Some(&live) {
            return;
        }
        let [old_entry, entry] = [known, Some(&live)].map(|live| live.and_then(|live| production_entry(code, live)));
        // Write the new row first, so that a live secret is never absent. Uses stay in the old row until they are
        // taken.
        segment.insert(hash, code, Arc::new(Identity { live }));
        if let Some(old) = old {
            old.row.withdraw();
        }
        if let Some((state, entry)) = old_entry {
            times.of(state).remove(entry);
        }
        if let Some((state, entry)) = entry {
            times.of(state).insert(entry);
        }
    }

    /// Removes a secret.
    pub(super) fn withdraw(&self, hash: u64, code: u64, times: &mut ProductionTimes) {
        let Some(segment) = self.segment(hash) else { return };
        let Some(found) = segment.find(hash, code) else { return };
        found.row.withdraw();
        if let Some((state, entry)) =
            segment.identity(&found).and_then(|identity| production_entry(code, &identity.live))
        {
            times.of(state).remove(entry);
        }
    }

    /// Returns true if the segment of this hash must be rebuilt before it takes one more row.
    pub(super) fn is_full_at(&self, hash: u64) -> bool {
        self.segment(hash).is_some_and(Segment::is_full)
    }
}

/// Returns the state and the entry of a production secret, or `None` for other secrets.
fn production_entry(code: u64, live: &ActiveSecret) -> Option<(SecretState, Entry)> {
    let entry = Entry { created_at: live.secret.created_at, code };
    (live.key.environment == Environment::Production).then_some((live.secret.state, entry))
}

/// An unpublished table. Its directory grows in place, and each segment has its full room, so each row is moved twice
/// on average.
pub(crate) struct Draft {
    directory: Directory,
    times: ProductionTimes,
    multiplier: u64,
    /// The hash of the first untrimmed segment, or `None` if all are trimmed.
    untrimmed: Option<u64>,
    formats: ImportFormats,
}

impl Draft {
    pub(super) fn new(multiplier: u64) -> Self {
        Self {
            directory: Directory::empty(),
            times: ProductionTimes::default(),
            multiplier,
            untrimmed: Some(0),
            formats: ImportFormats::default(),
        }
    }

    pub(super) const fn multiplier(&self) -> u64 {
        self.multiplier
    }

    /// Returns the formats of the imported secrets.
    pub(super) const fn formats(&self) -> &ImportFormats {
        &self.formats
    }

    /// Adds a secret.
    pub(crate) fn insert(&mut self, live: ActiveSecret) {
        self.formats.add(live.secret.imported);
        let code = code(live.secret.locator.as_bytes());
        let hash = hash(code, self.multiplier);
        if self.directory.is_full_at(hash) {
            self.directory.rebuild_at(hash, self.multiplier, SPLIT_ABOVE);
        }
        self.directory.write(hash, code, live, &mut self.times);
    }

    /// Frees the unused room of one more segment. Returns false if no untrimmed segment is left.
    ///
    /// Call it after the last [`Draft::insert`], with a pause between two calls: a call takes less than a millisecond,
    /// and all calls together take a second at ten million secrets.
    pub(crate) fn trim(&mut self) -> bool {
        let Some(hash) = self.untrimmed else { return false };
        self.directory.rebuild_at(hash, self.multiplier, 0);
        let depth = self.directory.segment(hash).map_or(0, Segment::depth);
        self.untrimmed = 1_u64.checked_shl(64 - depth).and_then(|span| hash.checked_add(span));
        self.untrimmed.is_some()
    }

    /// Returns the whole table, trimmed.
    pub(super) fn finish(mut self) -> (Directory, ProductionTimes) {
        while self.trim() {}
        (self.directory, self.times)
    }
}

#[cfg(test)]
impl Directory {
    pub(super) fn places(&self) -> &[Segment] {
        &self.segments
    }
}
