//! The uses that one thread has counted but not yet added to the rows.

use doorward_types::MonoInstant;

use super::segment::{Found, Segment};

/// A thread's counts.
///
/// Adding to a row writes a cache line that another core may need. So a thread adds only a key's first use of each
/// epoch at once, which makes a single use visible soon. It keeps the other uses until the key's next epoch.
/// They are dropped if another key takes the slot first, or if the thread ends.
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

/// The number of slots that a key may use: the slots of one cache line.
const WAYS: usize = 4;

/// The number of sets of slots: room for the counts of four thousand keys in 64 KiB. The uses of further keys are added
/// one by one.
const SETS: usize = 1_024;

/// The length of an epoch: 2^27 ns, about an eighth of a second.
const EPOCH_BITS: u32 = 27;

impl Tally {
    /// Counts one use of a row.
    pub(super) fn count(&mut self, code: u64, segment: &Segment, found: &Found<'_>, now: MonoInstant) {
        let epoch = (now.as_nanos() >> EPOCH_BITS) as u32;
        if self.sets.is_empty() {
            // This happens once per thread and table.
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
        // Reuse the slot of a key without uses for an epoch. The uses in the slot are dropped.
        if let Some(slot) = set.iter_mut().find(|slot| slot.epoch != epoch) {
            *slot = Slot { code, epoch, uses: 0 };
        }
    }
}
