//! The text of an agreement as blocks. A subset of Markdown is laid out; whatever else stands in the text is shown as written, because
//! a signed text must not lose a word on its way to paper.

use std::mem::take;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};
use serde::Serialize;

use holdfast_documents::MAX_TEXT_BYTES;
use holdfast_documents::RenderError;

/// Deeper lists and quotations are indented like this one.
const MAX_DEPTH: usize = 6;
/// Wider tables are shown as lines of text.
const MAX_COLUMNS: usize = 8;

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)] // the templates tell them apart by their fields; a rule is null
pub(crate) enum Block {
    Heading {
        level: usize,
        runs: Runs,
    },
    /// `marker` is that of a list item, as written: numbers in agreements are referred to.
    Paragraph {
        depth: usize,
        marker: Option<String>,
        runs: Runs,
    },
    /// The first row is the head; all rows have as many cells as there are columns.
    Table {
        columns: usize,
        rows: Vec<Vec<Runs>>,
    },
    Rule,
}

pub(crate) type Runs = Vec<Run>;

/// Text of one style.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Run {
    text: String,
    bold: bool,
    italic: bool,
    code: bool,
}

/// # Errors
/// `TooLarge`.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>, RenderError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(RenderError::TooLarge);
    }
    let mut reader = Reader { source: text, ..Reader::default() };
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        reader.read(event, range);
    }
    reader.skip_to(text.len());
    reader.close();
    Ok(reader.blocks)
}

#[derive(Default)]
struct Reader<'a> {
    source: &'a str,
    /// Up to here the source has been shown or is known to be punctuation of Markdown.
    cursor: usize,
    blocks: Vec<Block>,
    /// The block, or the cell, that text goes into.
    open: Option<Kind>,
    runs: Runs,
    bold: usize,
    italic: usize,
    depth: usize,
    /// Of a list item whose first block has not come yet.
    marker: Option<String>,
    table: Option<Table>,
    /// What stands behind the text of the links that are open.
    links: Vec<Option<String>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Heading(usize),
    Paragraph,
    Cell,
}

struct Table {
    columns: usize,
    rows: Vec<Vec<Runs>>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(tag) => self.end(tag, range.end),
            Event::Code(text) => self.show(range, &text, true),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.show(range, &text, false),
            Event::SoftBreak => self.show(range, " ", false),
            Event::HardBreak => self.show(range, "\n", false),
            Event::TaskListMarker(_) => {}
            Event::Rule => {
                self.skip_to(range.start);
                self.close_before_block();
                self.blocks.push(Block::Rule);
                self.cursor = range.end;
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        self.skip_to(range.start);
        match tag {
            Tag::Heading { level, .. } => self.open(Kind::Heading(*level as usize)),
            Tag::Paragraph | Tag::HtmlBlock => self.open(Kind::Paragraph),
            Tag::CodeBlock(kind) => {
                self.open(Kind::Paragraph);
                self.code_info(kind, range.start);
            }
            Tag::List(_) | Tag::BlockQuote(_) => {
                self.close_before_block();
                self.depth += 1;
            }
            Tag::Item => {
                self.close();
                let marker = self.source.get(range).and_then(number).unwrap_or("");
                self.cursor += marker.len();
                self.marker = Some(if marker.is_empty() { "•".to_owned() } else { marker.to_owned() });
            }
            Tag::Table(alignments) => {
                self.close_before_block();
                self.table = Some(Table { columns: alignments.len(), rows: Vec::new() });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableCell => self.open(Kind::Cell),
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Link { link_type, dest_url, title, .. } | Tag::Image { link_type, dest_url, title, .. } => {
                self.links.push(link_target(*link_type, dest_url, title));
            }
            // Parts of Markdown that are not switched on.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd, end: usize) {
        match tag {
            TagEnd::Link | TagEnd::Image => {
                if let Some(target) = self.links.pop().flatten() {
                    self.push(&format!(" ({target})"), false);
                }
                self.cursor = self.cursor.max(end);
            }
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::HtmlBlock
            | TagEnd::CodeBlock
            | TagEnd::TableCell
            | TagEnd::TableHead
            | TagEnd::TableRow => {
                self.skip_to(end);
                self.close();
            }
            TagEnd::Table => {
                self.skip_to(end);
                self.close_table();
            }
            TagEnd::Item => {
                self.skip_to(end);
                self.close_before_block();
            }
            TagEnd::List(_) | TagEnd::BlockQuote(_) => {
                self.skip_to(end);
                self.close();
                self.depth = self.depth.saturating_sub(1);
            }
            TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    fn show(&mut self, range: Range<usize>, text: &str, code: bool) {
        self.skip_to(range.start);
        self.push(text, code);
        self.cursor = self.cursor.max(range.end);
    }

    /// Passes over punctuation of Markdown. Words that stand in between are shown: the parser has taken them for something that
    /// has no place in the text, such as the target of a link that nobody uses.
    fn skip_to(&mut self, to: usize) {
        let passed = self.source.get(self.cursor..to).unwrap_or("").trim();
        self.cursor = self.cursor.max(to);
        if passed.contains(char::is_alphanumeric) {
            self.push(passed, false);
        }
    }

    fn push(&mut self, text: &str, code: bool) {
        if self.open.is_none() {
            self.open = Some(if self.table.is_some() { Kind::Cell } else { Kind::Paragraph });
        }
        let run = Run { text: text.to_owned(), bold: self.bold > 0, italic: self.italic > 0, code };
        match self.runs.last_mut() {
            Some(last) if (last.bold, last.italic, last.code) == (run.bold, run.italic, run.code) => last.text.push_str(text),
            Some(_) | None => self.runs.push(run),
        }
    }

    fn code_info(&mut self, kind: &CodeBlockKind<'_>, start: usize) {
        if let CodeBlockKind::Fenced(info) = kind {
            if !info.is_empty() {
                self.push(&format!("{info}\n"), true);
            }
            let rest = self.source.get(start..).unwrap_or("");
            self.cursor = start + rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn open(&mut self, kind: Kind) {
        match kind {
            Kind::Heading(_) => self.close_before_block(),
            Kind::Paragraph | Kind::Cell => self.close(),
        }
        self.open = Some(kind);
    }

    /// Before a block that cannot carry the marker of its list item.
    fn close_before_block(&mut self) {
        self.close();
        if self.marker.is_some() {
            self.open = Some(Kind::Paragraph);
            self.close();
        }
    }

    fn close(&mut self) {
        let Some(kind) = self.open.take() else { return };
        let mut runs = take(&mut self.runs);
        if let Some(last) = runs.last_mut() {
            last.text.truncate(last.text.trim_end_matches('\n').len());
        }
        match kind {
            Kind::Heading(level) => self.blocks.push(Block::Heading { level, runs }),
            Kind::Paragraph => self.blocks.push(Block::Paragraph { depth: self.depth.min(MAX_DEPTH), marker: self.marker.take(), runs }),
            Kind::Cell => self.close_cell(runs),
        }
    }

    fn close_cell(&mut self, runs: Runs) {
        let Some(table) = &mut self.table else { return };
        let columns = table.columns;
        let Some(row) = table.rows.last_mut() else { return };
        let full = row.len() >= columns;
        match row.last_mut() {
            Some(last) if full => last.extend(std::iter::once(plain(" ")).chain(runs)),
            Some(_) | None => row.push(runs),
        }
    }

    fn close_table(&mut self) {
        self.close();
        let Some(Table { columns, rows }) = self.table.take() else { return };
        if columns <= MAX_COLUMNS {
            self.blocks.push(Block::Table { columns, rows });
            return;
        }
        for row in rows {
            let runs = row.into_iter().flat_map(|cell| cell.into_iter().chain([plain(" | ")])).collect();
            self.blocks.push(Block::Paragraph { depth: self.depth.min(MAX_DEPTH), marker: None, runs });
        }
    }
}

fn plain(text: &str) -> Run {
    Run { text: text.to_owned(), bold: false, italic: false, code: false }
}

/// The number of an ordered item as written: "4." or "4)".
fn number(item: &str) -> Option<&str> {
    let digits = item.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { None } else { item.get(..=digits) }
}

/// What paper cannot follow: the address behind a text. An address that is its own text needs no repetition.
fn link_target(kind: LinkType, address: &str, title: &str) -> Option<String> {
    let parts: Vec<&str> = [address, title].into_iter().filter(|part| !part.is_empty()).collect();
    (!matches!(kind, LinkType::Autolink | LinkType::Email) && !parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests;
