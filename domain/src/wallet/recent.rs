//! The last few of something, so that state stays small however long the wallet lives.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many are remembered.
pub(super) const KEPT: usize = 512;

/// Remembers the last [`KEPT`] values. A second guard against doing something twice: the first and exact one is the
/// command's receipt, which is kept for ever; the last is the account of money in transit, which must return to zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub(crate) struct Recent<T>(VecDeque<T>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Recent<T> {
    pub(crate) fn contains(&self, value: &T) -> bool {
        self.0.contains(value)
    }

    pub(crate) fn add(&mut self, value: T) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }
}
