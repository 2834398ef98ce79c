//! Contracts and their evidence (CTR-40).

use holdfast_documents::*;
use holdfast_typesetting::*;

use crate::given::*;
use crate::read::*;

#[test]
fn a_signed_contract_shows_its_text() {
    // The reader puts spaces where the style changes and where a line ends.
    let dense = |text: &str| text.replace(' ', "");
    let text = text(&contract_pdf(&signed(AGREEMENT)).unwrap());
    for expected in [
        "This agreement is between Nordlicht Produktion GmbH (the payer) and Zoë Œuvrard (the payee).",
        "4. the stems: • strings, • brass.",
        "Milestone Amount Due Score 1,200.00 € 2026-04-01",
        "Straße, Čeština, zażółć gęślą jaźń, ça va, “quoted” – 100 %.",
        "(https://rules.example/terms)",
        "legal@rules.example",
    ] {
        assert!(dense(&text).contains(&dense(expected)), "{expected:?} is not in {text}");
    }
    assert!(!text.contains("DRAFT"));
}

#[test]
fn the_evidence_page_says_who_signed_what_when_and_how() {
    // CTR-40
    let pages = pages(&contract_pdf(&signed(AGREEMENT)).unwrap());
    let evidence = one_line(pages.last().unwrap());
    for expected in [
        "Document Agreement on a score",
        "Tenant Musterbühne",
        "Contract 01937d5c-2b7e-7c3a-9d53-0d1f5f6a7b8c",
        "Version 3",
        &format!("SHA-256 {SHA256}"),
        "Signer Zoë Œuvrard E-mail zoe@example.org Role payee Signed as Zoë Œuvrard",
        "Consent I have read this agreement and sign it electronically; I know that this binds me like a signature by hand.",
        "Time 2026-03-01T11:59:58.123456Z IP address 2001:db8::7",
        "User agent Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 Signed with in the application",
        "Signer Jan Kowalczyk Role payer Signed as not recorded",
        "IP address not recorded User agent not recorded Signed with Signwell, envelope env-7f3a",
    ] {
        assert!(evidence.contains(expected), "{expected:?} is not in {evidence}");
    }
    assert!(!one_line(&pages[0]).contains("SHA-256"));
}

#[test]
fn a_contract_without_signatures_is_a_draft_without_evidence() {
    let pages = pages(&contract_pdf(&draft(&"A long sentence of an agreement. ".repeat(200))).unwrap());
    assert!(pages.len() > 1 && pages.iter().all(|page| page.contains("DRAFT")));
    assert!(!pages.concat().contains("Evidence"));
}

#[test]
fn text_is_never_read_as_commands() {
    for hostile in [
        r#"#read("x")"#,
        r#"#import "house.typ": *"#,
        "#panic()",
        "$ x^2 $ and $",
        "2 \\* 3 \\_ 4",
        "@reference and @",
        r"back\slash \u{41} \",
        r#""quotes" 'single' `` ~"#,
        "a <label> b",
        "= heading? == no",
        "]] } } #]",
        "// no comment /* nor this */",
        "-- --- ... ->",
        "{\"json\": [1]}",
        "https://example.org/#read",
        "&lt; \u{0} end",
    ] {
        let mut document = signed(hostile);
        document.title = hostile.to_owned();
        document.tenant = hostile.to_owned();
        document.signatures[0].name = hostile.to_owned();
        document.signatures[0].consent = hostile.to_owned();
        let pdf = contract_pdf(&document).unwrap();
        let shown = one_line(&hostile.replace('\0', "\u{fffd}"));
        let evidence = one_line(pages(&pdf).last().unwrap());
        for expected in [format!("Document {shown} Tenant {shown}"), format!("Signer {shown} E-mail"), format!("Consent {shown} Time")] {
            assert!(evidence.contains(&expected), "{expected:?} is not in {evidence}");
        }
        // Markdown reads these three: escapes and an entity.
        let body = shown.replace("\\*", "*").replace("\\_", "_").replace("&lt;", "<");
        assert!(text(&pdf).contains(&body), "{body:?} is not in {}", text(&pdf));
    }
}

#[test]
fn the_same_contract_gives_the_same_bytes_and_another_gives_others() {
    let pdf = contract_pdf(&signed(AGREEMENT)).unwrap();
    let other_version = ContractDocument { version: 4, ..signed(AGREEMENT) };
    assert_ne!(contract_pdf(&other_version).unwrap(), pdf);
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| contract_pdf(&signed(AGREEMENT)).unwrap())).collect();
    for thread in threads {
        assert!(thread.join().unwrap() == pdf, "the bytes differ");
    }
}

#[test]
fn the_description_names_title_tenant_and_date() {
    let description = description(&contract_pdf(&signed(AGREEMENT)).unwrap());
    assert_eq!(description, ["Agreement on a score", "Musterbühne", "D:20260301120000Z"]);
}
