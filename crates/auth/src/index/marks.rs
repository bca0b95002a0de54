//! Marks on the lines with untaken uses, so that the cost of taking uses is proportional to the used rows.
//!
//! There are three levels: the count of a row, a bit for each line in a word, and a bit for each word in the summary.
//! The first use of a row sets the bit of its line, and the first bit of a word sets the word's bit in the summary.
//! Later uses set no bit. A taker goes the other way: it clears the summary, then the words, then the counts.
//!
//! A bit is set with `Release` and taken with `Acquire`, so the taker of a bit sees its count. A later use starts from
//! zero and sets the bits again. So no count remains without its bits.
//!
//! The loom test compiles this file with loom's atomics.

use super::row::{Line, Row};
use super::sync::{AtomicU64, Ordering};

/// The marks of a segment.
pub(crate) struct Marks {
    /// The bits of the words. If there are more than 64 words, several words share a bit.
    summary: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl Marks {
    /// Returns empty marks for this number of lines.
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
    pub(crate) fn drain_counts(&self, lines: &[Line], mut taken: impl FnMut(u64, u32)) {
        // Most segments have no mark. A load does not take the cache line from the cores that set marks in it.
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
                let uses = row.drain_counts();
                if uses > 0 {
                    taken(row.tag().code(), uses);
                }
            }
        }
    }

    /// Returns the number of marked lines.
    #[cfg(test)]
    pub(crate) fn marked(&self) -> u32 {
        self.words.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum()
    }
}
