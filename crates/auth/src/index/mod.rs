//! Every live secret in memory, found by its locator.
//!
//! Reads are wait-free: they load atomics, and write nothing that another core reads. Writers are serialized, and a change
//! touches one row in place. The table is cut into segments that are rebuilt one at a time when full, so that a change
//! costs the same at a thousand keys and at ten million.
//!
//! Which segment is where, the *directory* says. A new one is made only when a segment is rebuilt. Each thread keeps the
//! newest one that it has seen, and compares its version with one load: no reference is counted on the way.
//!
//! A row is written before its tag, and the tag with `Release`; a reader loads the tag with `Acquire`, so that whoever
//! sees a live tag sees the whole row. A row's fingerprint never changes: a secret that dies only loses its `LIVE` bit, and
//! the row is dropped when its segment is next rebuilt.

mod row;

/// What [`row`] is made of.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use doorward_key::Digest;
use doorward_store::LiveSecret;
use doorward_types::{Environment, Locator, Tick};

use self::row::{Fingerprint, Row, Tag};
use self::sync::{AtomicU64, Ordering};
use crate::principal::Identity;

/// A segment that grows past this many live rows is split in two: small enough to rebuild in well under a millisecond.
const SPLIT_ABOVE: usize = 4_096;

/// A segment is rebuilt when three quarters full: most searches then end in the line that they begin in.
const FULL: (usize, usize) = (3, 4);

/// Rows of one cache line, on which a search looks at both.
const ROWS: usize = 2;

/// A cache line of rows.
#[repr(align(64))]
struct Line([Row; ROWS]);

/// Numbers the ASCII letters and digits from 1: ten of them fit into 60 bits at six bits each, and none gives a zero tag.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const SIX_BITS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    let mut value = 1;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = value;
            value += 1;
        }
        byte += 1;
    }
    table
};

/// A locator in 60 bits, the same for no two. What is no locator may share the code of one.
#[expect(clippy::indexing_slicing, reason = "a byte is within a table of 256")]
fn code(locator: &[u8; Locator::LENGTH]) -> u64 {
    let six_bits = |(place, byte): (usize, &u8)| u64::from(SIX_BITS[usize::from(*byte)]) << (6 * place);
    locator.iter().enumerate().map(six_bits).fold(0, |code, bits| code | bits)
}

/// A part of the table: open addressing with linear probing, line by line, never full.
///
/// It is a handle, so that the directory holds where the rows are: one step less on the way to them.
#[derive(Clone)]
struct Segment {
    lines: Arc<[Line]>,
    /// Beside the rows and not in them, since a search does not need it.
    identities: Arc<[OnceLock<Arc<Identity>>]>,
    /// Rows that are not vacant. Only the writer looks.
    used: Arc<AtomicUsize>,
    /// How many of a hash's upper bits all rows here share.
    depth: u32,
}

impl Segment {
    fn with_room_for(live: usize, depth: u32) -> Self {
        // An eighth of free room, so that the next rebuild is far off.
        let room = ((live + live / 8 + 8) * FULL.1 / FULL.0).next_multiple_of(ROWS);
        Self {
            depth,
            used: Arc::default(),
            lines: (0..room / ROWS).map(|_| Line(std::array::from_fn(|_| Row::vacant()))).collect(),
            identities: (0..room).map(|_| OnceLock::new()).collect(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.lines.iter().flat_map(|line| &line.0)
    }

    /// The line where a search begins. By the middle bits of the hash: the upper ones chose the segment.
    fn start(&self, hash: u64) -> usize {
        usize::try_from((((hash >> 16) & 0xffff_ffff) * self.lines.len() as u64) >> 32).unwrap_or(0)
    }

    /// Asks for the line where a search begins.
    fn touch(&self, hash: u64) {
        std::hint::black_box(self.lines.get(self.start(hash)).map(|line| line.0[0].tag()));
    }

    /// The first row on the way of a search whose tag is as wanted, or the vacant one where the search ends.
    ///
    /// Which row of a line it is, and whether it is vacant, leads to no branch: a time tells only how many lines were full.
    #[expect(clippy::indexing_slicing, reason = "a line has as many rows as a bit has values")]
    fn probe(&self, hash: u64, wanted: impl Fn(Tag) -> bool) -> Option<(usize, &Row)> {
        let start = self.start(hash);
        let (before, behind) = self.lines.split_at_checked(start)?;
        for (place, line) in (start..).zip(behind).chain((0..).zip(before)) {
            let [first, second] = line.0.each_ref().map(Row::tag).map(|tag| wanted(tag) | (tag == Tag::VACANT));
            if first | second {
                let offset = usize::from(!first);
                return Some((place * ROWS + offset, &line.0[offset]));
            }
        }
        None
    }

    /// The live row with this code.
    fn find(&self, hash: u64, code: u64) -> Option<(usize, &Row)> {
        self.probe(hash, |tag| tag.is_of(code)).filter(|(_, row)| row.tag().is_of(code))
    }

    /// Writes into the first vacant row. Readers see all of it or nothing.
    fn insert(&self, hash: u64, code: u64, identity: Arc<Identity>) -> Option<&Row> {
        let (slot, row) = self.probe(hash, |_| false)?;
        let (environment, digest) = (identity.live.key.environment, &identity.live.secret.digest);
        let fingerprint = Fingerprint::of(digest);
        self.identities.get(slot)?.set(identity).ok()?;
        row.publish(code, environment, fingerprint);
        self.used.fetch_add(1, Ordering::Relaxed);
        Some(row)
    }

    fn live(&self) -> impl Iterator<Item = (&Row, &Arc<Identity>)> {
        let rows = self.rows().zip(&*self.identities);
        rows.filter(|(row, _)| row.tag().is_live()).filter_map(|(row, identity)| Some((row, identity.get()?)))
    }

    fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) * FULL.1 >= self.lines.len() * ROWS * FULL.0
    }

    /// The live rows in a new segment with room for `expected` at least, or in two.
    fn rebuilt(&self, multiplier: u64, expected: usize) -> Vec<Self> {
        let live: Vec<_> =
            self.live().map(|(row, identity)| (hash(row.tag().code(), multiplier), row, identity)).collect();
        let halves = if live.len() > SPLIT_ABOVE { 2 } else { 1 };
        let depth = self.depth + halves as u32 - 1;
        let half_of = |hash: u64| if halves == 2 { (hash >> (64 - depth) & 1) as usize } else { 0 };
        let count = |half| live.iter().filter(|(hash, ..)| half_of(*hash) == half).count();
        let room = |half| Self::with_room_for(count(half).max(expected), depth);
        let rebuilt: Vec<_> = (0..halves).map(room).collect();
        for (hash, row, identity) in &live {
            let segment = rebuilt.get(half_of(*hash));
            let fresh = segment.and_then(|segment| segment.insert(*hash, row.tag().code(), Arc::clone(identity)));
            if let Some(fresh) = fresh {
                fresh.add_uses(row.take_uses());
            }
        }
        rebuilt
    }
}

/// Which segment a hash belongs to: as many entries as its `bits` upper bits have values. A segment that is less deep
/// stands in several places.
#[derive(Clone)]
pub(crate) struct Directory {
    bits: u32,
    segments: Vec<Segment>,
}

impl Directory {
    fn empty() -> Self {
        Self { bits: 0, segments: vec![Segment::with_room_for(0, 0)] }
    }

    fn place(&self, hash: u64) -> usize {
        // In two steps, since shifting by all 64 bits is no operation of the machine's.
        (hash >> 1 >> (63 - self.bits)) as usize
    }

    fn segment(&self, hash: u64) -> Option<&Segment> {
        self.segments.get(self.place(hash))
    }

    /// Each segment once.
    fn distinct(&self) -> impl Iterator<Item = &Segment> {
        let places = self.segments.iter().enumerate();
        let first = |place: usize, segment: &Segment| place.is_multiple_of(1 << (self.bits - segment.depth));
        places.filter(move |(place, segment)| first(*place, segment)).map(|(_, segment)| segment)
    }

    /// Rebuilds the segment that the hash belongs to, with room for as many rows as are there or `expected`, and more.
    fn rebuild_at(&mut self, hash: u64, multiplier: u64, expected: usize) {
        let Some(full) = self.segment(hash) else { return };
        let before = full.depth;
        let rebuilt = full.rebuilt(multiplier, expected);
        let depth = rebuilt.first().map_or(before, |segment| segment.depth);
        if depth > self.bits {
            self.segments = self.segments.iter().flat_map(|segment| [segment.clone(), segment.clone()]).collect();
            self.bits = depth;
        }
        // The full segment stood in all places that share its rows' upper bits; each half takes its own of them.
        let span = 1_usize << (self.bits - before);
        let first = self.place(hash) & !(span - 1);
        for (offset, segment) in self.segments.iter_mut().skip(first).take(span).enumerate() {
            if let Some(half) = rebuilt.get(offset * rebuilt.len() / span) {
                *segment = half.clone();
            }
        }
    }

    /// Writes a secret, in place of what was known of it before.
    fn write(&self, hash: u64, code: u64, live: LiveSecret) {
        let Some(segment) = self.segment(hash) else { return };
        match segment.find(hash, code) {
            Some((slot, _)) if segment.identities.get(slot).and_then(OnceLock::get).is_some_and(|i| i.live == live) => {
            }
            // The new row first: at no moment is a live secret absent.
            Some((_, old)) => {
                if let Some(fresh) = segment.insert(hash, code, Arc::new(Identity { live })) {
                    fresh.add_uses(old.take_uses());
                    old.withdraw();
                }
            }
            None => drop(segment.insert(hash, code, Arc::new(Identity { live }))),
        }
    }

    /// Whether a segment with this hash must be rebuilt before it takes one more.
    fn is_full_at(&self, hash: u64) -> bool {
        self.segment(hash).is_some_and(Segment::is_full)
    }
}

/// A table in the making, which no one reads yet: its directory grows in place, and its segments have room for all that they
/// can hold, so that each row is moved twice on average.
pub(crate) struct Draft {
    directory: Directory,
    multiplier: u64,
}

impl Draft {
    /// Adds a secret.
    pub(crate) fn insert(&mut self, live: LiveSecret) {
        let code = code(live.secret.locator.as_bytes());
        let hash = hash(code, self.multiplier);
        if self.directory.is_full_at(hash) {
            self.directory.rebuild_at(hash, self.multiplier, SPLIT_ABOVE);
        }
        self.directory.write(hash, code, live);
    }

    /// The directory, without the room that was not needed.
    fn finish(mut self) -> Directory {
        let mut next = Some(0_u64);
        while let Some(hash) = next {
            self.directory.rebuild_at(hash, self.multiplier, 0);
            let depth = self.directory.segment(hash).map_or(0, |segment| segment.depth);
            next = 1_u64.checked_shl(64 - depth).and_then(|span| hash.checked_add(span));
        }
        self.directory
    }
}

/// The uses that one thread has counted and not yet added to the rows.
///
/// Adding to a row is a write to a line that another core may want. A thread adds a key's first use of each epoch at
/// once, so that a single use is soon seen, and keeps the others until the key's next epoch.
#[derive(Default)]
struct Tally {
    sets: Vec<[Slot; WAYS]>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    code: u64,
    epoch: u32,
    uses: u32,
}

/// Places that a key may have: those of one cache line.
const WAYS: usize = 4;

/// Keys of one thread that are kept count of: four thousand, in 64 KiB. The uses of others are added one by one.
const SETS: usize = 1_024;

/// About an eighth of a second, in nanoseconds.
const EPOCH_BITS: u32 = 27;

impl Tally {
    fn count(&mut self, code: u64, row: &Row, now: Tick) {
        let epoch = (now.as_nanos() >> EPOCH_BITS) as u32;
        if self.sets.is_empty() {
            // Once per thread and table.
            self.sets.resize(SETS, [Slot::default(); WAYS]);
        }
        let place = (code.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
        let Some(set) = self.sets.get_mut(place) else { return };
        if let Some(slot) = set.iter_mut().find(|slot| slot.code == code) {
            if slot.epoch == epoch {
                slot.uses += 1;
            } else {
                row.add_uses(slot.uses + 1);
                *slot = Slot { code, epoch, uses: 0 };
            }
            return;
        }
        row.add_uses(1);
        // A key that has been silent for an epoch makes room; the uses that were kept of it are let go.
        if let Some(slot) = set.iter_mut().find(|slot| slot.epoch != epoch) {
            *slot = Slot { code, epoch, uses: 0 };
        }
    }
}

/// The table. See the module.
pub(crate) struct Index {
    directory: ArcSwap<Directory>,
    /// Raised after each new directory: what threads compare theirs with.
    version: AtomicU64,
    /// One writer at a time.
    writer: Mutex<()>,
    /// Odd and secret, so that no one can choose locators that crowd together.
    multiplier: u64,
    /// Tells the tables of a process apart.
    number: u64,
}

/// The directory of one table, as a thread last saw it, and the uses that the thread has yet to add to rows.
struct View {
    table: u64,
    version: u64,
    directory: Arc<Directory>,
    tally: Tally,
}

/// How many tables a thread keeps views of. A process seldom has more than one.
const VIEWS: usize = 4;

thread_local! {
    static SEEN: RefCell<Vec<View>> = const { RefCell::new(Vec::new()) };
}

impl Index {
    /// An empty table; `seed` is secret and random.
    pub(crate) fn new(seed: u64) -> Self {
        static TABLES: AtomicU64 = AtomicU64::new(0);
        Self {
            directory: ArcSwap::from_pointee(Directory::empty()),
            version: AtomicU64::new(0),
            writer: Mutex::new(()),
            multiplier: seed ^ 0x9E37_79B9_7F4A_7C15 | 1,
            number: TABLES.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whether this is a live secret of this environment, with the digest that `hash` comes back with. Counts the use
    /// where `accept` agrees, which is asked last of all.
    ///
    /// The first row is asked for before `hash` runs, so that the memory is on its way meanwhile. No branch stands
    /// between the two: one that waited for the row and was foretold wrongly would throw away the hash as well.
    pub(crate) fn verify<E>(
        &self,
        locator: &[u8; Locator::LENGTH],
        environment: Environment,
        hash: impl FnOnce() -> Digest,
        accept: impl FnOnce() -> Result<Tick, E>,
    ) -> Result<bool, E> {
        let code = code(locator);
        let place = self::hash(code, self.multiplier);
        self.with_view(|View { directory, tally, .. }| {
            let Some(segment) = directory.segment(place) else { return Ok(false) };
            segment.touch(place);
            let presented = Fingerprint::of(&hash());
            // Where there is no such row, comparing with a vacant one takes as long.
            let Some((_, row)) = segment.probe(place, |tag| tag.is_of(code)) else { return Ok(false) };
            let live = row.is(code, environment, presented);
            if live {
                tally.count(code, row, accept()?);
            }
            Ok(live)
        })
    }

    /// Whose secret has this locator, where it lives.
    pub(crate) fn identity(&self, locator: &Locator) -> Option<Arc<Identity>> {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        self.with_view(|View { directory, .. }| {
            let segment = directory.segment(hash)?;
            let (slot, ..) = segment.find(hash, code)?;
            segment.identities.get(slot)?.get().cloned()
        })
    }

    fn with_view<T>(&self, look: impl FnOnce(&mut View) -> T) -> T {
        let version = self.version.load(Ordering::Acquire);
        SEEN.with_borrow_mut(|seen| {
            let known = seen.iter().position(|view| view.table == self.number && view.version == version);
            let known = known.unwrap_or_else(|| self.see_anew(seen, version));
            // Both ways lead to a place that is there.
            #[expect(clippy::indexing_slicing, reason = "the place was found, or made, one line above")]
            look(&mut seen[known])
        })
    }

    #[cold]
    fn see_anew(&self, seen: &mut Vec<View>, version: u64) -> usize {
        // It may be newer than the version; then it is taken once more at the next look.
        let directory = self.directory.load_full();
        let before = seen.iter().position(|view| view.table == self.number).map(|place| seen.remove(place));
        let tally = before.map(|view| view.tally).unwrap_or_default();
        seen.truncate(VIEWS - 1);
        seen.insert(0, View { table: self.number, version, directory, tally });
        0
    }

    /// Every secret that was used since this was last asked, and how often. What a thread has not yet added to a row
    /// comes with a later call; what one adds to a segment that is being rebuilt is lost.
    pub(crate) fn take_uses(&self) -> Vec<(Locator, u32)> {
        let directory = self.directory.load_full();
        let mut uses = Vec::new();
        for segment in directory.distinct() {
            for (row, identity) in segment.live() {
                match row.take_uses() {
                    0 => {}
                    count => uses.push((identity.live.secret.locator, count)),
                }
            }
        }
        uses
    }

    /// Adds uses back that could not be written.
    pub(crate) fn give_back(&self, uses: &[(Locator, u32)]) {
        let directory = self.directory.load_full();
        for (locator, count) in uses {
            let code = code(locator.as_bytes());
            let hash = hash(code, self.multiplier);
            if let Some((_, row)) = directory.segment(hash).and_then(|segment| segment.find(hash, code)) {
                row.add_uses(*count);
            }
        }
    }

    /// Bytes of all rows: what a verification may touch.
    pub(crate) fn bytes(&self) -> usize {
        self.directory.load().distinct().map(|segment| size_of_val(&*segment.lines)).sum()
    }

    /// Looks at every live secret.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&LiveSecret)) {
        let directory = self.directory.load_full();
        directory.distinct().flat_map(Segment::live).for_each(|(_, identity)| look(&identity.live));
    }

    /// Publishes a secret, in place of what was known of it before.
    pub(crate) fn insert(&self, live: LiveSecret) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let code = code(live.secret.locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let mut directory = self.directory.load_full();
        if directory.is_full_at(hash) {
            let mut wider = Directory::clone(&directory);
            wider.rebuild_at(hash, self.multiplier, 0);
            directory = Arc::new(wider);
            self.publish(Arc::clone(&directory));
        }
        directory.write(hash, code, live);
    }

    /// Withdraws a secret: no search that begins after this finds it.
    pub(crate) fn remove(&self, locator: &Locator) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        if let Some((_, row)) = self.directory.load().segment(hash).and_then(|segment| segment.find(hash, code)) {
            row.withdraw();
        }
    }

    /// An empty table that [`Index::become_like`] can take over.
    pub(crate) fn draft(&self) -> Draft {
        Draft { directory: Directory::empty(), multiplier: self.multiplier }
    }

    /// Takes over all that a draft holds, in one instant.
    pub(crate) fn become_like(&self, draft: Draft) {
        debug_assert_eq!(self.multiplier, draft.multiplier, "hashes must agree");
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.publish(Arc::new(draft.finish()));
    }

    fn publish(&self, directory: Arc<Directory>) {
        self.directory.store(directory);
        self.version.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

/// Locators are random already; this only keeps their choice out of a client's hands.
fn hash(code: u64, multiplier: u64) -> u64 {
    let product = u128::from(code) * u128::from(multiplier);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use doorward_store::{AccessKey, Secret};
    use doorward_types::{AccessKeyId, OrganizationId, SecretState, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn locator(number: u64) -> Locator {
        format!("{number:010}").parse().unwrap()
    }

    fn live(number: u64) -> LiveSecret {
        LiveSecret {
            secret: Secret {
                locator: locator(number),
                digest: Digest::from_words([number, 1, 2, 3]),
                generation: 1,
                state: SecretState::Current,
                created_at: Timestamp::from_millis(0),
            },
            key: AccessKey {
                id: AccessKeyId::from_u128(u128::from(number)),
                organization: OrganizationId::from_u128(1),
                environment: if number.is_multiple_of(2) { Environment::Production } else { Environment::Test },
                name: "a key".parse().unwrap(),
                created_at: Timestamp::from_millis(0),
                created_by: "ada".parse().unwrap(),
            },
            organization_name: "Acme".parse().unwrap(),
        }
    }

    fn accepts(index: &Index, number: u64) -> bool {
        let LiveSecret { secret, key, .. } = live(number);
        let is = |digest, environment| {
            let now = || Ok::<_, std::convert::Infallible>(Tick::ZERO);
            index.verify(secret.locator.as_bytes(), environment, || digest, now).unwrap()
        };
        let other = if key.environment == Environment::Test { Environment::Production } else { Environment::Test };
        assert!(!is(secret.digest, other), "the stored environment decides");
        assert!(!is(Digest::from_words([number, 1, 3, 3]), key.environment), "the digest decides");
        assert!(!is(Digest::from_words([0; 4]), key.environment));
        let accepted = is(secret.digest, key.environment);
        assert_eq!(accepted, index.identity(&secret.locator).is_some_and(|found| found.live.key.id == key.id));
        accepted
    }

    #[test]
    fn codes_are_distinct_and_never_zero() {
        let texts = ["0000000000", "0000000001", "1000000000", "zzzzzzzzzz", "ZZZZZZZZZZ", "aaaaaaaaaa", "AAAAAAAAAA"];
        let codes: std::collections::BTreeSet<u64> =
            texts.iter().map(|text| code(text.parse::<Locator>().unwrap().as_bytes())).collect();
        assert_eq!(codes.len(), texts.len());
        assert!(codes.iter().all(|code| *code != 0 && code >> 60 == 0));
    }

    #[test]
    fn a_hundred_thousand_secrets_are_found_through_every_split() {
        let index = Index::new(0x9E37_79B9_7F4A_7C15);
        for number in 0..100_000 {
            index.insert(live(number));
        }
        assert!((0..100_000).all(|number| accepts(&index, number)));
        assert!(!(100_000..110_000).any(|number| accepts(&index, number)));
        for number in (0..100_000).step_by(3) {
            index.remove(&locator(number));
        }
        assert!((0..100_000).all(|number| accepts(&index, number) == (number % 3 != 0)));
        let directory = index.directory.load();
        assert!(directory.segments.iter().all(|segment| segment.live().count() <= SPLIT_ABOVE + 1));
    }

    #[test]
    fn a_draft_takes_the_place_of_all_that_was_there() {
        for count in [0, 1, 4_096, 4_700, 100_000] {
            let index = Index::new(11);
            index.insert(live(1_000_000));
            let mut draft = index.draft();
            (0..count).for_each(|number| draft.insert(live(number)));
            index.become_like(draft);
            assert!((0..count).all(|number| accepts(&index, number)));
            assert!(!accepts(&index, 1_000_000));
            let directory = index.directory.load();
            let rows: usize = directory.distinct().map(|segment| segment.rows().count()).sum();
            assert!(rows as u64 <= count * 3 / 2 + 16 * directory.segments.len() as u64, "{rows} rows for {count}");
            // It goes on as any table does.
            (count..count + 10_000).for_each(|number| index.insert(live(number)));
            assert!((0..count + 10_000).all(|number| accepts(&index, number)));
        }
    }

    #[test]
    fn rows_of_dead_secrets_are_used_again() {
        let index = Index::new(1);
        for number in 0..200_000 {
            index.insert(live(number));
            if number >= 10 {
                index.remove(&locator(number - 10));
            }
        }
        assert!((199_990..200_000).all(|number| accepts(&index, number)));
        let rows: usize = index.directory.load().segments.iter().map(|segment| segment.rows().count()).sum();
        assert!(rows < 100, "{rows} rows for 10 secrets");
    }

    #[test]
    fn uses_are_counted_per_key_and_taken_once() {
        let index = Index::new(5);
        for number in 0..10_000 {
            index.insert(live(number));
        }
        let used = |number: u64, at: Duration| {
            let LiveSecret { secret, key, .. } = live(number);
            let now = || Ok::<_, std::convert::Infallible>(Tick::ZERO + at);
            assert!(index.verify(secret.locator.as_bytes(), key.environment, || secret.digest, now).unwrap());
        };
        // A single use is seen at once.
        used(7, Duration::from_secs(1));
        assert_eq!(index.take_uses(), [(locator(7), 1)]);
        assert_eq!(index.take_uses(), []);
        // Many are added together, at the key's next use after the epoch.
        for _ in 0..1_000 {
            used(7, Duration::from_secs(1));
        }
        used(7, Duration::from_secs(2));
        assert_eq!(index.take_uses(), [(locator(7), 1_001)]);
        // Every key is counted, whoever shares its slot, and through rebuilds.
        for number in 0..10_000 {
            used(number, Duration::from_secs(3));
        }
        for number in 10_000..40_000 {
            index.insert(live(number));
        }
        let mut uses = index.take_uses();
        uses.sort_unstable();
        assert_eq!(uses, (0..10_000).map(|number| (locator(number), 1)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_known_of_a_secret_can_change_while_it_lives() {
        let index = Index::new(5);
        index.insert(live(7));
        let renamed = LiveSecret { organization_name: "Acme Inc".parse().unwrap(), ..live(7) };
        index.insert(renamed.clone());
        assert!(accepts(&index, 7));
        assert_eq!(index.identity(&locator(7)).unwrap().live, renamed);
        index.remove(&locator(7));
        assert!(!accepts(&index, 7));
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_map(seed in any::<u64>(), steps in prop::collection::vec((any::<bool>(), 0..300_u64), 1..2_000)) {
            let (index, mut map) = (Index::new(seed), BTreeMap::new());
            for (insert, number) in steps {
                if insert {
                    index.insert(live(number));
                    map.insert(number, ());
                } else {
                    index.remove(&locator(number));
                    map.remove(&number);
                }
            }
            for number in 0..300 {
                prop_assert_eq!(accepts(&index, number), map.contains_key(&number));
            }
        }
    }

    #[test]
    fn readers_see_whole_rows_while_a_writer_works() {
        let index = Index::new(7);
        let newest = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..60_000 {
                    index.insert(live(number));
                    if number > 100 {
                        index.remove(&locator(number - 100));
                    }
                    newest.store(number, Ordering::Release);
                }
            });
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 59_999 {
                    seen = newest.load(Ordering::Acquire);
                    if seen > 100 {
                        assert!(!accepts(&index, seen - 100), "withdrawn before the number was published");
                    }
                    // It may be withdrawn by now, but if it is found, it is whole.
                    if let Some(identity) = index.identity(&locator(seen)) {
                        assert_eq!(identity.live.secret.locator, locator(seen));
                    }
                }
            });
        });
    }
}
