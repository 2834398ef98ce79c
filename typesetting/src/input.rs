//! What a template gets: JSON whose strings are within limits and can be shown. Text is data and is never read as Typst markup.

use serde::Serialize;
use serde_json::Value;

use holdfast_documents::{MAX_PIECES, MAX_TEXT_BYTES, RenderError};

const ZERO_WIDTH_SPACE: char = '\u{200B}';

/// The document, with places to break in words above `max_word` characters.
///
/// # Errors
/// `TooLarge` above either limit.
pub(crate) fn to_json(document: &impl Serialize, max_word: usize) -> Result<Vec<u8>, RenderError> {
    let mut value = serde_json::to_value(document).map_err(|error| RenderError::Failed(error.to_string()))?;
    let mut text = Text { bytes_left: MAX_TEXT_BYTES, pieces_left: MAX_PIECES, max_word };
    text.make_printable(&mut value)?;
    Ok(value.to_string().into_bytes())
}

struct Text {
    bytes_left: usize,
    pieces_left: usize,
    max_word: usize,
}

impl Text {
    fn make_printable(&mut self, value: &mut Value) -> Result<(), RenderError> {
        match value {
            Value::String(text) => {
                self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or(RenderError::TooLarge)?;
                self.pieces_left = self.pieces_left.checked_sub(1).ok_or(RenderError::TooLarge)?;
                *text = printable(text, self.max_word);
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.make_printable(value)),
            Value::Object(fields) => fields.values_mut().try_for_each(|value| self.make_printable(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }
}

/// The text with what cannot be shown marked as such, and with places where an endless word may be broken.
fn printable(text: &str, max_word: usize) -> String {
    let mut printable = String::with_capacity(text.len());
    let mut word = 0;
    for char in text.chars() {
        word = if char.is_whitespace() || char == '-' { 0 } else { word + 1 };
        if word > max_word {
            printable.push(ZERO_WIDTH_SPACE);
            word = 1;
        }
        match char {
            '\r' => {}
            '\t' => printable.push_str("    "),
            char if is_hidden(char) => printable.push(char::REPLACEMENT_CHARACTER),
            char => printable.push(char),
        }
    }
    printable
}

/// Control characters, and those that turn the direction of the text around them so that it reads other than it is written.
fn is_hidden(char: char) -> bool {
    char != '\n' && char.is_control() || matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_shown_is_marked() {
        assert_eq!(printable("a\0b\u{1b}c\u{202e}d\te\r\nf", 40), "a\u{fffd}b\u{fffd}c\u{fffd}d    e\nf");
    }

    #[test]
    fn an_endless_word_may_be_broken() {
        let broken = printable(&"x".repeat(100), 40);
        assert_eq!(broken.split(ZERO_WIDTH_SPACE).map(str::len).collect::<Vec<_>>(), [40, 40, 20]);
        assert_eq!(broken.replace(ZERO_WIDTH_SPACE, "").len(), 100);
        let words = "Donaudampfschifffahrtsgesellschaft ".repeat(9);
        assert_eq!(printable(&words, 40), words);
    }

    #[test]
    fn text_and_pieces_are_limited() {
        let text = |bytes: usize| to_json(&json!({ "deep": ["x".repeat(bytes - 1), "y"] }), 40).map(|_| ());
        assert_eq!((text(MAX_TEXT_BYTES), text(MAX_TEXT_BYTES + 1)), (Ok(()), Err(RenderError::TooLarge)));
        let pieces = |count: usize| to_json(&vec![""; count], 40).map(|_| ());
        assert_eq!((pieces(MAX_PIECES), pieces(MAX_PIECES + 1)), (Ok(()), Err(RenderError::TooLarge)));
    }
}
