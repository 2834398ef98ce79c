//! What is laid out, and that nothing is lost.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Vec<Block> {
    blocks(text).unwrap()
}

fn paragraph(depth: usize, marker: Option<&str>, text: &str) -> Block {
    Block::Paragraph { depth, marker: marker.map(str::to_owned), runs: vec![plain(text)] }
}

/// All text in reading order, markers included.
fn shown(blocks: &[Block]) -> String {
    let text = |runs: &Runs| runs.iter().map(|run| run.text.as_str()).collect::<String>();
    let block = |block: &Block| match block {
        Block::Heading { runs, .. } => text(runs),
        Block::Paragraph { marker, runs, .. } => format!("{} {}", marker.as_deref().unwrap_or(""), text(runs)),
        Block::Table { rows, .. } => rows.iter().flatten().map(|cell| text(cell) + "\n").collect(),
        Block::Rule => String::new(),
    };
    blocks.iter().map(|it| block(it) + "\n").collect()
}

#[test]
fn headings_paragraphs_and_styles_are_laid_out() {
    let run = |text: &str, bold, italic, code| Run { text: text.to_owned(), bold, italic, code };
    assert_eq!(
        read("## Price\n\nOne *two* **three *four*** `five`\nsix\n\n---\n"),
        [
            Block::Heading { level: 2, runs: vec![plain("Price")] },
            Block::Paragraph {
                depth: 0,
                marker: None,
                runs: vec![
                    plain("One "),
                    run("two", false, true, false),
                    plain(" "),
                    run("three ", true, false, false),
                    run("four", true, true, false),
                    plain(" "),
                    run("five", false, false, true),
                    plain(" six"),
                ],
            },
            Block::Rule,
        ]
    );
}

#[test]
fn list_items_keep_the_numbers_they_were_written_with() {
    assert_eq!(
        read("1. one\n2. two\n5. five\n\n   more\n\n   - deep\n\n> 7) seven\n"),
        [
            paragraph(1, Some("1."), "one"),
            paragraph(1, Some("2."), "two"),
            paragraph(1, Some("5."), "five"),
            paragraph(1, None, "more"),
            paragraph(2, Some("•"), "deep"),
            paragraph(2, Some("7)"), "seven"),
        ]
    );
}

#[test]
fn an_item_without_text_of_its_own_keeps_its_number() {
    assert_eq!(
        read("1.\n2. # Two\n"),
        [
            Block::Paragraph { depth: 1, marker: Some("1.".to_owned()), runs: vec![] },
            Block::Paragraph { depth: 1, marker: Some("2.".to_owned()), runs: vec![] },
            Block::Heading { level: 1, runs: vec![plain("Two")] },
        ]
    );
}

#[test]
fn tables_have_as_many_cells_in_each_row_as_in_the_head() {
    let row = |cells: [&str; 2]| -> Vec<Runs> { cells.map(|cell| if cell.is_empty() { vec![] } else { vec![plain(cell)] }).into() };
    let expected = Block::Table { columns: 2, rows: vec![row(["a", "b"]), row(["1", "2"]), row(["3", ""])] };
    assert_eq!(read("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |\n"), [expected]);

    let Block::Table { rows, .. } = &read("| a | b |\n|---|---|\n| 1 | 2 | lost |\n")[0] else { panic!("a table") };
    assert_eq!(rows[1].len(), 2);
    assert!(shown(&read("| a | b |\n|---|---|\n| 1 | 2 | lost |\n")).contains("lost"));
}

#[test]
fn a_table_too_wide_for_the_page_becomes_lines() {
    let wide = |cell: &str| format!("|{}\n", format!("{cell}|").repeat(9));
    assert_eq!(read(&(wide("h") + &wide("-") + &wide("x"))).len(), 2);
}

#[test]
fn what_markdown_would_hide_is_shown() {
    for (text, expected) in [
        ("[Buyer]: Nordlicht", "[Buyer]: Nordlicht"),
        ("a <!-- aside --> b", "a <!-- aside --> b"),
        ("<div>\nbody\n</div>", "<div>\nbody\n</div>"),
        ("```clause 4\nbody\n```", "clause 4\nbody"),
        ("[rules](https://r.example \"2026\")", "rules (https://r.example, 2026)"),
        ("![plan](plan.png)", "plan (plan.png)"),
        ("<https://r.example>", "https://r.example"),
        ("a\\\nb", "a\nb"),
        ("~~gone~~ [^1] $x$ - [ ] todo", "~~gone~~ [^1] $x$ - [ ] todo"),
    ] {
        assert_eq!(shown(&read(text)).trim(), expected);
    }
}

#[test]
fn deep_nesting_is_flat() {
    let quoted = read(&format!("{} deep", ">".repeat(5_000)));
    assert!(matches!(&quoted[..], [Block::Paragraph { depth: MAX_DEPTH, .. }]), "{quoted:?}");
    assert!(shown(&read(&("*a **b ".repeat(5_000) + "c"))).contains('c'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_word_of_a_signed_text_is_lost(text in r#"([a-z0-9]{1,3}|[ \n]|\n\n|  |    |[-*+>#|\[\]():`_~<!"=.\\/]|\[a\]: |```|---\n|\|-\|-\|\n|- |1\. |\[b\]\(c\)){0,40}"#) {
        let shown = shown(&read(&text));
        for word in text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()) {
            prop_assert!(shown.contains(word), "{word:?} of {text:?} is not in {shown:?}");
        }
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        read(&text);
    }
}
