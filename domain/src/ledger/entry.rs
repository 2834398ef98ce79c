//! A journal entry balances to zero per currency or does not exist (LED-60, invariant 3).

use serde::{Deserialize, Serialize};

use crate::kernel::{Currency, Money};
use crate::ledger::Account;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Debit,
    Credit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLine {
    pub account: Account,
    pub side: Side,
    /// Above zero.
    pub amount: Money,
}

impl JournalLine {
    /// Minor units, debit positive (LED-03).
    #[must_use]
    pub fn signed_minor(&self) -> i128 {
        match self.side {
            Side::Debit => self.amount.minor(),
            Side::Credit => -self.amount.minor(),
        }
    }
}

/// A balanced set of at least two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// What kind of movement it is (`escrow_released`), for lists.
    kind: &'static str,
    lines: Vec<JournalLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {kind} entry does not balance: {difference} minor units of {currency} too much on the debit side, or it has fewer than two lines"
)]
pub struct UnbalancedEntry {
    pub kind: &'static str,
    pub currency: Currency,
    pub difference: i128,
}

impl JournalEntry {
    /// Lines of zero are left out (MNY-02). `None` when nothing is left: nothing moved.
    ///
    /// # Errors
    /// When debits and credits differ in some currency, or an amount is negative.
    pub fn try_new(kind: &'static str, lines: Vec<JournalLine>) -> Result<Option<Self>, UnbalancedEntry> {
        let lines: Vec<_> = lines.into_iter().filter(|line| !line.amount.is_zero()).collect();
        let Some(first) = lines.first() else { return Ok(None) };
        let mut sums = std::collections::BTreeMap::<Currency, i128>::new();
        for line in &lines {
            *sums.entry(line.amount.currency()).or_default() += line.signed_minor();
        }
        let negative = lines.iter().find(|line| line.amount.minor() < 0).map(|line| (line.amount.currency(), line.amount.minor()));
        let wrong = sums.into_iter().find(|(_, sum)| *sum != 0).or(negative);
        if let Some((currency, difference)) = wrong {
            return Err(UnbalancedEntry { kind, currency, difference });
        }
        if lines.len() < 2 {
            return Err(UnbalancedEntry { kind, currency: first.amount.currency(), difference: 0 });
        }
        Ok(Some(Self { kind, lines }))
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    #[must_use]
    pub fn lines(&self) -> &[JournalLine] {
        &self.lines
    }
}
