//! Marks on the lines with uses to take, so that taking uses costs in proportion to the rows that were used.
//!
//! There are three steps: the count of a row, a bit for each line in a word, and a bit for each word in the summary. A
//! count that leaves zero sets the bit of its line, and a word that leaves zero sets its bit in the summary. Later uses
//! set nothing. A taker goes the other way: it sets the summary to zero, then the words, then the counts.
//!
//! A bit is set with `Release` and taken with `Acquire`, so the taker of a bit sees the count that the bit stands for.
//! A use after that starts from zero and sets the bits again. No count stays behind without its bits.
//!
//! The loom test compiles this very file against loom's atomics.

use super::row::{Line, Row};
use super::sync::{AtomicU64, Ordering};

/// The marks of a segment.
pub(crate) struct Marks {
    /// If there are more than 64 words, several share a bit.
    summary: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl Marks {
    /// No marks, with room for this many lines.
    pub(crate) fn for_lines(lines: usize) -> Self {
        let words = (0..lines.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { summary: AtomicU64::new(0), words }
    }

    /// Counts uses of a row in this line.
    pub(crate) fn count(&self, line: usize, row: &Row, uses: u32) {
        if row.add_uses(uses)
            && let Some(word) = self.words.get(line / 64)
            && word.fetch_or(1 << (line % 64), Ordering::Release) == 0
        {
            self.summary.fetch_or(1 << (line / 64 % 64), Ordering::Release);
        }
    }

    /// Takes the uses of all rows in marked lines, and removes the marks. Calls `taken` with each row's code and uses.
    pub(crate) fn take_uses(&self, lines: &[Line], mut taken: impl FnMut(u64, u32)) {
        // Most segments have no mark. A load does not take the memory away from the cores that set marks in it.
        if self.summary.load(Ordering::Relaxed) == 0 {
            return;
        }
        let summary = self.summary.swap(0, Ordering::Acquire);
        let words = self.words.iter().zip(lines.chunks(64)).zip((0..64).cycle());
        for ((word, lines), _) in words.filter(|(_, bit)| summary >> bit & 1 == 1) {
            // Words that share a bit are seldom marked together.
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let marks = word.swap(0, Ordering::Acquire);
            let marked = lines.iter().zip(0..).filter(|(_, bit)| marks >> bit & 1 == 1);
            for row in marked.flat_map(|(line, _)| line.rows()) {
                let uses = row.take_uses();
                if uses > 0 {
                    taken(row.tag().code(), uses);
                }
            }
        }
    }

    /// The number of marked lines.
    #[cfg(test)]
    pub(crate) fn marked(&self) -> u32 {
        self.words.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum()
    }
}
