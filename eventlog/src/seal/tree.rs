//! RFC 6962, section 2.1: the shape of the tree and which parts of it a proof consists of. Pure arithmetic.

use sha2::{Digest as _, Sha256};

pub type Hash = [u8; 32];

/// The hash of a leaf with this input.
pub(crate) fn leaf(input: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(input).finalize().into()
}

pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Complete subtrees from left to right, largest first, into their root.
pub(crate) fn fold(subtrees: &[Hash]) -> Hash {
    match subtrees.split_last() {
        None => Sha256::digest([]).into(),
        Some((last, before)) => before.iter().rev().fold(*last, |right, left| node(left, &right)),
    }
}

/// A complete subtree: of 2^height leaves, the `index`-th of its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

/// Leaves `from..to`, as one node of the tree: `from` is a multiple of the power of two that `to - from` needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Range {
    /// Its complete subtrees, largest first.
    pub(crate) fn subtrees(self) -> Vec<Subtree> {
        let (mut from, mut left) = (self.from, self.to - self.from);
        let mut found = Vec::new();
        while left > 0 {
            let height = left.ilog2();
            found.push(Subtree { height, index: from >> height });
            from += 1 << height;
            left -= 1 << height;
        }
        found
    }
}

/// The largest power of two below `n`; `n` is at least 2.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The audit path of leaf `index` in a tree of `size`, lowest first.
pub(crate) fn inclusion_path(index: u64, size: u64) -> Vec<Range> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(Range { from: middle, to });
            to = middle;
        } else {
            path.push(Range { from, to: middle });
            from = middle;
        }
    }
    path.reverse();
    path
}

/// The proof that the tree of `old` leaves is the beginning of the tree of `new`; 0 < old <= new.
pub(crate) fn consistency_path(old: u64, new: u64) -> Vec<Range> {
    let (mut from, mut to) = (0, new);
    let mut path = Vec::new();
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(Range { from: middle, to });
            to = middle;
        } else {
            path.push(Range { from, to: middle });
            from = middle;
        }
    }
    if from > 0 {
        path.push(Range { from, to });
    }
    path.reverse();
    path
}

/// The right edge of a growing tree: enough to add leaves and to know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Of the first `size` leaves, from the hashes of their complete subtrees, largest first. None: not that many.
    #[must_use]
    pub fn after(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        (u64::from(size.count_ones()) == subtrees.len() as u64).then_some(Self { size, subtrees })
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.subtrees)
    }
}

/// A hash as 64 hexadecimal digits in JSON.
pub mod hex_hash {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Hash;

    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(hash))
    }

    /// # Errors
    /// When it is not 64 hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        parse(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("a hash is 64 hexadecimal digits"))
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Hash> {
        hex::decode(text).ok()?.try_into().ok()
    }
}
