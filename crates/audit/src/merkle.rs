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

    /// Returns the hash of all leaves and their order. The hash of an empty tree is SHA-256 of no bytes.
    #[must_use]
    pub fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks.reduce(|right, left| node(left, right)).unwrap_or_else(|| Hash(Sha256::digest([]).into()))
    }
}

/// Returns the proof that the leaf at `index` is in the tree of these leaves: the sibling hashes on the path to the root, from
/// the leaf up. Returns `None` if there is no such leaf.
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
const fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}
