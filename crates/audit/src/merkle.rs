//! The Merkle tree over a log (RFC 6962, section 2.1), whose leaves are the hashes of its events.

use sha2::{Digest, Sha256};

use crate::Hash;

/// What stands before the two halves of a node.
const NODE: u8 = 1;

fn node(left: Hash, right: Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([NODE]);
    hash.update(left.0);
    hash.update(right.0);
    Hash(hash.finalize().into())
}

/// A tree that grows by a leaf at a time, in the memory of its depth.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// The roots of the perfect trees that it is made of, the largest first: one for each bit that is set in `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree with these peaks, of so many leaves; none where there is not one for each bit that is set in `size`.
    #[must_use]
    pub fn of_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// The roots of the perfect trees that it is made of, the largest first: all that it takes to go on without the leaves.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Two trees of the same size become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hash that stands for all of its leaves and their order; of no leaves, SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks.reduce(|right, left| node(left, right)).unwrap_or_else(|| Hash(Sha256::digest([]).into()))
    }
}

/// The proof that the leaf at `index` is in the tree of these leaves: the hashes beside its way to the root, from the leaf
/// up. None where there is no such leaf.
#[must_use]
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    leaves.get(index)?;
    let (mut within, mut index, mut proof) = (leaves, index, Vec::new());
    while within.len() > 1 {
        let (left, right) = within.split_at(split(within.len()));
        let (mine, other) = if index < left.len() { (left, right) } else { (right, left) };
        if index >= left.len() {
            index -= left.len();
        }
        proof.push(root(other));
        within = mine;
    }
    proof.reverse();
    Some(proof)
}

/// Whether the proof shows that `leaf` is at `index` in a tree of this size and root (RFC 9162, section 2.1.3.2).
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

/// The largest power of two below `size`, which is at least 2.
const fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}
