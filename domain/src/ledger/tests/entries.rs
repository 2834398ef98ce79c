//! What is not a balanced entry is not an entry (LED-60).

use crate::kernel::Money;
use crate::ledger::{Account, AccountCode, JournalEntry, JournalLine, Side};

fn line(side: Side, amount: &str, currency: &str) -> JournalLine {
    let amount = Money::try_new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap();
    JournalLine { account: Account::of_tenant(AccountCode::A110), side, amount }
}

#[test]
fn debits_equal_credits_per_currency() {
    let (debit, credit) = (line(Side::Debit, "1.00", "EUR"), line(Side::Credit, "1.00", "EUR"));
    let entry = JournalEntry::try_new("test", vec![debit.clone(), credit.clone()]).unwrap().unwrap();
    assert_eq!((entry.kind(), entry.lines().len()), ("test", 2));
    let unbalanced = JournalEntry::try_new("test", vec![debit.clone(), line(Side::Credit, "0.99", "EUR")]).unwrap_err();
    assert_eq!(unbalanced.difference, 1);
    // Equal sums in two currencies are not equal sums.
    assert!(JournalEntry::try_new("test", vec![debit.clone(), line(Side::Credit, "1.00", "USD")]).is_err());
    assert!(JournalEntry::try_new("test", vec![debit]).is_err());
    assert!(JournalEntry::try_new("test", vec![line(Side::Debit, "-1.00", "EUR"), line(Side::Credit, "-1.00", "EUR")]).is_err());
}

#[test]
fn nothing_that_moved_is_no_entry() {
    // MNY-02
    assert_eq!(JournalEntry::try_new("test", vec![line(Side::Debit, "0.00", "EUR"), line(Side::Credit, "0.00", "EUR")]).unwrap(), None);
    let (debit, credit) = (line(Side::Debit, "1.00", "EUR"), line(Side::Credit, "1.00", "EUR"));
    let entry = JournalEntry::try_new("test", vec![debit, line(Side::Credit, "0.00", "EUR"), credit]).unwrap().unwrap();
    assert_eq!(entry.lines().len(), 2);
}
