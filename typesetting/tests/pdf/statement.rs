//! Wallet statements.

use holdfast_typesetting::*;

use crate::given::*;
use crate::read::*;

#[test]
fn a_statement_shows_wallet_period_balances_and_lines() {
    let text = text(&statement_pdf(&statement(2)).unwrap());
    for expected in [
        "Wallet owner 01937d5c-2b7e-7c3a-9d53-000000000001",
        "Wallet 01937d5c-2b7e-7c3a-9d53-000000000002 Currency EUR Period 2026-03 (UTC) Log positions 17 to 4711",
        "Opening balance 100.00 Closing balance 12,345,678.90",
        "2026-03-02 08:15:30 2026-03-01 23:00:00 Payout to bank account 01937d5c-2b7e-7c3a-9d53-000000000001 10.00 12,345,678.90",
        "Released by escrow 01937d5c-2b7e-7c3a-9d53-000000000002 1,234,567.89 12,345,678.90",
        "Totals and closing balance 7,777.70 660.00 12,345,678.90",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

#[test]
fn a_long_statement_repeats_its_head_and_counts_its_pages() {
    let pages = pages(&statement_pdf(&statement(60)).unwrap());
    assert_eq!(pages.len(), 3);
    for (index, page) in pages.iter().enumerate() {
        let page = one_line(page);
        assert!(page.contains("Recorded Value What In Out Balance"), "{page}");
        assert!(page.contains(&format!("Page {} of 3", index + 1)), "{page}");
    }
    let text = one_line(&pages.join(" "));
    assert!((1..=60).all(|line| text.contains(&format!("01937d5c-2b7e-7c3a-9d53-{line:012}"))));
}

#[test]
fn a_month_without_lines_is_a_statement_too() {
    let text = text(&statement_pdf(&statement(0)).unwrap());
    assert!(text.contains("Opening balance 100.00 Totals and closing balance"), "{text}");
}

#[test]
fn the_same_statement_gives_the_same_bytes() {
    assert!(statement_pdf(&statement(5)).unwrap() == statement_pdf(&statement(5)).unwrap());
    let description = description(&statement_pdf(&statement(5)).unwrap());
    assert_eq!(description, ["Wallet statement 2026-03 EUR", "Musterbühne", "D:20260401000000Z"]);
}
