//! Every live secret in memory, found by its locator.
//!
//! Reads are wait-free: they load atomics, and write nothing that another core reads. Writers are serialized, and a
//! change touches one row in place. The table is cut into segments that are rebuilt one at a time when full, so that a
//! change costs the same at a thousand keys and at ten million.
//!
//! The *directory* names the segment of each hash. A new one is made only when a segment is rebuilt. Each thread keeps
//! the newest one that it has seen, and compares its version with one load: no reference is counted on the way.
//!
//! A row is written before its tag, and the tag with `Release`; a reader loads the tag with `Acquire`, so that a reader
//! who sees a live tag sees the whole row. A row's fingerprint never changes: a secret that dies only loses its `LIVE`
//! bit, and the row is dropped when its segment is next rebuilt.
//!
//! A search reads each tag once, and judges by what it read. So a live secret is accepted even while its record moves
//! to another row. A secret that dies during a search may still be accepted by this search. A search that begins after
//! the death reads every tag after the death, and refuses the secret. The promise needs no more: the lease is read
//! before the search, and it speaks only for deaths that were written before the lease.
//!
//! Uses are counted in the rows, and marks name the rows that were used. A row or a segment that is replaced keeps its
//! uses until they are taken. A replaced segment stays in memory until no thread has a directory with it: so no use is
//! lost, and no verification has to free memory.

mod code;
mod creation_times;
mod directory;
mod marks;
mod row;
mod segment;
mod sync;
mod tally;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use doorward_key::Digest;
use doorward_store::LiveSecret;
use doorward_types::{Environment, Locator, Tick, Timestamp};

use self::code::{code, hash};
use self::creation_times::CreationTimes;
use self::directory::Directory;
pub(crate) use self::directory::Draft;
use self::row::Fingerprint;
use self::segment::{Found, Segment};
use self::sync::{AtomicU64, Ordering};
use self::tally::Tally;
use crate::principal::Identity;

/// The table. See the module.
pub(crate) struct Index {
    directory: ArcSwap<Directory>,
    /// Raised after each new directory: threads compare it with the version of theirs.
    version: AtomicU64,
    /// One writer at a time.
    writer: Mutex<Writer>,
    /// Odd and secret, so that no one can choose locators that crowd together.
    multiplier: u64,
    /// Tells the tables of a process apart.
    number: u64,
}

/// The state that only writers see.
#[derive(Default)]
struct Writer {
    times: CreationTimes,
    /// Segments and directories that were replaced. A thread with an older directory may still count uses in the
    /// segments.
    replaced: Vec<Segment>,
    replaced_directories: Vec<Arc<Directory>>,
}

/// The directory of one table, as a thread last saw it, and the uses that the thread has yet to add to rows.
struct View {
    table: u64,
    version: u64,
    directory: Arc<Directory>,
    tally: Tally,
}

/// A live secret that a search found. Its identity is read only if it is asked for.
pub(crate) struct Live<'a> {
    segment: &'a Segment,
    found: Found<'a>,
}

impl Live<'_> {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.segment.identity(&self.found).cloned()
    }
}

/// The number of tables that a thread keeps views of. A process seldom has more than one.
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
            writer: Mutex::default(),
            multiplier: seed ^ 0x9E37_79B9_7F4A_7C15 | 1,
            number: TABLES.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Searches once for a live secret of this environment with the digest that `hash` returns. If `accept` agrees,
    /// which is asked last of all, counts the use, and returns what `take` takes of the secret.
    ///
    /// The first row is asked for before `hash` runs, so that the memory is on its way meanwhile. No branch stands
    /// between the two: a branch that waited for the row and was predicted wrongly would throw away the hash as well.
    pub(crate) fn verify<T, E>(
        &self,
        locator: &[u8; Locator::LENGTH],
        environment: Environment,
        hash: impl FnOnce() -> Digest,
        accept: impl FnOnce() -> Result<Tick, E>,
        take: impl FnOnce(Live<'_>) -> T,
    ) -> Result<Option<T>, E> {
        let code = code(locator);
        let place = self::hash(code, self.multiplier);
        self.with_view(|View { directory, tally, .. }| {
            let Some(segment) = directory.segment(place) else { return Ok(None) };
            segment.touch(place);
            let presented = Fingerprint::of(&hash());
            // If there is no such row, comparing with a vacant one takes as long.
            let Some(found) = segment.probe(place, |tag| tag.is_of(code)) else { return Ok(None) };
            if !found.row.is(found.tag, code, environment, presented) {
                return Ok(None);
            }
            let now = accept()?;
            tally.count(code, segment, &found, now);
            Ok(Some(take(Live { segment, found })))
        })
    }

    /// Returns the identity of the live secret with this locator.
    pub(crate) fn identity(&self, locator: &Locator) -> Option<Arc<Identity>> {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        self.with_view(|View { directory, .. }| {
            let segment = directory.segment(hash)?;
            segment.identity(&segment.find(hash, code)?).cloned()
        })
    }

    fn with_view<T>(&self, look: impl FnOnce(&mut View) -> T) -> T {
        let version = self.version.load(Ordering::Acquire);
        SEEN.with_borrow_mut(|seen| {
            let known = seen.iter().position(|view| view.table == self.number && view.version == version);
            let known = known.unwrap_or_else(|| self.renew_view(seen, version));
            // Both ways lead to a place that is there.
            #[expect(clippy::indexing_slicing, reason = "the place was found, or made, one line above")]
            look(&mut seen[known])
        })
    }

    #[cold]
    fn renew_view(&self, seen: &mut Vec<View>, version: u64) -> usize {
        // It may be newer than the version; then it is taken once more at the next look.
        let directory = self.directory.load_full();
        let before = seen.iter().position(|view| view.table == self.number).map(|place| seen.remove(place));
        let tally = before.map(|view| view.tally).unwrap_or_default();
        seen.truncate(VIEWS - 1);
        seen.insert(0, View { table: self.number, version, directory, tally });
        0
    }

    /// Renews the view of this thread, which may not look at the table again for a long time, and would hold the old one.
    fn let_go_of_old_view(&self) {
        self.with_view(|_| ());
    }

    /// Takes the uses of every secret that was used since the last call, each secret once. The cost is in proportion to
    /// the secrets that were used.
    ///
    /// Uses that a thread has not yet added to a row come with a later call. Secrets that have died since may be among
    /// the result.
    pub(crate) fn take_uses(&self) -> Vec<(Locator, u32)> {
        let mut uses: Vec<(u64, u32)> = Vec::new();
        for segment in &self.writer().replaced {
            segment.take_uses(|code, count| uses.push((code, count)));
        }
        for segment in self.directory.load_full().distinct() {
            segment.take_uses(|code, count| uses.push((code, count)));
        }
        // A secret that was written again was perhaps used in both of its rows.
        uses.sort_unstable();
        uses.dedup_by(|next, one| {
            let same = next.0 == one.0;
            if same {
                one.1 = one.1.saturating_add(next.1);
            }
            same
        });
        uses.into_iter().filter_map(|(code, count)| Some((code::locator(code)?, count))).collect()
    }

    /// Returns the uses of a live secret that [`Index::take_uses`] has yet to take. Uses from before its row was replaced, or that a
    /// thread has not yet added to it, are not among them.
    pub(crate) fn uses(&self, locator: &Locator) -> u32 {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let directory = self.directory.load();
        let found = directory.segment(hash).and_then(|segment| segment.find(hash, code).map(|found| found.row.uses()));
        found.unwrap_or_default()
    }

    /// Adds uses back that could not be written. Uses of dead secrets are dropped.
    pub(crate) fn give_back(&self, uses: &[(Locator, u32)]) {
        for (locator, count) in uses {
            self.add_uses(code(locator.as_bytes()), *count);
        }
    }

    fn add_uses(&self, code: u64, count: u32) {
        let hash = hash(code, self.multiplier);
        let directory = self.directory.load();
        if let Some(segment) = directory.segment(hash)
            && let Some(found) = segment.find(hash, code)
        {
            segment.count(&found, count);
        }
    }

    /// Bytes of all rows and marks: the memory that a verification may touch.
    pub(crate) fn bytes(&self) -> usize {
        self.directory.load().distinct().map(Segment::bytes).sum()
    }

    /// Returns the number of current production secrets that were created at this time or before, and the oldest of
    /// them.
    ///
    /// Reads neither rows nor identities, except the oldest secret's. Verifications do not wait for it, writers wait
    /// microseconds.
    pub(crate) fn production_secrets_until(&self, time: Timestamp) -> (u64, Option<Arc<Identity>>) {
        let writer = self.writer();
        let oldest = writer.times.oldest().filter(|oldest| oldest.created_at <= time).and_then(|oldest| {
            let hash = hash(oldest.code, self.multiplier);
            let directory = self.directory.load();
            let segment = directory.segment(hash)?;
            segment.identity(&segment.find(hash, oldest.code)?).cloned()
        });
        (writer.times.count_until(time), oldest)
    }

    /// Publishes a secret, in place of what was known of it before.
    pub(crate) fn insert(&self, live: LiveSecret) {
        let code = code(live.secret.locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let mut writer = self.writer();
        let mut directory = self.directory.load_full();
        let is_full = directory.is_full_at(hash);
        if is_full {
            let mut wider = Directory::clone(&directory);
            writer.replaced.extend(wider.rebuild_at(hash, self.multiplier, 0));
            directory = Arc::new(wider);
            self.publish(&mut writer, Arc::clone(&directory));
        }
        directory.write(hash, code, live, &mut writer.times);
        drop(writer);
        if is_full {
            // One comes, one goes.
            self.free_replaced();
        }
    }

    /// Withdraws a secret: no search that begins after this finds it.
    pub(crate) fn remove(&self, locator: &Locator) {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let mut writer = self.writer();
        self.directory.load().withdraw(hash, code, &mut writer.times);
    }

    /// An empty table that [`Index::become_like`] can take over.
    pub(crate) fn draft(&self) -> Draft {
        Draft::new(self.multiplier)
    }

    /// Takes over all that a draft holds, in one instant. Trims what is left to trim of the draft, see [`Draft::trim`].
    ///
    /// The old table stays in memory until [`Index::free_replaced`] has freed it.
    pub(crate) fn become_like(&self, draft: Draft) {
        debug_assert_eq!(self.multiplier, draft.multiplier(), "hashes must agree");
        let (directory, times) = draft.finish();
        let mut writer = self.writer();
        writer.replaced.extend(self.directory.load().distinct().cloned());
        let old_times = std::mem::replace(&mut writer.times, times);
        self.publish(&mut writer, Arc::new(directory));
        drop(writer);
        drop(old_times);
        self.let_go_of_old_view();
    }

    /// Frees a segment and a directory that were replaced and that no thread can reach any more. Returns whether there
    /// were any.
    ///
    /// To be called until it returns false, with a pause between two calls, after [`Index::become_like`] and every few
    /// seconds: a call takes a few milliseconds, and freeing a whole table of ten million secrets takes seconds. Only
    /// this frees rows and identities, so that no verification ever has to. Uses in the segment are kept.
    pub(crate) fn free_replaced(&self) -> bool {
        self.let_go_of_old_view();
        let (directory, segment) = {
            let writer = &mut *self.writer();
            let directory = take_first(&mut writer.replaced_directories, |directory| Arc::get_mut(directory).is_some());
            (directory, take_first(&mut writer.replaced, Segment::is_unreachable))
        };
        if let Some(segment) = &segment {
            segment.take_uses(|code, count| self.add_uses(code, count));
        }
        directory.is_some() || segment.is_some()
    }

    fn publish(&self, writer: &mut Writer, directory: Arc<Directory>) {
        writer.replaced_directories.push(self.directory.swap(directory));
        self.version.fetch_add(1, Ordering::Release);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

/// Takes the first item that meets a condition out of a list. The order of the list may change.
fn take_first<T>(list: &mut Vec<T>, condition: impl FnMut(&mut T) -> bool) -> Option<T> {
    let place = list.iter_mut().position(condition)?;
    Some(list.swap_remove(place))
}
