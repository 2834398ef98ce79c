//! `{{name}}` and `{{clause:key}}`: the two things that a text may ask for.

/// The longest text of a template, and of a contract made from it, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
    Clause(&'a str),
    /// Two opening braces that lead to neither; the whole of it.
    Broken(&'a str),
}

/// The text from its start to its end, nothing left out. Spaces inside the braces do not count.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, from_braces) = rest.split_at(start);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let end = from_braces.find("}}").map_or(from_braces.len(), |end| end + 2);
        let (whole, after) = from_braces.split_at(end);
        pieces.push(piece(whole));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn piece(whole: &str) -> Piece<'_> {
    let Some(inside) = whole.strip_prefix("{{").and_then(|inside| inside.strip_suffix("}}")).map(str::trim) else {
        return Piece::Broken(whole);
    };
    match inside.strip_prefix("clause:") {
        Some(key) if is_clause_key(key) => Piece::Clause(key),
        None if is_variable_name(inside) => Piece::Variable(inside),
        Some(_) | None => Piece::Broken(whole),
    }
}

/// `[a-z][a-z0-9_]*`, at most 64 characters.
pub(super) fn is_variable_name(name: &str) -> bool {
    is_name(name, |c| c == b'_')
}

/// `[a-z][a-z0-9_.-]*`, at most 64 characters.
pub(super) fn is_clause_key(key: &str) -> bool {
    is_name(key, |c| matches!(c, b'_' | b'-' | b'.'))
}

fn is_name(name: &str, is_joint: fn(u8) -> bool) -> bool {
    let starts_well = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    starts_well && name.len() <= 64 && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || is_joint(c))
}

/// Keys of the clauses that a text asks for, in order of appearance, each once.
#[must_use]
pub fn clauses_of(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    for piece in pieces(text) {
        if let Piece::Clause(key) = piece
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    keys
}
