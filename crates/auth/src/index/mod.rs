//! All active secrets in memory, found by their locators.
//!
//! Reads are wait-free: they load atomics, and write no memory that another core reads. Writers are serialized, and a
//! change writes one row in place. The table consists of segments, and a full segment is rebuilt alone. So a change
//! costs the same at a thousand keys and at ten million.
//!
//! The *directory* names the segment of each hash. A new directory is made only when a segment is rebuilt. Each thread
//! keeps the newest directory that it has seen, and compares the version with one load. So a read counts no reference.
//!
//! A row is written before its tag, and the tag with `Release`; a reader loads the tag with `Acquire`. So a reader that
//! sees a live tag also sees the whole row. A row's fingerprint never changes: revoking a secret only clears the `LIVE`
//! bit, and the next rebuild of the segment drops the row.
//!
//! A search reads each tag once, and decides by the tags that it read. So a live secret is accepted even while its
//! record moves to another row. If a secret is revoked during a search, this search may still accept it. A search that
//! begins after the revocation reads every tag after it, and refuses the secret. The promise needs no more: the lease
//! is read before the search, and covers only revocations that were written before the lease.
//!
//! Uses are counted in the rows, and marks name the used rows. A replaced row or segment keeps its uses until they are
//! taken. A replaced segment stays in memory until no thread has a directory with it. So no use
//! that was added to a row is lost, and no verification has to free memory.

mod code;
mod creation_times;
mod directory;
mod formats;
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
use doorward_key::{Digest, ImportFormat};
use doorward_store::ActiveSecret;
use doorward_types::{Environment, Locator, MonoInstant, Timestamp};

use self::code::{code, hash};
use self::creation_times::{CreationTimes, Entry, ProductionTimes};
use self::directory::Directory;
pub(crate) use self::directory::Draft;
use self::formats::ImportFormats;
use self::row::Fingerprint;
use self::segment::{Found, Segment};
use self::sync::{AtomicU64, Ordering};
use self::tally::Tally;
use crate::principal::Identity;

/// The table. See the module.
pub(crate) struct Index {
    directory: ArcSwap<Directory>,
    /// The version of the newest directory. Threads compare it with the version of their directory.
    version: AtomicU64,
    /// The writer's state, for one writer at a time.
    writer: Mutex<Writer>,
    /// The secret multiplier of the hash, an odd number, so that a client cannot choose colliding locators.
    multiplier: u64,
    /// The number of the table within the process.
    number: u64,
    /// The formats of all secrets that were ever published.
    formats: ImportFormats,
}

/// The state that only writers see.
#[derive(Default)]
struct Writer {
    times: ProductionTimes,
    /// Replaced segments and directories. A thread with an older directory may still count uses in the segments.
    replaced: Vec<Segment>,
    replaced_directories: Vec<Arc<Directory>>,
}

/// A thread's newest directory of one table, and the uses that the thread has not yet added to rows.
struct View {
    table: u64,
    version: u64,
    directory: Arc<Directory>,
    tally: Tally,
}

/// A live secret that a search found. Its identity is read only if the caller needs it.
pub(crate) struct Live<'a> {
    segment: &'a Segment,
    found: Found<'a>,
}

impl Live<'_> {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.segment.identity(&self.found).cloned()
    }
}

/// The maximum number of views in a thread, one for each table. A process seldom has more than one table.
const VIEWS: usize = 4;

thread_local! {
    static CACHED_VIEWS: RefCell<Vec<View>> = const { RefCell::new(Vec::new()) };
}

impl Index {
    /// Returns an empty table. `seed` must be secret and random.
    pub(crate) fn new(seed: u64) -> Self {
        static TABLES: AtomicU64 = AtomicU64::new(0);
        Self {
            directory: ArcSwap::from_pointee(Directory::empty()),
            version: AtomicU64::new(0),
            writer: Mutex::default(),
            multiplier: seed ^ 0x9E37_79B9_7F4A_7C15 | 1,
            number: TABLES.fetch_add(1, Ordering::Relaxed),
            formats: ImportFormats::default(),
        }
    }

    /// Searches once for a live secret of this environment with the digest that `hash` returns. `accept` runs last and
    /// learns if the secret is held. If it agrees, counts the use and returns the result of `take`.
    ///
    /// The first row is prefetched before `hash` runs. No branch is between the two: a mispredicted branch that waits
    /// for the row would discard the hash as well.
    pub(crate) fn verify<T, E>(
        &self,
        locator: &[u8; Locator::LENGTH],
        environment: Environment,
        hash: impl FnOnce() -> Digest,
        accept: impl FnOnce(bool) -> Result<MonoInstant, E>,
        take: impl FnOnce(Live<'_>) -> T,
    ) -> Result<Option<T>, E> {
        let code = code(locator);
        let place = self::hash(code, self.multiplier);
        self.with_view(|View { directory, tally, .. }| {
            let Some(segment) = directory.segment(place) else { return Ok(None) };
            segment.touch(place);
            let presented = Fingerprint::of(&hash());
            // Without a live row, the comparison with a vacant row takes the same time.
            let Some(found) = segment.probe(place, |tag| tag.is_of(code)) else { return Ok(None) };
            if !found.row.is(found.tag, code, environment, presented) {
                return Ok(None);
            }
            let now = accept(found.tag.is_held())?;
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
        CACHED_VIEWS.with_borrow_mut(|seen| {
            let known = seen.iter().position(|view| view.table == self.number && view.version == version);
            let known = known.unwrap_or_else(|| self.renew_view(seen, version));
            // Both branches give an existing place.
            #[expect(clippy::indexing_slicing, reason = "the place was found or made above")]
            look(&mut seen[known])
        })
    }

    #[cold]
    fn renew_view(&self, seen: &mut Vec<View>, version: u64) -> usize {
        // The directory may be newer than the version. Then it is loaded again at the next read.
        let directory = self.directory.load_full();
        let before = seen.iter().position(|view| view.table == self.number).map(|place| seen.remove(place));
        let tally = before.map(|view| view.tally).unwrap_or_default();
        seen.truncate(VIEWS - 1);
        seen.insert(0, View { table: self.number, version, directory, tally });
        0
    }

    /// Renews the view of this thread, which may not read the table for a long time and would keep the old directory in
    /// memory.
    fn let_go_of_old_view(&self) {
        self.with_view(|_| ());
    }

    /// Takes the uses of every secret since the last call. Each secret is in the result once. The cost is proportional
    /// to the number of used secrets.
    ///
    /// Uses that a thread has not yet added to a row are left out. A later call returns them, unless the thread dropped
    /// them (see [`Tally`]). The result may have secrets that were revoked meanwhile.
    pub(crate) fn drain_counts(&self) -> Vec<(Locator, u32)> {
        let mut uses: Vec<(u64, u32)> = Vec::new();
        for segment in &self.writer().replaced {
            segment.drain_counts(|code, count| uses.push((code, count)));
        }
        for segment in self.directory.load_full().distinct() {
            segment.drain_counts(|code, count| uses.push((code, count)));
        }
        // A secret that was written again may have uses in both of its rows.
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

    /// Returns the uses of a live secret that [`Index::drain_counts`] has not taken yet. Uses in a replaced row, and
    /// uses that a thread has not yet added, are not included.
    pub(crate) fn uses(&self, locator: &Locator) -> u32 {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let directory = self.directory.load();
        let found = directory.segment(hash).and_then(|segment| segment.find(hash, code).map(|found| found.row.uses()));
        found.unwrap_or_default()
    }

    /// Adds uses back that could not be written. Uses of revoked secrets are dropped.
    pub(crate) fn restore_counts(&self, uses: &[(Locator, u32)]) {
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

    /// Returns the number of bytes of all rows and marks: the memory that a verification may touch.
    pub(crate) fn bytes(&self) -> usize {
        self.directory.load().distinct().map(Segment::bytes).sum()
    }

    /// Returns the number of current production secrets that were created at this time or before, and the oldest of
    /// them.
    ///
    /// Reads neither rows nor identities, except the oldest secret's. Verifications do not wait for it. Writers wait
    /// microseconds.
    pub(crate) fn production_secrets_until(&self, time: Timestamp) -> (u64, Option<Arc<Identity>>) {
        let times = &self.writer().times.current;
        let oldest = self.oldest(times, time).next();
        (times.count_until(time), oldest)
    }

    /// Returns up to `limit` current production secrets that were created at the first time or before, and staged ones that
    /// were created at the second time or before, the oldest first of each.
    pub(crate) fn oldest_production_secrets(
        &self,
        (current, staged): (Timestamp, Timestamp),
        limit: usize,
    ) -> Vec<Arc<Identity>> {
        let times = &self.writer().times;
        self.oldest(&times.current, current).take(limit).chain(self.oldest(&times.staged, staged).take(limit)).collect()
    }

    fn oldest(&self, times: &CreationTimes, until: Timestamp) -> impl Iterator<Item = Arc<Identity>> {
        let directory = self.directory.load();
        let found = move |entry: Entry| {
            let hash = hash(entry.code, self.multiplier);
            let segment = directory.segment(hash)?;
            segment.identity(&segment.find(hash, entry.code)?).cloned()
        };
        times.oldest_first().take_while(move |entry| entry.created_at <= until).filter_map(found)
    }

    /// Returns the formats of imported secrets that the table may have. Without imported secrets, there is none.
    pub(crate) fn formats(&self) -> impl Iterator<Item = ImportFormat> {
        self.formats.iter()
    }

    /// Publishes a secret, and replaces its old row.
    pub(crate) fn insert(&self, live: ActiveSecret) {
        self.formats.add(live.secret.imported);
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
            // Free one replaced segment after each rebuild, so that the list does not grow.
            self.free_replaced();
        }
    }

    /// Removes a secret. No search that begins afterwards finds it.
    pub(crate) fn remove(&self, locator: &Locator) {
        let code = code(locator.as_bytes());
        let hash = hash(code, self.multiplier);
        let mut writer = self.writer();
        self.directory.load().withdraw(hash, code, &mut writer.times);
    }

    /// Returns an empty table for [`Index::replace_with`].
    pub(crate) fn draft(&self) -> Draft {
        Draft::new(self.multiplier)
    }

    /// Replaces the table by a draft atomically. Trims the untrimmed part of the draft, see [`Draft::trim`].
    ///
    /// The old table stays in memory until [`Index::free_replaced`] has freed it.
    pub(crate) fn replace_with(&self, draft: Draft) {
        debug_assert_eq!(self.multiplier, draft.multiplier(), "hashes must agree");
        self.formats.add_all(draft.formats());
        let (directory, times) = draft.finish();
        let mut writer = self.writer();
        writer.replaced.extend(self.directory.load().distinct().cloned());
        let old_times = std::mem::replace(&mut writer.times, times);
        self.publish(&mut writer, Arc::new(directory));
        drop(writer);
        drop(old_times);
        self.let_go_of_old_view();
    }

    /// Frees one replaced segment and one replaced directory that no thread can reach. Returns false if nothing was
    /// freed.
    ///
    /// Call it until it returns false, with a pause between two calls, after [`Index::replace_with`] and every few
    /// seconds: a call takes a few milliseconds, and freeing a whole table of ten million secrets takes seconds. Only
    /// this function frees rows and identities, so no verification has to. Uses in the segment are kept.
    pub(crate) fn free_replaced(&self) -> bool {
        self.let_go_of_old_view();
        let (directory, segment) = {
            let writer = &mut *self.writer();
            let directory = take_first(&mut writer.replaced_directories, |directory| Arc::get_mut(directory).is_some());
            (directory, take_first(&mut writer.replaced, Segment::is_unreachable))
        };
        if let Some(segment) = &segment {
            segment.drain_counts(|code, count| self.add_uses(code, count));
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

/// Removes the first item that meets a condition from a list and returns it. The order of the list may change.
fn take_first<T>(list: &mut Vec<T>, condition: impl FnMut(&mut T) -> bool) -> Option<T> {
    let place = list.iter_mut().position(condition)?;
    Some(list.swap_remove(place))
}
