//! A ledger in memory: what the projector keeps, for tests.

use std::collections::BTreeMap;

use crate::event::AnyEvent;
use crate::kernel::{Currency, Origin};
use crate::ledger::{Account, AccountCode, JournalEntry, Side, post};

#[derive(Default)]
pub(super) struct Books {
    /// Minor units, debit positive.
    balances: BTreeMap<(Account, Currency), i128>,
}

impl Books {
    /// Posts the event and checks what must hold after every event (invariant 3).
    pub(super) fn book(&mut self, origin: &Origin, event: &AnyEvent) -> Option<JournalEntry> {
        let entry = post(origin, event).unwrap()?;
        assert_eq!(entry.lines().iter().map(super::super::JournalLine::signed_minor).sum::<i128>(), 0);
        for line in entry.lines() {
            *self.balances.entry((line.account.clone(), line.amount.currency())).or_default() += line.signed_minor();
        }
        for line in entry.lines().iter().filter(|line| line.account.code.never_negative()) {
            let balance = self.balance(&line.account, line.amount.currency());
            assert!(balance >= 0, "{} fell to {balance} by {}", line.account.code.code(), entry.kind());
        }
        assert_eq!(self.balances.values().sum::<i128>(), 0, "the whole book");
        Some(entry)
    }

    /// On the side on which the account grows.
    pub(super) fn balance(&self, account: &Account, currency: Currency) -> i128 {
        let debit = self.balances.get(&(account.clone(), currency)).copied().unwrap_or_default();
        if account.code.normal_side() == Side::Debit { debit } else { -debit }
    }

    /// Every account of the code that is not zero.
    pub(super) fn open(&self, code: AccountCode) -> Vec<(&Account, i128)> {
        self.balances.iter().filter(|((account, _), sum)| account.code == code && **sum != 0).map(|((a, _), sum)| (a, *sum)).collect()
    }

    /// Sum of the code over all accounts, on its own side.
    pub(super) fn total(&self, code: AccountCode, currency: Currency) -> i128 {
        self.open(code).into_iter().map(|(account, _)| self.balance(account, currency)).sum()
    }
}
