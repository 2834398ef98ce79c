//! docs/domain/ledger.md shows what the program does: its tables are made from the chart and from real entries.

use std::collections::BTreeSet;

use super::samples::*;
use crate::credits::Provider;
use crate::escrow::{LegParty, MoneySource};
use crate::event::AnyEvent;
use crate::ledger::{AccountCode, JournalEntry, Side, post};
use crate::wallet::{OwnerType, Place, WalletFact};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/domain/ledger.md");

/// Set this to have the tables written instead of compared.
const WRITE: &str = "HOLDFAST_WRITE_DOCS";

#[test]
fn the_tables_of_the_ledger_document_are_true() {
    // LED-04: every account has its kind and side.
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let expected = with_table(&with_table(&document, "chart", &chart()), "postings", &postings());
    if std::env::var_os(WRITE).is_some() {
        return std::fs::write(DOCUMENT, &expected).unwrap();
    }
    assert!(document == expected, "docs/domain/ledger.md is out of date: run this test again with {WRITE}=1");
}

fn with_table(document: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = document.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

fn chart() -> String {
    let mut table = "| Code | Name | Kind | Grows on | Below zero | Owner | Detail |\n|---|---|---|---|---|---|---|\n".to_owned();
    for code in AccountCode::ALL {
        let side = if code.normal_side() == Side::Debit { "debit" } else { "credit" };
        let floor = if code.never_negative() { "never" } else { "possible" };
        let (owner, detail) = dimensions(*code);
        table += &format!("| {} | {} | {} | {side} | {floor} | {owner} | {detail} |\n", code.code(), code.name(), code.kind());
    }
    table
}

/// What the two dimensions of the account mean.
fn dimensions(code: AccountCode) -> (&'static str, &'static str) {
    use AccountCode::*;
    match code {
        A110 | A120 | L260 | L266 | R400 | R401 | R430 | R440 | R470 | X530 => ("–", "–"),
        L200 => ("payer", "–"),
        L202 => ("payer", "hold id, or `freeze`"),
        L205 => ("bank receipt", "–"),
        L210 | L215 => ("escrow", "–"),
        L220 => ("payee", "number of the pending item"),
        L225 => ("payee", "–"),
        L226 => ("payee", "hold id, or `freeze`"),
        L240 => ("tenant", "–"),
        L241 => ("tenant", "hold id, or `freeze`"),
        L270 => ("owner of the credits", "lot"),
        L272 => ("reservation", "lot"),
        L299 => ("event that gave the money", "leg of that event"),
    }
}

/// Source of each posting, with one event of its kind; owner types that differ only in their accounts share a row.
fn rows() -> Vec<(&'static str, Vec<AnyEvent>)> {
    let legs = || {
        vec![
            leg(0, LegParty::Payee(PAYEE), "8770"),
            leg(1, LegParty::Tenant, "944"),
            leg(2, LegParty::Platform, "200"),
            leg(3, LegParty::Tax, "36"),
            leg(4, LegParty::Withholding, "50"),
        ]
    };
    let any = |fact: fn() -> WalletFact| [OwnerType::User, OwnerType::Talent, OwnerType::Tenant].map(|kind| wallet(kind, fact())).to_vec();
    vec![
        ("row 1 (by bank), MNY-09", vec![receipt("1", Some(PAYER))]),
        ("row 28, MNY-12", vec![receipt("1", None)]),
        ("row 28", vec![assigned("1")]),
        ("row 2, MNY-07", vec![funded("1", vec![part(0, "1", "1")])]),
        ("rows 4 and 4b, MNY-23", vec![partially_released("10000", legs())]),
        ("rows 4 and 4b", vec![released(MoneySource::Open, "10000", legs())]),
        ("row 9, MNY-29: by decision", vec![released(MoneySource::Contested, "10000", legs())]),
        ("row 6b, MNY-16", vec![refunded(MoneySource::Open, "1")]),
        ("MNY-16, MNY-29: by decision", vec![refunded(MoneySource::Contested, "1")]),
        ("MNY-30", vec![penalty("1", LegParty::Payer(PAYER))]),
        ("MNY-30: to the platform", vec![penalty("1", LegParty::Platform)]),
        ("row 8, MNY-25", vec![disputed("1")]),
        ("MNY-26", vec![widened("1")]),
        ("MNY-31", vec![redo("1")]),
        ("MNY-32", vec![dismissed("1")]),
        ("rows 7 and 9, MNY-42", vec![settled_case_refunded()]),
        ("MNY-01", any(|| credited("1", Place::Available))),
        ("MNY-24", vec![wallet(OwnerType::Talent, credited("1", pending()))]),
        ("MNY-51, MNY-52", any(|| credited("1", Place::Freeze))),
        ("row 5, MNY-24", vec![wallet(OwnerType::Talent, WalletFact::Cleared { item: 1, amount: eur("1"), to: Place::Available })]),
        ("MNY-51", vec![wallet(OwnerType::Talent, WalletFact::Cleared { item: 1, amount: eur("1"), to: Place::Freeze })]),
        ("LED-57", any(|| debited("1"))),
        ("MNY-07", any(|| hold_placed("1"))),
        ("MNY-07: taken, the rest back", any(|| hold_captured("1", "1", Place::Available))),
        ("MNY-07, MNY-51: while frozen", any(|| hold_captured("1", "1", Place::Freeze))),
        ("MNY-07, MNY-11", any(|| hold_lifted("1", Place::Available))),
        ("MNY-51: while frozen", any(|| hold_lifted("1", Place::Freeze))),
        ("row 7, MNY-36: pending first", vec![wallet(OwnerType::Talent, case_frozen(&[(pending(), "1"), (Place::Available, "1")]))]),
        ("row 7, MNY-36", any(|| case_frozen(&[(Place::Available, "1")]))),
        ("MNY-36, MNY-51: while frozen", any(|| case_frozen(&[(Place::Freeze, "1")]))),
        ("MNY-51", any(|| frozen("1"))),
        ("MNY-51", any(|| unfrozen("1"))),
        ("row 15", vec![credits_sold("1000", "180")]),
        ("row 22: set apart", vec![credits_reserved("1")]),
        ("row 22: not used", vec![credits_released(vec![sold_part(1, "1")], vec![])]),
        ("MNY-54: expired meanwhile", vec![credits_released(vec![], vec![sold_part(1, "1")])]),
        ("row 16", vec![credits_consumed(vec![sold_part(1, "1")], false, Provider::Platform, None)]),
        ("row 22: from a reservation", vec![credits_consumed(vec![sold_part(1, "1")], true, Provider::Platform, None)]),
        ("row 16: service of the tenant", vec![credits_consumed(vec![sold_part(1, "1")], false, Provider::Tenant, None)]),
        ("row 18", vec![credits_consumed(vec![promo_part(1)], false, Provider::Platform, Some("1"))]),
        ("row 18: service of the tenant", vec![credits_consumed(vec![promo_part(1)], false, Provider::Tenant, Some("1"))]),
        ("MNY-53: a refund", vec![credits_revoked(vec![taxed_part("10", "1")])]),
        ("row 17", vec![credits_expired(sold_part(1, "1"))]),
    ]
}

fn postings() -> String {
    let mut table = "| Event | Entry | Debit | Credit | Source |\n|---|---|---|---|---|\n".to_owned();
    for (source, events) in rows() {
        let entries: Vec<_> = events.iter().map(|event| post(&origin(event), event).unwrap().unwrap()).collect();
        let side = |side| {
            let codes = |entry: &JournalEntry| -> BTreeSet<_> {
                entry.lines().iter().filter(|line| line.side == side).map(|line| line.account.code.code()).collect()
            };
            let codes: Vec<_> = entries.iter().map(codes).collect();
            let shared = codes.iter().skip(1).fold(codes[0].clone(), |shared, codes| &shared & codes);
            // One cell: the codes of all entries, then those that differ by owner.
            let own: Vec<_> = codes.iter().flat_map(|codes| codes - &shared).collect();
            [shared.into_iter().collect::<Vec<_>>().join(", "), own.join(" / ")]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (debit, credit) = (side(Side::Debit), side(Side::Credit));
        table += &format!("| `{}` | `{}` | {debit} | {credit} | {source} |\n", events[0].name(), entries[0].kind());
    }
    let mut silent: Vec<_> = without_money().iter().map(AnyEvent::name).collect();
    silent.extend(["escrow.created", "escrow.settlement_disputed"]);
    silent.retain(|name| !name.starts_with("tenant."));
    silent.retain(|name| !rows().iter().any(|(_, events)| events[0].name() == *name));
    silent.sort_unstable();
    let silent: Vec<_> = silent.into_iter().map(|name| format!("`{name}`")).collect();
    table + &format!("\nWithout a posting: all of the tenant, {}.\n", silent.join(", "))
}
