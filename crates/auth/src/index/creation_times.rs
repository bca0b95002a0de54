//! The creation times of all production secrets, in order: those of the current ones, and those of the staged ones. They
//! give the number of secrets up to a time, and the oldest secrets.
//!
//! The entries are in chunks of at most [`CHUNK`], so that a change moves a few kilobytes. A count adds up the lengths
//! of the chunks before the time: twenty thousand numbers at ten million secrets. An entry takes 16 bytes, and at most
//! 16 more bytes of free room in its chunk.

use doorward_types::{SecretState, Timestamp};

/// The number of entries in a full chunk: 8 KiB.
const CHUNK: usize = 512;

/// Two neighbouring chunks with fewer entries in total are joined.
const SPARSE: usize = CHUNK / 4;

/// The number of entries by which a chunk's room grows. At most twice as much stays free.
const ROOM: usize = 32;

/// A production secret. Entries are in order of creation, and no two secrets have the same code.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Entry {
    pub(super) created_at: Timestamp,
    pub(super) code: u64,
}

/// The creation times of all production secrets.
#[derive(Default)]
pub(super) struct ProductionTimes {
    pub(super) current: CreationTimes,
    pub(super) staged: CreationTimes,
}

impl ProductionTimes {
    /// Returns the times of the secrets in a state.
    pub(super) fn of(&mut self, state: SecretState) -> &mut CreationTimes {
        match state {
            SecretState::Current => &mut self.current,
            SecretState::Staged => &mut self.staged,
        }
    }
}

/// A part of the entries.
struct Chunk {
    /// The lower bound of the chunk. Every entry is at or after `first`, and every entry of the chunk before is
    /// earlier. Only the first chunk may have earlier entries.
    first: Entry,
    /// The entries, in order. Never empty.
    entries: Vec<Entry>,
}

impl Chunk {
    fn of(first: Entry, entries: Vec<Entry>) -> Self {
        Self { first, entries }
    }
}

/// The creation times. See the module.
#[derive(Default)]
pub(super) struct CreationTimes {
    chunks: Vec<Chunk>,
}

impl CreationTimes {
    /// Returns the number of secrets that were created at this time or before.
    pub(super) fn count_until(&self, time: Timestamp) -> u64 {
        let place = self.chunks.partition_point(|chunk| chunk.first.created_at <= time).saturating_sub(1);
        let before: usize = self.chunks.iter().take(place).map(|chunk| chunk.entries.len()).sum();
        let within = |chunk: &Chunk| chunk.entries.partition_point(|entry| entry.created_at <= time);
        (before + self.chunks.get(place).map_or(0, within)) as u64
    }

    /// Returns the secrets, the oldest first.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = Entry> {
        self.chunks.iter().flat_map(|chunk| &chunk.entries).copied()
    }

    /// Adds a secret, unless it is present.
    pub(super) fn insert(&mut self, entry: Entry) {
        let place = self.place(entry);
        let last = place + 1 >= self.chunks.len();
        let Some(Chunk { entries, .. }) = self.chunks.get_mut(place) else {
            self.chunks.push(Chunk::of(entry, vec![entry]));
            return;
        };
        let Err(at) = entries.binary_search(&entry) else { return };
        if entries.len() < CHUNK {
            if entries.len() == entries.capacity() {
                entries.reserve_exact(ROOM);
            }
            entries.insert(at, entry);
        } else if last && at == CHUNK {
            // Most secrets are added in order of creation, so their chunks stay full.
            self.chunks.push(Chunk::of(entry, vec![entry]));
        } else {
            let mut upper = entries.split_off(CHUNK / 2);
            entries.shrink_to(CHUNK / 2 + ROOM);
            upper.reserve_exact(ROOM);
            match at.checked_sub(CHUNK / 2) {
                Some(at) if at > 0 => upper.insert(at, entry),
                _ => entries.insert(at, entry),
            }
            if let Some(first) = upper.first() {
                self.chunks.insert(place + 1, Chunk::of(*first, upper));
            }
        }
    }

    /// Removes a secret, if it is present.
    pub(super) fn remove(&mut self, entry: Entry) {
        let place = self.place(entry);
        let Some(Chunk { entries, .. }) = self.chunks.get_mut(place) else { return };
        let Ok(at) = entries.binary_search(&entry) else { return };
        entries.remove(at);
        if entries.capacity() - entries.len() > 2 * ROOM {
            entries.shrink_to(entries.len() + ROOM);
        }
        if entries.is_empty() {
            self.remove_chunk(place);
        } else {
            self.join_with_next(place);
        }
        if let Some(before) = place.checked_sub(1) {
            self.join_with_next(before);
        }
    }

    /// Returns the chunk that an entry belongs to.
    fn place(&self, entry: Entry) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= entry).saturating_sub(1)
    }

    /// Joins a chunk with the next one if both are sparse.
    fn join_with_next(&mut self, place: usize) {
        let Some([one, next]) = self.chunks.get_mut(place..).and_then(<[Chunk]>::first_chunk_mut) else { return };
        if one.entries.len() + next.entries.len() < SPARSE {
            one.entries.reserve_exact(next.entries.len());
            one.entries.append(&mut next.entries);
            self.remove_chunk(place + 1);
        }
    }

    fn remove_chunk(&mut self, place: usize) {
        self.chunks.remove(place);
        if self.chunks.capacity() > 4 * self.chunks.len() {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
    }

    /// Returns the memory in use.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let entries: usize = self.chunks.iter().map(|chunk| chunk.entries.capacity() * size_of::<Entry>()).sum();
        self.chunks.capacity() * size_of::<Chunk>() + entries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn entry(millis: i64, code: u64) -> Entry {
        Entry { created_at: Timestamp::from_millis(millis), code }
    }

    fn filled(millis: impl Iterator<Item = i64>) -> CreationTimes {
        let mut times = CreationTimes::default();
        millis.zip(0..).for_each(|(millis, code)| times.insert(entry(millis, code)));
        times
    }

    /// Asserts the invariants that the types do not express.
    fn check(times: &CreationTimes) {
        let all: Vec<Entry> = times.chunks.iter().flat_map(|chunk| chunk.entries.iter().copied()).collect();
        assert!(all.is_sorted_by(|one, next| one < next));
        for (number, chunk) in times.chunks.iter().enumerate() {
            assert!(!chunk.entries.is_empty() && chunk.entries.len() <= CHUNK);
            assert!(number == 0 || chunk.first <= chunk.entries[0]);
            assert!(times.chunks.get(number + 1).is_none_or(|next| *chunk.entries.last().unwrap() < next.first));
        }
        assert!(all.len() < 1_000 || times.bytes() <= 40 * all.len(), "{} for {}", times.bytes(), all.len());
    }

    proptest! {
        /// Uses few times and codes, so that entries collide, and bursts, so that chunks split and join.
        #[test]
        fn the_order_agrees_with_a_set(
            bursts in prop::collection::vec((any::<bool>(), 0..200_i64, 0..20_u64, 1..400_i64), 1..60),
        ) {
            let (mut times, mut set) = (CreationTimes::default(), BTreeSet::new());
            for (insert, start, code, length) in bursts {
                for millis in start..start + length {
                    let entry = entry(millis, code);
                    if insert {
                        times.insert(entry);
                        set.insert(entry);
                    } else {
                        times.remove(entry);
                        set.remove(&entry);
                    }
                }
                check(&times);
                prop_assert_eq!(times.oldest_first().next(), set.first().copied());
            }
            for millis in -1..610 {
                let time = Timestamp::from_millis(millis);
                let due = set.iter().filter(|entry| entry.created_at <= time).count();
                prop_assert_eq!(times.count_until(time), due as u64);
            }
        }
    }

    #[test]
    fn an_empty_order_has_no_oldest() {
        let mut times = filled([5].into_iter());
        times.remove(entry(5, 1));
        times.remove(entry(4, 0));
        assert_eq!(
            (times.count_until(Timestamp::from_millis(i64::MAX)), times.oldest_first().next()),
            (1, Some(entry(5, 0)))
        );
        times.remove(entry(5, 0));
        assert_eq!((times.count_until(Timestamp::from_millis(i64::MAX)), times.oldest_first().next()), (0, None));
        times.insert(entry(i64::MIN, 0));
        assert_eq!(times.count_until(Timestamp::from_millis(i64::MIN)), 1);
    }

    #[test]
    fn memory_stays_in_proportion_in_whatever_order_secrets_come_and_go() {
        const COUNT: i64 = 100_000;
        let scattered = |number: i64| number * 61_803 % COUNT;
        for order in [|number| number, |number| COUNT - number, |number: i64| number * 61_803 % COUNT, |_| 7] {
            let times = filled((0..COUNT).map(order));
            check(&times);
            assert_eq!(times.count_until(Timestamp::from_millis(COUNT)), COUNT as u64);
        }
        // A year of rotations: every old secret is removed in random order, and a new secret is added.
        let mut times = filled((0..COUNT).map(scattered));
        for number in 0..COUNT {
            times.remove(entry(scattered(number), number as u64));
            times.insert(entry(COUNT + number, number as u64));
            if number % 1_000 == 0 {
                check(&times);
            }
        }
        check(&times);
        // Most secrets are removed.
        for number in (0..COUNT).filter(|number| number % 97 != 0) {
            times.remove(entry(COUNT + number, number as u64));
        }
        check(&times);
    }
}
