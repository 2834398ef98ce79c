//! `Content-Disposition` for downloads (RFC 6266).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// `attr-char` of RFC 8187 needs no escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Longest name that is passed on, in characters.
const NAME_CHARS: usize = 150;

/// The header's value: always a download, never shown in place, under `file_name` or the nearest harmless one.
#[must_use]
pub fn attachment(file_name: &str) -> String {
    let name: String = file_name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\')).take(NAME_CHARS).collect();
    let name = match name.trim_matches([' ', '.']) {
        "" => "file",
        name => name,
    };
    let plain: String = name.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        let _ = write!(value, "; filename*=UTF-8''{}", utf8_percent_encode(name, ESCAPED));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_say_more_than_a_name() {
        assert_eq!(attachment("Report 1.pdf"), "attachment; filename=\"Report 1.pdf\"");
        assert_eq!(attachment("Übung.pdf"), "attachment; filename=\"_bung.pdf\"; filename*=UTF-8''%C3%9Cbung.pdf");
        assert_eq!(attachment("../../etc/passwd"), "attachment; filename=\"etcpasswd\"");
        assert_eq!(
            attachment("a\"; x=\"\r\nSet-Cookie: b"),
            "attachment; filename=\"a_; x=_Set-Cookie: b\"; filename*=UTF-8''a%22%3B%20x%3D%22Set-Cookie%3A%20b"
        );
        assert_eq!(attachment(" .. "), "attachment; filename=\"file\"");
        assert!(attachment(&"é".repeat(10_000)).len() < 2_000);
    }
}
