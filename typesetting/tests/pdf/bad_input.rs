//! Input at the limits and beyond what a layout expects.

use holdfast_documents::*;
use holdfast_typesetting::*;
use proptest::prelude::*;

use crate::given::*;
use crate::read::*;

#[test]
fn nothing_at_all_is_a_document() {
    let empty = ContractDocument {
        title: String::new(),
        tenant: String::new(),
        contract_id: String::new(),
        text_sha256: String::new(),
        ..draft("")
    };
    assert_eq!(pages(&contract_pdf(&empty).unwrap()).len(), 1);
}

#[test]
fn ten_thousand_lines_are_rendered_to_the_last() {
    let text: String = (1..=10_000).map(|line| format!("Line {line} of the agreement.\n")).collect();
    let pages = pages(&contract_pdf(&draft(&text)).unwrap());
    assert!(one_line(pages.last().unwrap()).contains("Line 10000 of the agreement."));
}

#[test]
fn text_above_the_limit_is_refused() {
    let word = |bytes: usize| draft(&"word ".repeat(bytes / 5 + 1));
    assert_eq!(contract_pdf(&word(MAX_TEXT_BYTES)), Err(RenderError::TooLarge));
    let names = ContractDocument { tenant: "x".repeat(MAX_TEXT_BYTES + 1), ..draft("") };
    assert_eq!(contract_pdf(&names), Err(RenderError::TooLarge));
    assert_eq!(contract_pdf(&draft(&"a\n\n".repeat(MAX_PIECES + 1))), Err(RenderError::TooLarge));
    assert_eq!(statement_pdf(&statement(MAX_PIECES / 2)), Err(RenderError::TooLarge));
    assert_eq!(RenderError::TooLarge.code(), "DOCUMENT_TOO_LARGE");
}

#[test]
fn endless_words_stay_on_the_page() {
    let word = "W".repeat(1_000);
    let text = text(&contract_pdf(&ContractDocument { title: word.clone(), tenant: word.clone(), ..signed(&word) }).unwrap());
    assert!(text.matches('W').count() >= 4_000);
}

#[test]
fn scripts_that_the_fonts_lack_do_not_fail() {
    for text in [
        "契約書 日本語",
        "한국어 계약",
        "عقد عمل",
        "חוזה",
        "ไทย",
        "🎻🎼👩🏽‍🎤",
        "e\u{301}\u{301}\u{301}",
        "\u{feff}\u{200d}\u{ad}",
        "\u{10ffff}\u{e000}",
    ] {
        let document = ContractDocument { title: text.to_owned(), ..signed(text) };
        assert!(contract_pdf(&document).unwrap().starts_with(b"%PDF-1.7"), "{text:?}");
    }
}

#[test]
fn control_characters_and_turned_text_are_marked() {
    let pdf = contract_pdf(&draft("pay \u{202e}001\u{202c} not 100\u{1b}[0m\u{7}")).unwrap();
    assert!(text(&pdf).contains("pay \u{fffd}001\u{fffd} not 100\u{fffd}[0m\u{fffd}"), "{}", text(&pdf));
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    for text in [">".repeat(20_000), "- ".repeat(5_000), "*a **b ".repeat(5_000), "[".repeat(20_000), "#".repeat(20_000)] {
        contract_pdf(&draft(&text)).unwrap();
    }
}

#[test]
fn dates_that_a_pdf_cannot_write_are_left_out() {
    for dated in [chrono::DateTime::<chrono::Utc>::MIN_UTC, chrono::DateTime::<chrono::Utc>::MAX_UTC] {
        let mut document = ContractDocument { dated, ..signed("text") };
        document.signatures[0].signed_at = dated;
        contract_pdf(&document).unwrap();
        let mut month = statement(1);
        month.lines[0].recorded_at = dated;
        statement_pdf(&StatementDocument { dated, ..month }).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_text_anywhere_is_rendered(text in "\\PC{0,60}", odd in any::<String>()) {
        let mut document = ContractDocument { title: text.clone(), tenant: odd.clone(), ..signed(&odd) };
        document.signatures[0].name.clone_from(&text);
        document.signatures[0].consent.clone_from(&odd);
        prop_assert!(contract_pdf(&document).is_ok());
        let mut month = statement(1);
        month.lines[0].what.clone_from(&odd);
        month.lines[0].reference.clone_from(&text);
        prop_assert!(statement_pdf(&month).is_ok());
    }
}
