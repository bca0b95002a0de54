//! The Merkle tree over a log (RFC 6962, section 2.1), whose leaves are the hashes of its events.

use sha2::{Digest, Sha256};

use crate::Hash;

/// The byte before the two halves of a node.
const NODE: u8 = 1;

fn node(left: Hash, right: Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([NODE]);
    hash.update(left.0);
    hash.update(right.0);
    Hash(hash.finalize().into())
}

/// A tree that grows by one leaf at a time. Its memory is proportional to its depth.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// The roots of its perfect subtrees, the largest first: one for each bit that is set in `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// Returns the tree with these peaks and this number of leaves. Returns `None` if there is not one peak for each bit that is
    /// set in `size`.
    #[must_use]
    pub fn of_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// Returns the roots of its perfect subtrees, the largest first. The tree can grow from them without the leaves.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Two subtrees of the same size become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root over the leaves from `begin` to `end`, if it is a peak.
    fn peak(&self, begin: u64, end: u64) -> Option<Hash> {
        let mut place = 0;
        let sizes = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|size| self.size & size != 0);
        for (size, peak) in sizes.zip(&self.peaks) {
            if (begin, end) == (place, place + size) {
                return Some(*peak);
            }
            place += size;
        }
        None
    }

    /// Returns the hash of all leaves and their order. The hash of an empty tree is SHA-256 of no bytes.
    #[must_use]
    pub fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks.reduce(|right, left| node(left, right)).unwrap_or_else(|| Hash(Sha256::digest([]).into()))
    }
}

/// The leaves of a tree, for proofs. The first leaves may be gone: the peaks of the tree over them stand in their place.
///
/// Every proof about the other leaves is still possible. A proof needs roots of perfect subtrees, and a subtree of gone leaves
/// that a proof needs is a peak: if it were a part of a peak, its sibling would be gone too.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    gone: Tree,
    leaves: Vec<Hash>,
}

impl Leaves {
    /// Returns the leaves after those of a tree, which are gone.
    #[must_use]
    pub const fn after(gone: Tree, leaves: Vec<Hash>) -> Self {
        Self { gone, leaves }
    }

    /// Returns the number of all leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.gone.size + self.leaves.len() as u64
    }

    /// Returns the proof that the leaf at `index` is in the tree: the sibling hashes on the path to the root, from the leaf up.
    /// Returns `None` if there is no such leaf, or if it is gone.
    #[must_use]
    pub fn inclusion_proof(&self, index: u64) -> Option<Vec<Hash>> {
        self.leaves.get(usize::try_from(index.checked_sub(self.gone.size)?).ok()?)?;
        let (mut begin, mut end, mut proof) = (0, self.size(), Vec::new());
        while end - begin > 1 {
            let middle = begin + split(end - begin);
            if index < middle {
                proof.push(self.root(middle, end)?);
                end = middle;
            } else {
                proof.push(self.root(begin, middle)?);
                begin = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// Returns the proof that the tree of the first `old` leaves is the beginning of this tree (RFC 6962, section 2.1.2). Returns
    /// `None` if there are fewer leaves, if `old` is zero, or if leaves after the first `old` are gone.
    #[must_use]
    pub fn consistency_proof(&self, old: u64) -> Option<Vec<Hash>> {
        if old == 0 || old > self.size() || old < self.gone.size {
            return None;
        }
        let (mut begin, mut end, mut is_whole, mut proof) = (0, self.size(), true, Vec::new());
        while end != old {
            let middle = begin + split(end - begin);
            if old <= middle {
                proof.push(self.root(middle, end)?);
                end = middle;
            } else {
                proof.push(self.root(begin, middle)?);
                (begin, is_whole) = (middle, false);
            }
        }
        // The reader knows the root of the whole old tree.
        if !is_whole {
            proof.push(self.root(begin, end)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// Returns the root over the leaves from `begin` to `end`.
    fn root(&self, begin: u64, end: u64) -> Option<Hash> {
        if let Some(begin) = begin.checked_sub(self.gone.size) {
            let (begin, end) = (usize::try_from(begin).ok()?, usize::try_from(end - self.gone.size).ok()?);
            return self.leaves.get(begin..end).map(root);
        }
        if let Some(peak) = self.gone.peak(begin, end) {
            return Some(peak);
        }
        // A single leaf that is no peak is gone.
        let middle = begin + (end - begin > 1).then(|| split(end - begin))?;
        Some(node(self.root(begin, middle)?, self.root(middle, end)?))
    }
}

/// Returns whether the proof shows that the tree of size `old` and root `old_root` is the beginning of the tree of size `new` and
/// root `new_root` (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn proves_consistency(proof: &[Hash], (old, old_root): (u64, Hash), (new, new_root): (u64, Hash)) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    // A reader knows the root of a perfect old tree, so that the proof leaves it out.
    let mut hashes = old.is_power_of_two().then_some(old_root).into_iter().chain(proof.iter().copied());
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let Some(first) = hashes.next() else { return false };
    let (mut of_old, mut of_new) = (first, first);
    for beside in hashes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (of_old, of_new) = (node(beside, of_old), node(beside, of_new));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            of_new = node(of_new, beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && of_old == old_root && of_new == new_root
}

/// Returns whether the proof shows that `leaf` is at `index` in a tree of this size and root (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn proves_inclusion(proof: &[Hash], leaf: Hash, index: u64, size: u64, expected: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, leaf);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node(*beside, hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node(hash, *beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == expected
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// Returns the largest power of two below `size`, which must be at least 2.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}
