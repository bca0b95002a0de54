//! The uses that one thread has counted and not yet added to the rows.

use doorward_types::Tick;

use super::segment::{Found, Segment};

/// A thread's counts.
///
/// Adding to a row is a write to a line that another core may want. A thread adds a key's first use of each epoch at
/// once, so that a single use is soon seen, and keeps the others until the key's next epoch.
#[derive(Default)]
pub(super) struct Tally {
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
    /// Counts one use of a row.
    pub(super) fn count(&mut self, code: u64, segment: &Segment, found: &Found<'_>, now: Tick) {
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
                segment.count(found, slot.uses + 1);
                *slot = Slot { code, epoch, uses: 0 };
            }
            return;
        }
        segment.count(found, 1);
        // A key that has been silent for an epoch makes room; the uses that were kept of it are let go.
        if let Some(slot) = set.iter_mut().find(|slot| slot.epoch != epoch) {
            *slot = Slot { code, epoch, uses: 0 };
        }
    }
}
