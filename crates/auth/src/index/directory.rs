//! The directory of segments, and a whole table before anyone reads it.

use std::sync::Arc;

use doorward_store::LiveSecret;
use doorward_types::{Environment, SecretState};

use super::code::{code, hash};
use super::creation_times::{CreationTimes, Entry};
use super::segment::{SPLIT_ABOVE, Segment};
use crate::principal::Identity;

/// The segment of each hash: as many entries as its `bits` upper bits have values. A segment that is less deep stands
/// in several places.
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
        // In two steps, since shifting by all 64 bits is no operation of the machine's.
        (hash >> 1 >> (63 - self.bits)) as usize
    }

    pub(super) fn segment(&self, hash: u64) -> Option<&Segment> {
        self.segments.get(self.place(hash))
    }

    /// Each segment once.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Segment> {
        let places = self.segments.iter().enumerate();
        let first = |place: usize, segment: &Segment| place.is_multiple_of(1 << (self.bits - segment.depth()));
        places.filter(move |(place, segment)| first(*place, segment)).map(|(_, segment)| segment)
    }

    /// Rebuilds the segment that the hash belongs to, with room for as many rows as are there or `expected`, and more.
    /// Returns the segment that was replaced.
    pub(super) fn rebuild_at(&mut self, place: u64, multiplier: u64, expected: usize) -> Option<Segment> {
        let full = self.segment(place)?.clone();
        let rebuilt = full.rebuilt(expected, |code| hash(code, multiplier));
        let depth = rebuilt.first().map_or(full.depth(), Segment::depth);
        if depth > self.bits {
            self.segments = self.segments.iter().flat_map(|segment| [segment.clone(), segment.clone()]).collect();
            self.bits = depth;
        }
        // The full segment stood in all places that share its rows' upper bits; each half takes its own of them.
        let span = 1_usize << (self.bits - full.depth());
        let first = self.place(place) & !(span - 1);
        for (offset, segment) in self.segments.iter_mut().skip(first).take(span).enumerate() {
            if let Some(half) = rebuilt.get(offset * rebuilt.len() / span) {
                *segment = half.clone();
            }
        }
        Some(full)
    }

    /// Writes a secret, in place of what was known of it before.
    pub(super) fn write(&self, hash: u64, code: u64, live: LiveSecret, times: &mut CreationTimes) {
        let Some(segment) = self.segment(hash) else { return };
        let old = segment.find(hash, code);
        let known = old.as_ref().and_then(|old| segment.identity(old)).map(|identity| &identity.live);
        if known == Some(&live) {
            return;
        }
        let [old_entry, entry] = [known, Some(&live)].map(|live| live.and_then(|live| production_entry(code, live)));
        // The new row first: at no moment is a live secret absent. Uses stay with the old row until they are taken.
        segment.insert(hash, code, Arc::new(Identity { live }));
        if let Some(old) = old {
            old.row.withdraw();
        }
        if let Some(entry) = old_entry {
            times.remove(entry);
        }
        if let Some(entry) = entry {
            times.insert(entry);
        }
    }

    /// Withdraws a secret.
    pub(super) fn withdraw(&self, hash: u64, code: u64, times: &mut CreationTimes) {
        let Some(segment) = self.segment(hash) else { return };
        let Some(found) = segment.find(hash, code) else { return };
        found.row.withdraw();
        if let Some(entry) = segment.identity(&found).and_then(|identity| production_entry(code, &identity.live)) {
            times.remove(entry);
        }
    }

    /// Returns whether the segment of this hash must be rebuilt before it takes one more row.
    pub(super) fn is_full_at(&self, hash: u64) -> bool {
        self.segment(hash).is_some_and(Segment::is_full)
    }
}

/// The entry of a current production secret. Other secrets have none.
fn production_entry(code: u64, live: &LiveSecret) -> Option<Entry> {
    let counts = live.key.environment == Environment::Production && live.secret.state == SecretState::Current;
    counts.then_some(Entry { created_at: live.secret.created_at, code })
}

/// A table in the making, which no one reads yet: its directory grows in place, and its segments have room for all that
/// they can hold, so that each row is moved twice on average.
pub(crate) struct Draft {
    directory: Directory,
    times: CreationTimes,
    multiplier: u64,
    /// The hash of the first segment that has not been trimmed. None if all have been.
    untrimmed: Option<u64>,
}

impl Draft {
    pub(super) fn new(multiplier: u64) -> Self {
        Self { directory: Directory::empty(), times: CreationTimes::default(), multiplier, untrimmed: Some(0) }
    }

    pub(super) const fn multiplier(&self) -> u64 {
        self.multiplier
    }

    /// Adds a secret.
    pub(crate) fn insert(&mut self, live: LiveSecret) {
        let code = code(live.secret.locator.as_bytes());
        let hash = hash(code, self.multiplier);
        if self.directory.is_full_at(hash) {
            self.directory.rebuild_at(hash, self.multiplier, SPLIT_ABOVE);
        }
        self.directory.write(hash, code, live, &mut self.times);
    }

    /// Gives back the room that one more segment does not need. Returns whether there are segments left.
    ///
    /// To be called after the last [`Draft::insert`], with a pause between two calls: a call takes less than a
    /// millisecond, all of them take a second at ten million secrets.
    pub(crate) fn trim(&mut self) -> bool {
        let Some(hash) = self.untrimmed else { return false };
        self.directory.rebuild_at(hash, self.multiplier, 0);
        let depth = self.directory.segment(hash).map_or(0, Segment::depth);
        self.untrimmed = 1_u64.checked_shl(64 - depth).and_then(|span| hash.checked_add(span));
        self.untrimmed.is_some()
    }

    /// The whole table, trimmed.
    pub(super) fn finish(mut self) -> (Directory, CreationTimes) {
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
