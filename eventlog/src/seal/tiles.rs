//! How the tree is kept: tiles of up to 256 hashes. A hash of level n stands for a complete subtree of 256^n leaves, so that any
//! node is computed from one tile, and any proof from a few.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tree::{Hash, Range, Subtree, fold, node};

/// Level and number of a tile.
pub(crate) type Key = (u32, u64);
/// log2 of the hashes in a complete tile.
const BITS: u32 = 8;
pub(crate) const WIDTH: usize = 256;

/// Some tiles of one tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tiles(pub(crate) HashMap<Key, Vec<Hash>>);

/// Where a subtree's parts stand: tile, first hash, count.
fn place(subtree: Subtree) -> (Key, usize, usize) {
    let within = subtree.height % BITS;
    let first = subtree.index << within;
    let offset = usize::try_from(first % WIDTH as u64).unwrap_or(0);
    ((subtree.height / BITS, first / WIDTH as u64), offset, 1 << within)
}

/// The tiles that these ranges are computed from.
pub(crate) fn needed(ranges: &[Range]) -> BTreeSet<Key> {
    ranges.iter().flat_map(|range| range.subtrees()).map(|subtree| place(subtree).0).collect()
}

impl Tiles {
    /// None: not in these tiles.
    pub(crate) fn subtree(&self, subtree: Subtree) -> Option<Hash> {
        let (key, offset, count) = place(subtree);
        let mut hashes = self.0.get(&key)?.get(offset..offset + count)?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| if let [left, right] = pair { node(left, right) } else { pair[0] }).collect();
        }
        hashes.first().copied()
    }

    pub(crate) fn range(&self, range: Range) -> Option<Hash> {
        let subtrees: Option<Vec<Hash>> = range.subtrees().into_iter().map(|subtree| self.subtree(subtree)).collect();
        Some(fold(&subtrees?))
    }
}

/// The incomplete tile of each level, to which leaves are added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    pub(crate) size: u64,
    /// Per level: the number of its last tile, and what is in it (perhaps nothing).
    levels: Vec<(u64, Vec<Hash>)>,
    /// Tiles that became complete.
    completed: BTreeMap<Key, Vec<Hash>>,
}

impl Edge {
    /// The tiles that [`Edge::after`] wants.
    pub(crate) fn needed(size: u64) -> BTreeSet<Key> {
        let level = |level: u32| (size >> (BITS * level), level);
        let counts = (0..8).map(level).take_while(|(count, _)| *count > 0);
        counts.filter(|(count, _)| count % WIDTH as u64 != 0).map(|(count, level)| (level, count / WIDTH as u64)).collect()
    }

    /// None: the tiles do not hold `size` leaves.
    pub(crate) fn after(size: u64, tiles: &Tiles) -> Option<Self> {
        let mut levels = Vec::new();
        for level in 0..8 {
            let count = size >> (BITS * level);
            if count == 0 {
                break;
            }
            let (tile, inside) = (count / WIDTH as u64, usize::try_from(count % WIDTH as u64).ok()?);
            let hashes = if inside == 0 { Vec::new() } else { tiles.0.get(&(level, tile))?.get(..inside)?.to_vec() };
            levels.push((tile, hashes));
        }
        Some(Self { size, levels, completed: BTreeMap::new() })
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let (mut hash, mut level) = (leaf, 0);
        loop {
            if self.levels.len() == level {
                self.levels.push((0, Vec::new()));
            }
            let (tile, hashes) = &mut self.levels[level];
            hashes.push(hash);
            if hashes.len() < WIDTH {
                return;
            }
            self.completed.insert((u32::try_from(level).unwrap_or(u32::MAX), *tile), hashes.clone());
            let whole = Tiles([((0, 0), std::mem::take(hashes))].into());
            *tile += 1;
            let Some(root) =
                whole.subtree(Subtree { height: BITS - 1, index: 0 }).zip(whole.subtree(Subtree { height: BITS - 1, index: 1 }))
            else {
                return;
            };
            hash = node(&root.0, &root.1);
            level += 1;
        }
    }

    /// What has to be written: completed tiles, and the last one of each level.
    pub(crate) fn into_tiles(self) -> BTreeMap<Key, Vec<Hash>> {
        let mut tiles = self.completed;
        let last = self.levels.into_iter().zip(0..).filter(|((_, hashes), _)| !hashes.is_empty());
        tiles.extend(last.map(|((tile, hashes), level)| ((level, tile), hashes)));
        tiles
    }

    pub(crate) fn root(&self) -> Hash {
        let mut subtrees = Vec::new();
        for (_, hashes) in self.levels.iter().rev() {
            let tiles = Tiles([((0, 0), hashes.clone())].into());
            let all = Range { from: 0, to: hashes.len() as u64 };
            subtrees.extend(all.subtrees().into_iter().filter_map(|subtree| tiles.subtree(subtree)));
        }
        fold(&subtrees)
    }
}
